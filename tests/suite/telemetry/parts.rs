//! A run with more operations than a trace is to hold: part traces, linked both ways.

use super::collector::{Behaviour, Collector, attribute};
use super::{assert_adds_up, listen, settings, start};
use crate::harness::{Charge, Ledger, Listing, environment, request};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use payment_monitor::run::{Report, replay, run};
use payment_monitor::telemetry::{Settings, spans::Server};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const PER_TRACE: u64 = 3;
const TIMEOUT: Duration = Duration::from_secs(5);

async fn traced_run(ledger: &Ledger, collector: &Collector) -> Report {
    let folder = TempDir::new().unwrap();
    let charges = (1..=10).map(|n| Charge::new(&format!("ch_{n}"), n));
    let path = Listing::of(charges).write(folder.path());
    let telemetry = start(&small(collector));
    let _listening = listen(&telemetry);
    let (mut environment, _stopper) = environment(ledger);
    environment.telemetry = telemetry.handle();
    let report = run(&environment, request(&path)).await.unwrap();
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.lost(), 0, "{account:?}");
    report
}

fn small(collector: &Collector) -> Settings {
    Settings { operations_per_trace: PER_TRACE, ..settings(&collector.url()) }
}

fn operations(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == SpanKind::Client).collect()
}

#[tokio::test]
async fn operations_beyond_a_traces_worth_are_in_part_traces_that_link_both_ways() {
    let mut ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let report = traced_run(&ledger, &collector).await;
    let spans = collector.spans();
    let mut per_trace: BTreeMap<String, usize> = BTreeMap::new();
    for span in operations(&spans) {
        *per_trace.entry(hex::encode(&span.trace_id)).or_default() += 1;
        let run = attribute(&span.attributes, "payment_monitor.run.id");
        assert_eq!(run.as_ref(), Some(&report.summary.run_id));
    }
    let mut counts: Vec<usize> = per_trace.values().copied().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 3, 3, 3]);
    assert_eq!(per_trace[&report.summary.trace_id], 3);

    let perform = spans.iter().find(|span| span.name == "perform").unwrap();
    let parts: Vec<&Span> =
        spans.iter().filter(|span| span.name == "payment_monitor.part").collect();
    assert_eq!((perform.links.len(), parts.len()), (3, 3));
    for part in parts {
        assert!(part.parent_span_id.is_empty());
        assert_eq!(part.links[0].trace_id, perform.trace_id);
        assert_eq!(part.links[0].span_id, perform.span_id);
        assert!(
            perform
                .links
                .iter()
                .any(|link| link.trace_id == part.trace_id && link.span_id == part.span_id)
        );
        let number = attribute(&part.attributes, "payment_monitor.part.number").unwrap();
        let derived =
            format!("SELECT payment_monitor_trace_id(id, {number}) FROM payment_monitor_jobs");
        assert_eq!(ledger.text(&derived).await, hex::encode(&part.trace_id));
        let of_part = operations(&spans).into_iter().filter(|op| op.trace_id == part.trace_id);
        assert!(of_part.into_iter().all(|op| op.parent_span_id == part.span_id
            && part.start_time_unix_nano <= op.start_time_unix_nano
            && op.end_time_unix_nano <= part.end_time_unix_nano));
    }
}

#[tokio::test]
async fn part_traces_are_made_again_with_the_same_ids_and_parents() {
    let ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let report = traced_run(&ledger, &collector).await;
    let again = Collector::start(Behaviour::Healthy).await;
    let telemetry = start(&small(&again));
    let server = Server { address: "".into(), port: 0, namespace: "".into() };
    let mut connection = ledger.database().connect().await.unwrap();
    let id = report.summary.run_id.parse().unwrap();
    let spans = replay(&mut connection, &telemetry.handle(), &server, id).await.unwrap();
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(account.traces.acknowledged, spans);
    let ids = |spans: Vec<Span>| {
        let links = |span: &Span| {
            span.links.iter().map(|link| hex::encode(&link.span_id)).collect::<Vec<_>>()
        };
        let mut ids: Vec<_> = spans
            .iter()
            .map(|s| (s.trace_id.clone(), s.span_id.clone(), s.parent_span_id.clone(), links(s)))
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(collector.spans()), ids(again.spans()));
}

#[test]
fn the_view_of_a_runs_traces_cuts_where_the_program_does() {
    let per_trace = payment_monitor::telemetry::parts::OPERATIONS_PER_TRACE;
    let migration = include_str!("../../../migrations/0006_telemetry.sql");
    assert!(migration.contains(&format!("- 1) / {per_trace} AS part")));
}
