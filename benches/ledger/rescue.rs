//! A run that died with a very large plan: ending it, and telling its story.

use crate::collector::Agent;
use crate::job::{self, Cores, Finished, grouped, megabytes};
use crate::ledger::{Company, sql};
use anyhow::ensure;
use sqlx::PgConnection;
use uuid::Uuid;

const DATABASE: &str = "bench_rescue";
/// Of so many results of a run as it should be, one is a conflict.
const CONFLICT_EVERY: u64 = 1_000;

pub async fn measure(company: &mut Company, operations: u64, is_large: bool) -> anyhow::Result<()> {
    println!("## A dead run with {} operations, half of them done\n", grouped(operations));
    let (url, run) = dead_run(company, operations, CONFLICT_EVERY).await?;
    println!("| command | time | bound | peak memory |");
    println!("|---|---:|---:|---:|");
    row("`show`, before the rescue", 1, &job::run(&url, &["show", &run], 0)?);
    row("`runs`, before the rescue", 1, &job::run(&url, &["runs"], 0)?);
    row("`rescue`", 30, &job::run(&url, &["rescue"], 0)?);
    row("`show`, after it", 1, &job::run(&url, &["show", &run], 0)?);
    row("`runs`, after it", 1, &job::run(&url, &["runs"], 0)?);
    println!();
    if is_large {
        replay(company, &url, &run, operations)?;
    }
    company.drop(DATABASE).await?;
    if is_large {
        println!("## The same, but everything was in vain: as many discrepancies are noted\n");
        let (url, run) = dead_run(company, operations, 1).await?;
        println!("| command | time | bound | peak memory |");
        println!("|---|---:|---:|---:|");
        row("`rescue`", 30, &job::run(&url, &["rescue"], 0)?);
        row("`show`, after it", 1, &job::run(&url, &["show", &run], 0)?);
        println!();
        company.drop(DATABASE).await?;
    }
    Ok(())
}

/// What making its trace again takes, against a real collector.
fn replay(company: &Company, url: &str, run: &str, operations: u64) -> anyhow::Result<()> {
    println!("## The trace of that run, made again\n");
    let Some(agent) = Agent::start(company.folder(), &Cores::default())? else { return Ok(()) };
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", agent.endpoint.as_str())];
    let done = job::run_with(url, &["trace", "replay", run], &endpoint, &Cores::default(), 0)?;
    let spans = done.report["spans"].as_u64().unwrap_or_default();
    ensure!(spans > operations / 2, "{}", done.report);
    ensure!(done.report["telemetry"]["traces"]["acknowledged"] == spans, "{}", done.report);
    println!("| spans | time | spans/s | peak memory |");
    println!("|---:|---:|---:|---:|");
    let (time, memory) = (done.time.as_secs_f64(), megabytes(done.memory_max));
    let rate = grouped(job::per_second(spans, done.time));
    println!("| {} | {time:.1} s | {rate} | {memory} |\n", grouped(spans));
    Ok(())
}

/// A ledger with a dead run; gives where it is, and the run.
async fn dead_run(
    company: &mut Company,
    operations: u64,
    conflict_every: u64,
) -> anyhow::Result<(String, String)> {
    let mut ledger = company.empty(DATABASE).await?;
    let run = Uuid::now_v7();
    die_in_the_middle(&mut ledger, run, operations, conflict_every).await?;
    Ok((company.url(DATABASE), run.to_string()))
}

fn row(command: &str, bound_seconds: u32, done: &Finished) {
    let (time, memory) = (done.time.as_secs_f64(), megabytes(done.memory_max));
    println!("| {command} | {time:.3} s | {bound_seconds} s | {memory} |");
}

/// A run that is recorded as running although no process has its lock, with its plan and, for
/// every other operation of it, a result. The payments are left out: their keys are not checked.
async fn die_in_the_middle(
    ledger: &mut PgConnection,
    run: Uuid,
    operations: u64,
    conflict_every: u64,
) -> anyhow::Result<()> {
    let moment = &run.simple().to_string()[..12];
    let id = format!("('{moment}7fff8000' || lpad(to_hex(n), 12, '0'))::uuid");
    let statements = format!(
        r#"INSERT INTO payment_monitor_jobs (id, started_at, execution_status, host, version)
        VALUES ('{run}', now(), 'running', 'bench', '0');
        INSERT INTO payment_monitor_operations (id, job_id, kind, subject, action, target_id,
            user_id, provider_id, previous_state, new_state, description)
        SELECT {id}, '{run}', 'amounts', 'payment', 'update', n, 1 + n % 50000,
            'ch_' || lpad(n::text, 24, '0'), state, state || '{{"amount_refunded_minor": 500}}',
            'amount_refunded_minor: 0 -> 500'
        FROM generate_series(1, {operations}) n, LATERAL (SELECT jsonb_build_object(
            'provider_payment_id', 'ch_' || lpad(n::text, 24, '0'), 'user_id', 1 + n % 50000,
            'status', 'succeeded', 'amount_minor', 1000 + n % 9000,
            'amount_captured_minor', 1000 + n % 9000, 'amount_refunded_minor', 0,
            'disputed', false, 'currency', 'USD', 'created_at', '2026-01-01T00:00:00.000000Z',
            'removed', false) AS state) planned;
        INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        VALUES (gen_random_uuid(), '{run}', now(), 'plan', 'bench', 'as the job does it',
            '{{"operations": {operations}, "withheld_deletes": 0}}');
        SET session_replication_role = replica;
        INSERT INTO payment_monitor_results (id, job_id, occurred_at, description, user_id,
            payment_id, previous_state, new_state, action, outcome)
        SELECT o.id, job_id, now(), description, user_id, target_id, previous_state,
            CASE WHEN NOT is_conflict THEN new_state END, action,
            CASE WHEN is_conflict THEN 'conflict' ELSE 'applied' END
        FROM payment_monitor_operations o,
            LATERAL (SELECT target_id / 2 % {conflict_every} = 0 AS is_conflict) so
        WHERE target_id % 2 = 0;
        RESET session_replication_role;
        VACUUM ANALYZE payment_monitor_operations, payment_monitor_results"#
    );
    for statement in statements.split(";\n") {
        sql(ledger, statement).await?;
    }
    Ok(())
}
