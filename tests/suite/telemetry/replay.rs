//! A run's trace made again from the database: the same as the one that was sent.

use super::collector::{Behaviour, Collector, attribute};
use super::ledger_that_refuses_one;
use super::trace::program;
use crate::harness::{Charge, Ledger, Listing};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use uuid::Uuid;

/// What must be the same: ids, parent, name, kind, attributes, status, links; not the times.
fn told(spans: &[Span]) -> Vec<String> {
    let mut told: Vec<String> = spans
        .iter()
        .map(|span| {
            let mut attributes: Vec<String> = span
                .attributes
                .iter()
                .filter(|a| a.key != "payment_monitor.replayed")
                .map(|a| format!("{}={:?}", a.key, a.value))
                .collect();
            attributes.sort();
            format!(
                "{} {} {} {} {} {attributes:?} {:?} {:?}",
                hex::encode(&span.trace_id),
                hex::encode(&span.span_id),
                hex::encode(&span.parent_span_id),
                span.name,
                span.kind,
                span.status,
                span.links,
            )
        })
        .collect();
    told.sort();
    told
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_trace_equals_the_original() {
    let (mut ledger, listing) = ledger_that_refuses_one().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let first = program(&ledger, &collector);
    let path = listing.write(first.folder.path());
    let run = first.run_statement(&path, &[]).await.json();
    let again = Collector::start(Behaviour::Healthy).await;
    let output = program(&ledger, &again).run(&["trace", "replay", "latest"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let document = output.json();
    let (original, replayed) = (collector.spans(), again.spans());
    assert_eq!(told(&original), told(&replayed));
    assert_eq!((&document["replayed"], &document["trace_id"]), (&run["run_id"], &run["trace_id"]));
    assert_eq!(document["spans"], replayed.len());
    for phase in ["rescue", "fetch", "compare", "plan", "guard", "perform", "assess", "finish"] {
        let (original, replayed) = (named(&original, phase), named(&replayed, phase));
        assert_eq!(original.end_time_unix_nano, replayed.end_time_unix_nano, "{phase}");
    }
    let events = "SELECT string_agg(details ->> 'replay', ' ' ORDER BY event_id) FROM run_events
        WHERE kind = 'telemetry'";
    assert_eq!(ledger.text(events).await, "false true");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_run_that_the_collector_missed_is_sent_later() {
    let (ledger, listing) = ledger_that_refuses_one().await;
    let collector = Collector::start(Behaviour::Refusing).await;
    let program = program(&ledger, &collector);
    let path = listing.write(program.folder.path());
    let run = program.run_statement(&path, &[]).await;
    assert!(run.stderr.contains("warning: telemetry was lost"), "{}", run.stderr);
    let id = run.json()["run_id"].as_str().unwrap().to_owned();
    let failed = program.run(&["trace", "replay", &id]).await;
    assert_eq!(failed.code, 3, "{}", failed.all());
    collector.behave(Behaviour::Healthy);
    let replayed = program.run(&["trace", "replay", &id]).await;
    assert_eq!(replayed.code, 0, "{}", replayed.all());
    let operations = collector.spans().into_iter().filter(|span| span.kind() == SpanKind::Client);
    assert_eq!(operations.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_cannot_be_replayed_says_why() {
    let ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let unknown = Uuid::now_v7().to_string();
    let output = program(&ledger, &collector).run(&["trace", "replay", &unknown]).await;
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("there is no run"), "{}", output.stderr);
    let nowhere = crate::harness::Program::on(&ledger).run(&["trace", "replay", "latest"]).await;
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{}", nowhere.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_sends_the_trace_of_the_run_that_died() {
    let mut ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let silent = crate::harness::Program::on(&ledger);
    let charges = (1..=5).map(|n| Charge::new(&format!("ch_{n}"), n));
    let path = Listing::of(charges).write(silent.folder.path());
    ledger
        .sql(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        IF NEW.provider_payment_id = ''ch_4'' THEN PERFORM pg_sleep(60); END IF;
        RETURN NEW; END'; CREATE TRIGGER wait BEFORE INSERT ON payments
        FOR EACH ROW EXECUTE FUNCTION wait()",
        )
        .await;
    let statement = path.to_str().unwrap();
    let mut child = silent.spawn(&[
        "run",
        "--settle",
        "0s",
        "--max-changes",
        "none",
        "--concurrency",
        "1",
        "--statement",
        statement,
    ]);
    while ledger.number("SELECT count(*) FROM payments").await < 3 {
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    crate::harness::finish(child).await;

    let program = program(&ledger, &collector);
    let mut rescued = program.run(&["rescue"]).await;
    // The dead process's sessions may hold its lock for a moment longer.
    while rescued.code == 5 {
        rescued = program.run(&["rescue"]).await;
    }
    assert_eq!(rescued.code, 0, "{}", rescued.all());
    let spans = collector.spans();
    let root = named(&spans, "payment_monitor.run");
    let trace = ledger.text("SELECT trace_id FROM run_summary").await;
    assert_eq!(hex::encode(&root.trace_id), trace);
    let status = attribute(&root.attributes, "payment_monitor.run.status");
    assert_eq!(status.as_deref(), Some("interrupted"));
    let perform = named(&spans, "perform");
    let operations = spans.iter().filter(|span| span.kind() == SpanKind::Client);
    assert!(operations.clone().all(|span| span.parent_span_id == perform.span_id));
    let results = ledger.number("SELECT count(*) FROM payment_monitor_results").await;
    assert_eq!(operations.count(), usize::try_from(results).unwrap());
}
