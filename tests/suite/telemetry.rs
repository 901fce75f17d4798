//! The trace of a run, as a collector receives it from the real program.

use crate::harness::{Charge, Ledger, Listing};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tonic::{Request, Response, Status};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve(address));
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|a| a.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

/// Runs the program; gives its JSON document.
async fn program(ledger: &Ledger, statement: &Path, endpoint: &str) -> serde_json::Value {
    let mut command = assert_cmd::Command::cargo_bin("payment-monitor").unwrap();
    command
        .args(["run", "--output", "json", "--settle", "0s", "--max-changes", "none", "--statement"])
        .arg(statement)
        .env("DATABASE_URL", ledger.url())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        // Must not delete the trace: each layer has a filter of its own.
        .env("RUST_LOG", "error");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

async fn ledger_that_refuses_one() -> (Ledger, Listing) {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CONSTRAINT rule CHECK (amount_minor > 0)").await;
    let listing = Listing::of([
        Charge::new("ch_1", 1),
        Charge::new("ch_2", 2).with("amount", 0),
        Charge::new("ch_3", 3),
    ]);
    (ledger, listing)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_trace_with_a_span_per_operation_under_the_ids_of_the_record() {
    let (mut ledger, listing) = ledger_that_refuses_one().await;
    let folder = TempDir::new().unwrap();
    let (collector, address) = Collector::start().await;
    let path = listing.write(folder.path());
    let document = program(&ledger, &path, &format!("http://{address}")).await;
    let spans = collector.spans();

    let trace = document["trace_id"].as_str().unwrap();
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == trace));
    assert_eq!(document["run_id"].as_str().unwrap().replace('-', ""), trace);
    let account = &document["telemetry"];
    assert_eq!((&account["made"], &account["lost"]), (&spans.len().into(), &0.into()));

    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    assert_eq!(root.name, "payment_monitor.run");
    assert_eq!(attribute(root, "process.exit.code").as_deref(), Some("1"));
    let phases: Vec<&Span> =
        spans.iter().filter(|span| span.parent_span_id == root.span_id).collect();
    let mut names: Vec<&str> = phases.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["compare", "fetch", "finish", "guard", "perform", "plan", "rescue"]);

    let perform = phases.iter().find(|span| span.name == "perform").unwrap();
    let operations: Vec<&Span> =
        spans.iter().filter(|span| span.parent_span_id == perform.span_id).collect();
    let mut ids: Vec<String> = operations.iter().map(|span| hex::encode(&span.span_id)).collect();
    ids.sort();
    let recorded = "SELECT string_agg(span_id, ' ' ORDER BY span_id) FROM run_operations";
    assert_eq!(ids.join(" "), ledger.text(recorded).await);
    for span in operations {
        assert_eq!((span.name.as_str(), span.kind()), ("INSERT payments", SpanKind::Client));
        assert_eq!(attribute(span, "db.system.name").as_deref(), Some("postgresql"));
        assert_eq!(attribute(span, "payment_monitor.user.id").as_deref(), Some("1"));
        let status = span.status.as_ref().map(opentelemetry_proto::tonic::trace::v1::Status::code);
        let is_refused = attribute(span, "payment_monitor.provider.id").unwrap() == "ch_2";
        if is_refused {
            assert_eq!(status, Some(StatusCode::Error));
            assert_eq!(attribute(span, "error.type").as_deref(), Some("23514"));
        } else {
            assert!(status.is_none_or(|status| status == StatusCode::Unset));
        }
    }
    let told = format!("{spans:?}");
    assert!(!told.contains("example.com") && !told.contains("password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_was_tried_again_is_one_span_that_says_how_often() {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "CREATE SEQUENCE attempts; GRANT USAGE ON attempts TO PUBLIC;
            CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF nextval('attempts') <= 2 THEN
                RAISE 'busy' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER busy BEFORE INSERT ON payments
                FOR EACH ROW EXECUTE FUNCTION busy()",
        )
        .await;
    let folder = TempDir::new().unwrap();
    let (collector, address) = Collector::start().await;
    let path = Listing::of([Charge::new("ch_1", 1)]).write(folder.path());
    program(&ledger, &path, &format!("http://{address}")).await;
    let spans = collector.spans();
    let attempts = spans.iter().filter_map(|s| attribute(s, "payment_monitor.operation.attempts"));
    assert_eq!(attempts.collect::<Vec<_>>(), ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_does_not_harm_the_run_and_the_loss_is_counted() {
    let (mut ledger, listing) = ledger_that_refuses_one().await;
    let folder = TempDir::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = listing.write(folder.path());
    let document = program(&ledger, &path, &format!("http://{free}")).await;
    assert_eq!(document["operations"]["applied"], 2);
    let account = &document["telemetry"];
    assert_eq!(account["acknowledged"], 0);
    assert_eq!(account["made"], account["lost"]);
    assert!(account["made"].as_u64().unwrap() >= 10);
    ledger.assert_invariants().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_url_is_one_line_and_the_run_goes_on() {
    let (ledger, listing) = ledger_that_refuses_one().await;
    let folder = TempDir::new().unwrap();
    let document = program(&ledger, &listing.write(folder.path()), "not a url").await;
    assert_eq!(document["operations"]["applied"], 2);
    assert_eq!(document["telemetry"], serde_json::Value::Null);
}
