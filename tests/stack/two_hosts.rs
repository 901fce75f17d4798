//! Job, database and gateway on hosts of their own, in networks of their own: whose figures are
//! whose, and what becomes of a run when the network between two of them loses everything in
//! silence. CPU, memory and disks are this machine's on each of them; network cards are not.

use crate::asking::{PATIENCE, Span, equal, until};
use crate::company::{Going, Run};
use crate::hosts::{ago, assert_everyone_is_seen};
use crate::network::{CARD, Host, Network};
use crate::record;
use crate::servers::JOB_HOST;
use crate::stack::Stack;
use crate::trace::all_spans;
use chrono::Utc;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const CHARGES: i64 = 3000;
/// The charge at which a run waits for a gate of the company's.
const AT_THE_GATE: i64 = 500;
const GATE: &str = "4711";
/// Shorter than `--retry-for` and than an attempt may take.
const CUT: Duration = Duration::from_secs(20);
/// With `--retry-for 10s`: see tests/faults/network.rs.
const ENDS_WITHIN: Duration = Duration::from_secs(150);

#[test]
#[ignore = "needs the stack and root: stack/test"]
fn each_hosts_figures_arrive_under_its_name_and_its_network_is_its_own() {
    Network::test(async |network| {
        let mut stack = start(network).await;
        assert_everyone_is_seen(&stack).await;
        let [_, sent_before] = stack.hosts.job.bytes();
        let run = ["--prometheus-url", &stack.prometheus_url()];
        let run = stack.start_run("a", CHARGES, &run).ends().await;
        let [_, sent] = stack.hosts.job.bytes();
        run.assert_delivered();
        assert_told(&mut stack, &run).await;
        for host in [&stack.hosts.job, &stack.hosts.database] {
            assert_network_is_its_own(&stack, host).await;
        }
        assert_loads_are_in_the_record(&mut stack, &run, sent - sent_before).await;
    });
}

/// With a record of the ledger's changes that the program knows nothing of.
async fn start(network: Network) -> Stack {
    let mut stack = Stack::start_apart(network).await;
    stack.company.sql(record::INDEPENDENT_RECORD).await;
    stack
}

/// What Prometheus says of its card lies between what the kernel said before and says now.
async fn assert_network_is_its_own(stack: &Stack, host: &Host) {
    let all = format!("system_network_io_bytes_total{{host_name=\"{}\"}}", host.name);
    for (direction, counted) in ["receive", "transmit"].iter().zip(host.bytes()) {
        let query = all.replace('}', &format!(",direction=\"{direction}\"}}"));
        let told = until(&query, async || {
            let series = stack.prometheus.series(&query).await?;
            let [one] = &series[..] else { return Err(format!("{series:?}")) };
            equal(&one["metric"]["device"], &Value::from(CARD))?;
            let told: f64 = one["value"][1].as_str().unwrap().parse().unwrap();
            if told >= counted { Ok(told) } else { Err(format!("{told} of {counted}")) }
        });
        let told = told.await;
        let now = host.bytes()[usize::from(*direction == "transmit")];
        assert!(told <= now, "{query}: {told}, but its card has counted {now} only");
    }
}

/// The job's host by itself, the database's by what its agent has measured.
async fn assert_loads_are_in_the_record(stack: &mut Stack, run: &Run, sent: f64) {
    let jobs = format!("FROM payment_monitor_jobs WHERE id = '{}'", run.id());
    assert_eq!(stack.company.text(&format!("SELECT host {jobs}")).await, JOB_HOST);
    let own = stack.company.text(&format!("SELECT resource_use {jobs}")).await;
    let own: Value = serde_json::from_str(&own).unwrap();
    let mean = own["host"]["network_sent_bytes_per_second"]["mean"].as_f64().unwrap();
    let seconds = run.document["duration_ms"].as_f64().unwrap() / 1_000.0;
    let told = mean * seconds;
    assert!(told > sent / 3.0 && told < sent * 3.0, "{told} bytes of {sent}: {own}");
    let of_the_database = format!(
        "SELECT details FROM run_events WHERE kind = 'database_host' AND run_id = '{}'",
        run.id()
    );
    let other: Value = serde_json::from_str(&stack.company.text(&of_the_database).await).unwrap();
    assert_eq!(other["note"], Value::Null, "{other}");
    let figures: BTreeSet<&str> =
        other["host"].as_object().unwrap().keys().map(String::as_str).collect();
    for figure in ["cpu_utilization_thousandths", "memory_utilization_thousandths"] {
        assert!(figures.contains(figure) && own["host"]["memory_used_bytes"].is_object());
    }
    for figure in ["network_bytes_per_second", "disk_free_bytes", "disk_written_bytes_per_second"] {
        assert!(figures.contains(figure), "no {figure}: {other}");
    }
}

#[test]
#[ignore = "needs the stack and root: stack/test"]
fn a_run_goes_on_when_the_network_to_its_database_is_back() {
    Network::test(async |network| {
        let mut stack = start(network).await;
        let run = cut_off_in_its_middle(&mut stack, &[]).await;
        // A cut is a span of time; there is no condition to await.
        tokio::time::sleep(CUT).await;
        stack.heal(&stack.hosts.job, &stack.hosts.database);
        let run = run.ends().await;
        assert_eq!(run.code, 1, "the refused operation: {}\n{}", run.document, run.said);
        assert_eq!(run.document["operations"]["applied"], CHARGES - 1, "{}", run.document);
        run.assert_delivered();
        assert_told(&mut stack, &run).await;
    });
}

#[test]
#[ignore = "needs the stack and root: stack/test"]
fn a_run_that_waited_in_vain_for_its_database_is_rescued_by_the_next() {
    Network::test(async |network| {
        let mut stack = start(network).await;
        let run = cut_off_in_its_middle(&mut stack, &["--retry-for", "10s"]).await;
        let ended = tokio::time::timeout(ENDS_WITHIN, run.ends()).await;
        let run = ended.expect("the run hangs");
        assert_eq!(run.code, 3, "{}\n{}", run.document, run.said);
        // Still cut: PostgreSQL finds out by itself that nobody is there any more.
        until_true(&mut stack, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'job')")
            .await;
        assert_no_violations(&mut stack).await;
        let state = format!("run_summary WHERE run_id = '{}'", run.id());
        let needs_rescue = format!("SELECT needs_rescue FROM {state}");
        assert_eq!(stack.company.text(&needs_rescue).await, "true");

        stack.heal(&stack.hosts.job, &stack.hosts.database);
        let next = stack.run("b", CHARGES / 10).await;
        assert_eq!(next.code, 1, "{}\n{}", next.document, next.said);
        let state = format!("SELECT execution_status FROM {state}");
        assert_eq!(stack.company.text(&state).await, "interrupted");
        assert_told(&mut stack, &run).await;
        assert_told(&mut stack, &next).await;
    });
}

#[test]
#[ignore = "needs the stack and root: stack/test"]
fn what_happened_while_the_gateway_was_out_of_reach_arrives_later() {
    Network::test(async |network| {
        let mut stack = start(network).await;
        let url = stack.prometheus_url();
        let run = stack.start_run("a", CHARGES, &["--prometheus-url", &url]);
        until_true(&mut stack, "count(*) > 100 FROM payment_monitor_results").await;
        stack.cut(&stack.hosts.job, &stack.hosts.gateway);
        let cut = Utc::now();
        let run = run.ends().await;
        assert_eq!(run.code, 1, "monitoring never breaks the job: {}", run.said);
        run.assert_delivered();
        let seconds = (Utc::now() - cut).to_std().unwrap();
        tokio::time::sleep(CUT.saturating_sub(seconds)).await;
        let healed = Utc::now();
        let window = format!("[{}s] @ {}", (healed - cut).num_seconds(), healed.timestamp());
        let measured = |role: &str| {
            let series =
                format!("system_memory_limit_bytes{{payment_monitor_host_role=\"{role}\"}}");
            format!("count_over_time({series}{window})")
        };
        let expected = f64::from(i32::try_from(CUT.as_secs()).unwrap()) - 4.0;
        let until_all_of = async |role: &str| {
            let series = measured(role);
            until(&series, async || {
                let samples = stack.prometheus.value(&series).await?;
                if samples >= expected { Ok(()) } else { Err(format!("{samples} of {expected}")) }
            })
            .await;
        };
        // The other host's way is free.
        until_all_of("database").await;
        let too_few = stack.prometheus.value(&measured("job")).await.unwrap_or_default();
        assert!(too_few < expected / 2.0, "nothing was cut: {too_few} of {expected}");

        stack.heal(&stack.hosts.job, &stack.hosts.gateway);
        until_all_of("job").await;
        all_spans(&stack, &run).await;
        assert_told(&mut stack, &run).await;
        let lines = format!("{{service_name=\"payment-monitor\"}} | trace_id=\"{}\"", run.trace());
        let made = run.document["telemetry"]["logs"]["made"].as_u64().unwrap();
        until("the run's lines", async || {
            let lines = stack.loki.lines(&lines, &ago(3600), &ago(-60)).await?;
            equal(&(lines.len() as u64), &made)
        })
        .await;
    });
}

/// A run that is cut off from its database while it performs: one operation waits for a gate, and
/// is committed when nobody hears of it any more.
async fn cut_off_in_its_middle(stack: &mut Stack, more: &[&str]) -> Going {
    let gate = format!(
        "CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END $$;
        CREATE TRIGGER gate BEFORE INSERT ON payments FOR EACH ROW
            WHEN (NEW.provider_payment_id = 'ch_a_{AT_THE_GATE}')
            EXECUTE FUNCTION wait_at_the_gate();
        SELECT pg_advisory_lock({GATE})"
    );
    stack.company.sql(&gate).await;
    let mut run = stack.start_run("a", CHARGES, more);
    let waits = format!("EXISTS (SELECT FROM pg_locks WHERE NOT granted AND objid = {GATE})");
    until_true(stack, &waits).await;
    stack.cut(&stack.hosts.job, &stack.hosts.database);
    stack.company.sql(&format!("SELECT pg_advisory_unlock({GATE})")).await;
    let committed =
        format!("EXISTS (SELECT FROM payments WHERE provider_payment_id = 'ch_a_{AT_THE_GATE}')");
    until_true(stack, &committed).await;
    assert!(!run.has_ended());
    run
}

/// Waits for a condition of the database's.
async fn until_true(stack: &mut Stack, condition: &str) {
    let started = Instant::now();
    let condition = format!("SELECT {condition}");
    while stack.company.text(&condition).await != "true" {
        assert!(started.elapsed() < PATIENCE, "still not: {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The record is right, and Tempo has a span for each of the run's results.
async fn assert_told(stack: &mut Stack, run: &Run) {
    let results = format!(
        "SELECT string_agg(right(replace(id::text, '-', ''), 16), ' ') FROM payment_monitor_results
        WHERE job_id = '{}'",
        run.id()
    );
    let results = stack.company.text(&results).await;
    let results: BTreeSet<String> = results.split(' ').map(str::to_owned).collect();
    until("a span for every result", async || {
        let spans = stack.tempo.spans(run.trace()).await?;
        let is_operation = |s: &&Span| s.attribute("payment_monitor.operation.id").is_some();
        let told: BTreeSet<String> =
            spans.iter().filter(is_operation).map(|span| span.id("spanId")).collect();
        let untold = results.difference(&told).count();
        equal(&untold, &0)
    })
    .await;
    assert_no_violations(stack).await;
}

async fn assert_no_violations(stack: &mut Stack) {
    for (query, what) in record::VIOLATIONS {
        assert_eq!(stack.company.number(query).await, 0, "{what}");
    }
}
