//! How PostgreSQL answers what dashboards ask: never by reading the whole history.

use crate::harness::Ledger;

/// A year of payments, as many as make the planner choose as it would with millions.
const PAYMENTS: &str = "
    INSERT INTO users (id, created_at) SELECT n, '2024-01-01' FROM generate_series(1, 2000) n;
    INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
        failure_code, payment_method_fingerprint, created_at, updated_at)
    SELECT 1 + n % 2000, 'ch_' || n, CASE WHEN n % 14 = 0 THEN 'failed' ELSE 'succeeded' END, 900,
        'USD', CASE WHEN n % 14 = 0 THEN 'do_not_honor' END, 'fp_' || n % 2000, at, at
    FROM generate_series(1, 100000) n,
        LATERAL (SELECT now() - interval '1 year' + n * interval '315 seconds' AS at) a;
    VACUUM ANALYZE users;
    VACUUM ANALYZE payments;
    SELECT payment_monitor_keep_hours(now());
    VACUUM ANALYZE payment_monitor_payment_hours";

const QUESTIONS: [&str; 7] = [
    "SELECT * FROM payment_failures_by_hour WHERE hour >= now() - interval '30 days'",
    "SELECT * FROM payment_failures_by_day WHERE day >= current_date - 30",
    "SELECT * FROM payment_failures_by_code_and_hour WHERE hour >= now() - interval '30 days'",
    "SELECT * FROM payment_failures_by_code_and_day WHERE day >= current_date - 30",
    "SELECT * FROM payment_failures_of_users(now() - interval '30 days', now())
        ORDER BY failures DESC LIMIT 20",
    "SELECT * FROM payment_failures_by_user_and_day
        WHERE user_id = 7 AND day >= current_date - 30",
    "SELECT * FROM payment_failures WHERE user_id = 7 AND created_at >= now() - interval '30 days'",
];

#[tokio::test]
async fn the_last_thirty_days_are_answered_by_indexes_and_kept_hours() {
    let mut ledger = Ledger::empty().await;
    for statement in PAYMENTS.split(";\n") {
        ledger.sql(statement).await;
    }
    for question in QUESTIONS {
        let plan = plan(&mut ledger, question).await;
        assert!(!plan.contains("Seq Scan on payments"), "{question}:\n{plan}");
        assert!(plan.contains("payments_"), "the last day is counted live: {question}:\n{plan}");
        if question.contains("_by_hour") || question.contains("code_and_hour") {
            let kept = "payment_monitor_payment_hours_pkey";
            assert!(plan.contains(kept), "a month of the kept hours: {question}:\n{plan}");
        }
    }
}

/// As many as a script tries in a night. `statement_timeout` is what fails where it is quadratic.
#[tokio::test]
async fn one_user_with_ten_thousand_failures_of_as_many_amounts_slows_nobody_down() {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                failure_code, payment_method_fingerprint, created_at, updated_at)
            SELECT 1, 'ch_' || n, 'failed', 100 + n, 'USD', 'do_not_honor', 'fp_' || n, at, at
            FROM generate_series(1, 10000) n,
                LATERAL (SELECT now() - interval '45 hours' + n * interval '3 seconds' AS at) a",
        )
        .await;
    ledger.sql("ANALYZE payments").await;
    ledger.sql("SET statement_timeout = '30s'").await;
    ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    let hours = "SELECT sum(failed_payments) FROM payment_failures_by_hour";
    assert_eq!(ledger.number(hours).await, 10_000);
    let users = "SELECT failed_payments FROM payment_failures_of_users('-infinity', 'infinity')";
    assert_eq!(ledger.number(users).await, 10_000);
}

/// A time that can't be meant is not counted, and fills no calendar with empty hours.
#[tokio::test]
async fn a_payment_of_another_century_is_left_out() {
    let mut ledger = Ledger::with_users(1).await;
    for at in ["now()", "'2099-12-31'", "'0001-01-01'", "'infinity'", "'-infinity'"] {
        let insert = format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                created_at, updated_at)
            SELECT 1, 'ch ' || at, 'failed', 9, 'USD', at, now()
            FROM (SELECT {at}::timestamptz) a (at)"
        );
        ledger.sql(&insert).await;
    }
    for _ in 0..2 {
        let hours = "SELECT count(*) || ' ' || sum(attempts) FROM payment_failures_by_hour";
        assert_eq!(ledger.text(hours).await, "1 1");
        ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    }
    let program = crate::harness::Program::on(&ledger);
    let told = program.run(&["failures", "--user", "1"]).await;
    assert_eq!(told.code, 0, "{}", told.all());
}

async fn plan(ledger: &mut Ledger, question: &str) -> String {
    use sqlx::{AssertSqlSafe, Row as _};
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) {question}"));
    let lines = sqlx::query(explain).fetch_all(&mut ledger.admin).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}
