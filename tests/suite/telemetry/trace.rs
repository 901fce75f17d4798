//! A run's trace and its logs, as a collector receives them from the real program.

use super::collector::{Behaviour, Collector, attribute};
use super::ledger_that_refuses_one;
use crate::harness::{Charge, Ledger, Listing};
use crate::harness::{Program, finish};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

/// The program on a ledger, with a collector.
pub fn program(ledger: &Ledger, collector: &Collector) -> Program {
    Program::on(ledger)
        .with("PAYMENT_MONITOR_OUTPUT", "json")
        .with("PAYMENT_MONITOR_MAX_CHANGES", "none")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        // Must not delete the trace: each layer has a filter of its own.
        .with("RUST_LOG", "error")
}

fn status(span: &Span) -> StatusCode {
    let status = span.status.as_ref();
    status.map_or(StatusCode::Unset, opentelemetry_proto::tonic::trace::v1::Status::code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_trace_with_a_span_per_operation_under_the_ids_of_the_record() {
    let (mut ledger, listing) = ledger_that_refuses_one().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = listing.write(program.folder.path());
    let document = program.run_statement(&path, &[]).await.json();
    let spans = collector.spans();

    let trace = document["trace_id"].as_str().unwrap();
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == trace));
    assert_eq!(document["run_id"].as_str().unwrap().replace('-', ""), trace);
    let account = &document["telemetry"]["traces"];
    assert_eq!(account["made"], spans.len());
    assert_eq!(account["acknowledged"], spans.len());
    assert_eq!(program.run(&["show"]).await.json()["telemetry"], document["telemetry"]);

    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    assert_eq!(root.name, "payment_monitor.run");
    assert_eq!(attribute(&root.attributes, "process.exit.code").as_deref(), Some("1"));
    let phases: Vec<&Span> =
        spans.iter().filter(|span| span.parent_span_id == root.span_id).collect();
    let mut names: Vec<&str> = phases.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["assess", "compare", "fetch", "finish", "guard", "perform", "plan", "rescue"]
    );
    for span in &spans {
        let run = attribute(&span.attributes, "payment_monitor.run.id");
        assert_eq!(run.as_deref(), document["run_id"].as_str(), "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
    }

    let perform = phases.iter().find(|span| span.name == "perform").unwrap();
    let operations: Vec<&Span> =
        spans.iter().filter(|span| span.parent_span_id == perform.span_id).collect();
    let mut ids: Vec<String> = operations.iter().map(|span| hex::encode(&span.span_id)).collect();
    ids.sort();
    let recorded = "SELECT string_agg(span_id, ' ' ORDER BY span_id) FROM run_operations";
    assert_eq!(ids.join(" "), ledger.text(recorded).await);
    for span in operations {
        let attribute = |key| attribute(&span.attributes, key);
        assert_eq!((span.name.as_str(), span.kind()), ("INSERT payments", SpanKind::Client));
        assert_eq!(attribute("db.system.name").as_deref(), Some("postgresql"));
        assert_eq!(attribute("payment_monitor.user.id").as_deref(), Some("1"));
        if attribute("payment_monitor.provider.id").unwrap() == "ch_2" {
            assert_eq!(status(span), StatusCode::Error);
            assert_eq!(attribute("error.type").as_deref(), Some("23514"));
        } else {
            assert_eq!(status(span), StatusCode::Unset);
        }
    }
    let told = format!("{spans:?}");
    assert!(!told.contains("example.com") && !told.contains("password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_log_line_reads_well_alone_and_carries_the_ids_of_its_span() {
    let (ledger, listing) = ledger_that_refuses_one().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = listing.write(program.folder.path());
    let document = program.run_statement(&path, &[]).await.json();
    let (spans, logs) = (collector.spans(), collector.logs());
    let id = document["run_id"].as_str().unwrap();
    let said: Vec<(String, String)> =
        logs.iter().map(|log| (format!("{:?}", log.body), hex::encode(&log.span_id))).collect();
    let span_of = |text: &str| {
        let found = said.iter().find(|(body, _)| body.contains(text));
        found.unwrap_or_else(|| panic!("{text}: {said:?}")).1.clone()
    };
    let id_of = |name: &str, provider: Option<&str>| {
        let span = spans.iter().find(|span| {
            let of = attribute(&span.attributes, "payment_monitor.provider.id");
            span.name == name && of.as_deref() == provider
        });
        hex::encode(&span.unwrap().span_id)
    };
    let root = id_of("payment_monitor.run", None);
    assert_eq!(span_of(&format!("run {id} began")), root);
    assert_eq!(span_of(&format!("run {id} succeeded: 2 of 3 operations applied")), root);
    assert_eq!(span_of("(INSERT payments ch_2) failed"), id_of("INSERT payments", Some("ch_2")));
    for log in &logs {
        assert_eq!(attribute(&log.attributes, "payment_monitor.run.id").as_deref(), Some(id));
        assert_eq!(hex::encode(&log.trace_id), document["trace_id"].as_str().unwrap());
    }
    assert_eq!(document["telemetry"]["logs"]["acknowledged"], logs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_becomes_a_link_and_no_sampler_drops_a_run() {
    let ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector)
        .with("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
        .with("OTEL_TRACES_SAMPLER", "always_off");
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let document = program.run_statement(&path, &[]).await.json();
    let spans = collector.spans();
    let root = spans.iter().find(|span| span.name == "payment_monitor.run").unwrap();
    assert_eq!(hex::encode(&root.trace_id), document["trace_id"].as_str().unwrap());
    assert_eq!(hex::encode(&root.links[0].trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex::encode(&root.links[0].span_id), "00f067aa0ba902b7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_no_trace() {
    let ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    assert_eq!(program.run_statement(&path, &["--dry-run"]).await.code, 0);
    assert_eq!((collector.spans().len(), collector.logs().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stopped_by_sigterm_delivers_its_trace_and_its_account_adds_up() {
    let mut ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    // Enough that the signal is seen before the last one, however busy the machine is.
    let charges = (1..=500).map(|n| Charge::new(&format!("ch_{n}"), n));
    let path = Listing::of(charges).write(program.folder.path());
    ledger.sql("BEGIN; LOCK TABLE payment_monitor_results IN ACCESS EXCLUSIVE MODE").await;
    let statement = path.to_str().unwrap();
    let limits = ["--settle", "0s", "--max-changes", "none", "--concurrency", "2"];
    let child = program.spawn(&[&["run", "--statement", statement][..], &limits].concat());
    ledger.until_sessions_wait(2).await;
    let pid = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    ledger.sql("COMMIT").await;
    let output = finish(child).await;
    assert_eq!(output.code, 143, "{}", output.all());
    let document = output.json();
    let spans = collector.spans();
    assert_eq!(document["telemetry"]["traces"]["acknowledged"], spans.len());
    let operations = spans.iter().filter(|span| span.kind() == SpanKind::Client);
    assert_eq!(operations.count() as u64, document["operations"]["applied"].as_u64().unwrap());
    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    assert_eq!(attribute(&root.attributes, "process.exit.code").as_deref(), Some("143"));
    let recorded = "SELECT details ->> 'exit_code' FROM run_events WHERE kind = 'telemetry'";
    assert_eq!(ledger.text(recorded).await, "143");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_each_log_line_is_a_document_of_its_own() {
    let (ledger, listing) = ledger_that_refuses_one().await;
    let program = Program::on(&ledger).with("PAYMENT_MONITOR_LOG_FORMAT", "json");
    let path = listing.write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    let lines: Vec<serde_json::Value> = output
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", output.stderr)))
        .collect();
    assert_eq!(lines.len(), 3, "{}", output.stderr);
    assert_eq!(lines[1]["payment_monitor.operation.outcome"], "failed");
    assert_eq!(lines[2]["applied"], 2);
    let wrong = program.run_statement(&path, &["--log-format", "xml"]).await;
    assert_eq!(wrong.code, 2);
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
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    program.run_statement(&path, &[]).await;
    let spans = collector.spans();
    let attempts =
        spans.iter().filter_map(|s| attribute(&s.attributes, "payment_monitor.operation.attempts"));
    assert_eq!(attempts.collect::<Vec<_>>(), ["3"]);
    let again = collector.logs().into_iter().filter(|log| {
        format!("{:?}", log.body).contains("is tried again") && !log.span_id.is_empty()
    });
    assert_eq!(again.count(), 2);
}
