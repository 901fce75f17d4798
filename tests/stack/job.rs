//! What the job itself sends beside a trace: its metrics in Prometheus, its logs in Loki, the part
//! traces of a large run in Tempo; and the trace of a run that no collector saw, made again.

use crate::asking::{equal, until};
use crate::company::Run;
use crate::hosts::ago;
use crate::servers::JOB_HOST;
use crate::stack::{JOB_AGENT, Stack};
use crate::trace::all_spans;
use payment_monitor::telemetry::names;
use serde_json::Value;

/// How many charges the large run has; `STACK_OPERATIONS=200000` is the long form.
const OPERATIONS: &str = "9000";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn every_metric_of_the_names_is_in_prometheus_under_the_jobs_host() {
    let stack = Stack::start().await;
    stack.run("a", 50).await.assert_delivered();
    for (name, _unit, _attributes) in names::METRICS {
        // OTLP's units become suffixes: seconds, ratio, total, and a histogram's parts.
        let name = name.replace('.', "_");
        let labels = format!("host_name=\"{JOB_HOST}\",payment_monitor_host_role=\"job\"");
        let query = format!("{{__name__=~\"{name}(_seconds)?(_ratio|_total|_bucket)?\",{labels}}}");
        let series = until(&query, async || {
            let series = stack.prometheus.series(&query).await?;
            if series.is_empty() { Err("no series".to_owned()) } else { Ok(series) }
        });
        for one in series.await {
            let labels = one["metric"].to_string();
            assert!(!labels.contains("ch_a_") && !labels.contains("cus_"), "{labels}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn the_logs_of_a_run_are_found_by_its_trace_and_lead_to_the_span() {
    let stack = Stack::start().await;
    let run = stack.run("a", 50).await;
    let query = format!(
        "{{service_name=\"payment-monitor\",host_name=\"{JOB_HOST}\"}} | trace_id=\"{}\"",
        run.trace()
    );
    let made = run.document["telemetry"]["logs"]["made"].as_u64().unwrap();
    assert!(made >= 3, "began, one refused, ended: {made}");
    let lines = until("the lines of the run", async || {
        let lines = stack.loki.lines(&query, &ago(3600), &ago(-60)).await?;
        equal(&(lines.len() as u64), &made).map(|()| lines)
    })
    .await;
    let refused: Vec<_> = lines.iter().filter(|(line, _)| line.contains("23514")).collect();
    let [(line, metadata)] = refused[..] else { panic!("{lines:?}") };
    assert!(!line.contains("user7@example.com"), "{line}");
    let spans = all_spans(&stack, &run).await;
    let span = metadata["span_id"].as_str().unwrap();
    let operation = spans.iter().find(|candidate| candidate.id("spanId") == span).unwrap();
    assert_eq!(operation.name(), "INSERT payments");
    assert_eq!(metadata["payment_monitor_run_id"], run.id());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn a_large_run_is_in_part_traces_with_every_operation_in_one_of_them() {
    let operations = std::env::var("STACK_OPERATIONS").unwrap_or_else(|_| OPERATIONS.to_owned());
    let operations: i64 = operations.parse().unwrap();
    let mut stack = Stack::start().await;
    let run = stack.run("a", operations).await;
    run.assert_delivered();
    let results = results(&mut stack, &run).await;
    assert_eq!(results, operations.unsigned_abs(), "{}", run.document);
    let traces = "SELECT string_agg(trace_id, ' ' ORDER BY part) FROM run_traces";
    let traces = stack.company.text(traces).await;
    assert_eq!(traces.split(' ').count() as u64, results.div_ceil(4_000), "{traces}");
    until("every operation in a trace", async || {
        let mut found = 0;
        for trace in traces.split(' ') {
            let spans = stack.tempo.spans(trace).await?;
            found += spans.iter().filter(|s| s.attribute(names::OPERATION_ID).is_some()).count();
        }
        equal(&(found as u64), &results)
    })
    .await;
    // One search finds all of a run, another the operation; whatever trace they are in.
    let last = "SELECT id FROM payment_monitor_results ORDER BY id DESC LIMIT 1";
    let last = stack.company.text(last).await;
    let search = format!("{{ span.payment_monitor.operation.id = \"{last}\" }}");
    until(&search, async || equal(&stack.tempo.matches(&search).await?, &1)).await;
    let parts = format!(
        "{{ name = \"payment_monitor.part\" && span.payment_monitor.run.id = \"{}\" }}",
        run.id()
    );
    let expected = results.div_ceil(4_000) - 1;
    until(&parts, async || equal(&stack.tempo.matches(&parts).await?, &expected)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn a_run_that_no_collector_saw_is_replayed_from_the_database() {
    let mut stack = Stack::start().await;
    stack.kill(JOB_AGENT);
    let run = stack.run("a", 3_000).await;
    let account = &run.document["telemetry"]["traces"];
    assert_eq!(run.document["status"], "succeeded", "monitoring never breaks the job");
    assert_eq!(account["dropped"], account["made"], "the loss is counted: {account}");
    stack.start_again(JOB_AGENT).await;
    let replayed: Value = stack.job(&["trace", "replay", run.id()]).await;
    let results = results(&mut stack, &run).await;
    until("the replayed trace", async || {
        let spans = stack.tempo.spans(run.trace()).await?;
        let operations = spans.iter().filter(|s| s.attribute(names::OPERATION_ID).is_some());
        equal(&(operations.count() as u64), &results)
    })
    .await;
    assert!(replayed.is_object(), "{replayed}");
}

async fn results(stack: &mut Stack, run: &Run) -> u64 {
    let results = "SELECT count(*) FROM payment_monitor_results WHERE job_id";
    stack.company.number(&format!("{results} = '{}'", run.id())).await
}
