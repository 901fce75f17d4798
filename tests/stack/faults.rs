//! Outages with `kill -9`: nothing is lost, and the counts are equal afterwards.

use crate::asking::{equal, until};
use crate::company::Run;
use crate::stack::{GATEWAY, JOB_AGENT, LOKI, PROMETHEUS, Stack, TEMPO};
use crate::trace::all_spans;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const CHARGES: i64 = 3000;

/// How long the gateway is away: an export has timed out and its senders have backed off by then.
const GATEWAY_IS_AWAY: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn a_killed_agent_in_front_of_a_dead_gateway_delivers_every_span_later() {
    let mut stack = Stack::start().await;
    stack.kill(GATEWAY);
    let killed = Instant::now();
    let mut runs = vec![stack.run("a", CHARGES).await];
    // At once: some are in a batch that is just being sent, some are still queued.
    stack.kill(JOB_AGENT);
    stack.start_again(JOB_AGENT).await;
    // The minute passes with work, as it would for a company.
    while runs.len() < 2 || killed.elapsed() < GATEWAY_IS_AWAY {
        runs.push(stack.run(&format!("b{}", runs.len()), CHARGES / 6).await);
    }
    runs.iter().for_each(Run::assert_delivered);
    stack.start_again(GATEWAY).await;
    assert_all_arrive(&mut stack, &runs).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn a_killed_gateway_in_front_of_a_dead_tempo_delivers_every_span_later() {
    let mut stack = Stack::start().await;
    stack.kill(TEMPO);
    let run = stack.run("a", CHARGES).await;
    run.assert_delivered();
    // Only what the agent has handed over, and forgotten, can be lost with the gateway.
    let sent = "sum(otelcol_exporter_sent_spans_total{host_name=\"job-host\"})";
    until("the agent to hand over all spans", async || {
        let handed_over = stack.prometheus.value(sent).await?;
        let spans = f64::from(u32::try_from(run.spans_made()).unwrap());
        if handed_over >= spans { Ok(()) } else { Err(format!("{handed_over} of {spans}")) }
    })
    .await;
    stack.kill(GATEWAY);
    stack.start_again(GATEWAY).await;
    stack.start_again(TEMPO).await;
    assert_all_arrive(&mut stack, &[run]).await;
}

/// As many operations in Tempo as results in SQL, for each run. By the trace's id: a search counts
/// what came in two parts, minutes apart, as two.
async fn assert_all_arrive(stack: &mut Stack, runs: &[Run]) {
    for run in runs {
        let spans = all_spans(stack, run).await;
        let operations: BTreeSet<String> =
            spans.iter().filter_map(|s| s.attribute("payment_monitor.operation.id")).collect();
        let results =
            format!("SELECT count(*) FROM payment_monitor_results WHERE job_id = '{}'", run.id());
        assert_eq!(operations.len() as u64, stack.company.number(&results).await);
    }
}

/// The outage of Prometheus and Loki, in seconds: so many measurements of each host.
const OUTAGE_SECONDS: i64 = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn what_was_measured_and_logged_while_prometheus_and_loki_were_down_arrives_later() {
    let mut stack = Stack::start().await;
    stack.kill(PROMETHEUS);
    stack.kill(LOKI);
    let down = Utc::now();
    stack.run("a", 100).await.assert_delivered();
    // An outage is a span of time; there is no condition to await.
    tokio::time::sleep((down + TimeDelta::seconds(OUTAGE_SECONDS) - Utc::now()).to_std().unwrap())
        .await;
    let up = Utc::now();
    stack.start_again(PROMETHEUS).await;
    stack.start_again(LOKI).await;

    let window = format!("[{}s] @ {}", (up - down).num_seconds(), up.timestamp());
    let measured = format!("min(count_over_time(system_memory_limit_bytes{window}))");
    until("what was measured during the outage", async || {
        let samples = stack.prometheus.value(&measured).await?;
        // Rounding to whole seconds may cost one at either end.
        let expected = f64::from(i32::try_from(OUTAGE_SECONDS).unwrap()) - 2.0;
        if samples >= expected { Ok(()) } else { Err(format!("{samples} of {expected}")) }
    })
    .await;
    let query = "{service_name=\"postgresql\"} | db_response_status_code=\"23514\"";
    until("PostgreSQL's line of the outage", async || {
        let lines = stack.loki.lines(query, &second(down), &second(up)).await?;
        equal(&lines.len(), &1)
    })
    .await;
    assert!(!stack.log(GATEWAY).contains("Dropping data"), "{}", stack.log(GATEWAY));
}

fn second(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}
