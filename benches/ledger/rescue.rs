//! A run that died with a very large plan: ending it, and telling its story.

use crate::job::{self, Finished, grouped, megabytes};
use crate::ledger::{Company, sql};
use sqlx::PgConnection;
use uuid::Uuid;

const DATABASE: &str = "bench_rescue";

pub async fn measure(company: &mut Company, operations: u64) -> anyhow::Result<()> {
    let mut ledger = company.empty(DATABASE).await?;
    let run = Uuid::now_v7();
    die_in_the_middle(&mut ledger, run, operations).await?;
    let url = company.url(DATABASE);
    let run = run.to_string();
    println!("## A dead run with {} operations, half of them done\n", grouped(operations));
    println!("| command | time | bound | peak memory |");
    println!("|---|---:|---:|---:|");
    row("`show`, before the rescue", 1, &job::run(&url, &["show", &run], 0)?);
    row("`rescue`", 30, &job::run(&url, &["rescue"], 0)?);
    row("`show`, after it", 1, &job::run(&url, &["show", &run], 0)?);
    row("`runs`", 1, &job::run(&url, &["runs"], 0)?);
    println!();
    drop(ledger);
    company.drop(DATABASE).await
}

fn row(command: &str, bound_seconds: u32, done: &Finished) {
    let (time, memory) = (done.time.as_secs_f64(), megabytes(done.memory_max));
    println!("| {command} | {time:.3} s | {bound_seconds} s | {memory} |");
}

/// A run that is recorded as running although no process has its lock. Its operations' ids
/// follow its own in time; every other one has a result.
async fn die_in_the_middle(
    ledger: &mut PgConnection,
    run: Uuid,
    operations: u64,
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
        INSERT INTO payment_monitor_results (id, job_id, occurred_at, description,
            previous_state, action, outcome)
        SELECT {id}, '{run}', now(), 'amount_refunded_minor: 0 -> 500', '{{"status": "pending"}}',
            'update', 'conflict'
        FROM generate_series(2, {operations}, 2) n;
        VACUUM ANALYZE payment_monitor_operations, payment_monitor_results"#
    );
    for statement in statements.split(";\n") {
        sql(ledger, statement).await?;
    }
    Ok(())
}
