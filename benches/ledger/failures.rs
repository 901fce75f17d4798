//! What the views on payment failures and the rules cost on a large history: 100,000 users and a
//! year of payments, of which one in fourteen failed.

use crate::job::grouped;
use crate::ledger::{Company, sql, text};
use payment_monitor::demo::PATTERNS;
use sqlx::PgConnection;
use std::time::{Duration, Instant};

const DATABASE: &str = "bench_failures";
const USERS: u64 = 100_000;
const ROUNDS: usize = 5;

/// What dashboards ask, for the last 30 days.
const QUESTIONS: [(&str, &str); 7] = [
    ("failures by hour", "SELECT * FROM payment_failures_by_hour WHERE hour >= now() - month"),
    ("failures by day", "SELECT * FROM payment_failures_by_day WHERE day >= (now() - month)::date"),
    (
        "failures by code and hour",
        "SELECT * FROM payment_failures_by_code_and_hour WHERE hour >= now() - month",
    ),
    (
        "failures by code and day",
        "SELECT * FROM payment_failures_by_code_and_day WHERE day >= (now() - month)::date",
    ),
    (
        "users with most failures",
        "SELECT * FROM payment_failures_of_users(now() - month, now())
        ORDER BY failures DESC LIMIT 20",
    ),
    (
        "one user's failures by day",
        "SELECT * FROM payment_failures_by_user_and_day
        WHERE user_id = 4711 AND day >= (now() - month)::date",
    ),
    (
        "one user's failed payments",
        "SELECT * FROM payment_failures WHERE user_id = 4711 AND created_at >= now() - month",
    ),
];

pub async fn measure(company: &mut Company, payments: u64) -> anyhow::Result<()> {
    let mut ledger = company.empty(DATABASE).await?;
    fill(&mut ledger, payments).await?;
    println!("## {} payments of {} users\n", grouped(payments), grouped(USERS));
    println!("| the hours kept by a run | time |\n|---|---:|");
    // As a run has it, and the views' readers have not.
    let keep = "SELECT payment_monitor_keep_hours(now())";
    println!("| the first time, all of them | {} |", took(&mut ledger, keep).await?);
    println!("| in every later run | {} |\n", took(&mut ledger, keep).await?);
    sql(&mut ledger, "ANALYZE payment_monitor_payment_hours").await?;
    println!("| question, of the last 30 days | median of {ROUNDS} | slowest |\n|---|---:|---:|");
    for (name, question) in QUESTIONS {
        let question = question.replace("month", "interval '30 days'");
        let (median, slowest) = times(&mut ledger, &question).await?;
        println!("| {name} | {median:.0?} | {slowest:.0?} |");
    }
    println!("\n| rule, of the last 7 days | median of {ROUNDS} | slowest |\n|---|---:|---:|");
    sql(&mut ledger, "SET jit = off").await?; // as a run has it
    for rule in PATTERNS {
        let question = format!(
            "SELECT * FROM payment_monitor_evaluate('{rule}', now() - interval '7 days', now())"
        );
        let (median, slowest) = times(&mut ledger, &question).await?;
        println!("| {rule} | {median:.0?} | {slowest:.0?} |");
    }
    println!();
    drop(ledger);
    company.drop(DATABASE).await
}

async fn took(ledger: &mut PgConnection, question: &str) -> anyhow::Result<String> {
    let started = Instant::now();
    text(ledger, question).await?;
    Ok(format!("{:.1} s", started.elapsed().as_secs_f64()))
}

/// The median and the slowest of several times that it was asked.
async fn times(ledger: &mut PgConnection, question: &str) -> anyhow::Result<(Duration, Duration)> {
    let counted = format!("SELECT count(asked::text) FROM ({question}) asked");
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        text(ledger, &counted).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok((times[ROUNDS / 2], times[ROUNDS - 1]))
}

/// In order of time, as a ledger grows.
async fn fill(ledger: &mut PgConnection, payments: u64) -> anyhow::Result<()> {
    let statements = format!(
        "INSERT INTO users (id, provider_customer_id, created_at)
        SELECT n, 'cus_' || n, now() - interval '2 years' * random()
        FROM generate_series(1, {USERS}) n;
        INSERT INTO payments (user_id, provider_payment_id, status, amount_minor,
            amount_captured_minor, currency, failure_code, payment_method_fingerprint, created_at,
            updated_at)
        SELECT CASE WHEN guest THEN NULL ELSE who END, 'ch_' || n,
            CASE WHEN failed THEN 'failed' ELSE 'succeeded' END, amount,
            CASE WHEN failed THEN 0 ELSE amount END, (ARRAY['USD', 'EUR', 'GBP'])[1 + who % 3],
            CASE WHEN failed THEN (ARRAY['insufficient_funds', 'generic_decline', 'do_not_honor',
                'expired_card', 'incorrect_cvc'])[1 + n % 5] END,
            'fp_' || who || '_' || n % 2, at, at
        FROM (
            SELECT n, 1 + (random() * ({USERS} - 1))::int AS who, random() < 0.06 AS guest,
                random() < 0.07 AS failed, (ARRAY[900, 2900, 9900, 9000, 29000,
                    300 + (random() * 17000)::int])[1 + (random() * 5)::int] AS amount,
                now() - interval '1 year' + interval '1 year' * (n / ({payments} + 1.0)) AS at
            FROM generate_series(1, {payments}) n
        ) made;
        VACUUM ANALYZE users, payments"
    );
    for statement in statements.split(";\n") {
        sql(ledger, statement).await?;
    }
    Ok(())
}
