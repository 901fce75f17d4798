//! Alerts on the payments: how many fail, and what the rules of suspicious activity find.

use super::{age, charges, fires, firing, is_silent, nothing, reader, runbook, succeed};
use crate::harness::{Ledger, Listing};
use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlSafeStr as _};

/// So many payments, none of them a retry, made so many hours ago, of which some failed.
async fn pay(ledger: &mut Ledger, payments: u32, failed: u32, hours_ago: f64) {
    let insert = format!(
        "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
            failure_code, created_at, updated_at)
        SELECT 1 + n % 50, 'ch_' || gen_random_uuid(),
            CASE WHEN n <= {failed} THEN 'failed' ELSE 'succeeded' END,
            (random() * 1e9)::bigint, 'USD',
            CASE WHEN n <= {failed} THEN 'do_not_honor' END, at, at
        FROM generate_series(1, {payments}) n,
            LATERAL (SELECT now() - {hours_ago} * interval '1 hour' AS at) a"
    );
    ledger.sql(&insert).await;
}

#[tokio::test]
async fn a_quarter_of_a_days_payments_fires_where_it_is_twice_the_usual() {
    let mut ledger = Ledger::with_users(50).await;
    pay(&mut ledger, 400, 40, 300.0).await;
    pay(&mut ledger, 100, 24, 3.0).await;
    is_silent(&mut ledger, "payment-failure-rate").await; // under a quarter
    pay(&mut ledger, 10, 8, 2.0).await;
    let percent = fires(&mut ledger, "payment-failure-rate", &[]).await;
    assert!((percent - 100.0 * 32.0 / 110.0).abs() < 0.1, "{percent}");
    // As the last run has counted them.
    succeed(&ledger, &nothing()).await;
    fires(&mut ledger, "payment-failure-rate", &[]).await;
    pay(&mut ledger, 60, 0, 1.0).await;
    is_silent(&mut ledger, "payment-failure-rate").await;
}

#[tokio::test]
async fn a_rate_that_is_usual_or_of_few_payments_is_silent() {
    let mut ledger = Ledger::with_users(50).await;
    pay(&mut ledger, 20, 19, 3.0).await;
    is_silent(&mut ledger, "payment-failure-rate").await;
    let mut ledger = Ledger::with_users(50).await;
    pay(&mut ledger, 400, 100, 300.0).await;
    pay(&mut ledger, 100, 49, 3.0).await;
    is_silent(&mut ledger, "payment-failure-rate").await;
    pay(&mut ledger, 10, 10, 3.0).await;
    fires(&mut ledger, "payment-failure-rate", &[]).await;
}

/// For four weeks 100 payments a day, of which 40 fail at first and 28 are tried again with success
/// within a week, 4 of them on the same day. Of today's the others are yet to come.
const RETRIES: &str = "
    WITH first AS (
        SELECT 1 + n % 50 AS user_id, 1000 * d + n AS amount, n, now() - interval '2 hours'
            - d * interval '1 day' AS at
        FROM generate_series(0, 28) d, generate_series(1, 100) n
    ), attempts AS (
        SELECT user_id, amount, at, n <= 40 AS failed FROM first
        UNION ALL
        SELECT user_id, amount, at + CASE WHEN n <= 4 THEN interval '1 hour'
            ELSE (1 + n % 6) * interval '1 day' END, false
        FROM first WHERE n <= 28
    )
    INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
        failure_code, created_at, updated_at)
    SELECT user_id, 'ch_' || gen_random_uuid(), CASE WHEN failed THEN 'failed' ELSE 'succeeded' END,
        amount, 'USD', CASE WHEN failed THEN 'insufficient_funds' END, at, at
    FROM attempts WHERE at < now()";

#[tokio::test]
async fn a_company_that_tries_again_within_a_week_has_no_rising_rate() {
    let mut ledger = Ledger::with_users(50).await;
    ledger.sql(RETRIES).await;
    is_silent(&mut ledger, "payment-failure-rate").await;
    pay(&mut ledger, 200, 200, 3.0).await;
    fires(&mut ledger, "payment-failure-rate", &[]).await;
    pay(&mut ledger, 300, 0, 1.0).await;
    is_silent(&mut ledger, "payment-failure-rate").await;
}

/// Failures of a user of one amount, a minute apart, the last one 20 minutes ago.
async fn attack(ledger: &mut Ledger, user: i64, times: u32) {
    let insert = format!(
        "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
            failure_code, payment_method_fingerprint, created_at, updated_at)
        SELECT {user}, 'ch_' || gen_random_uuid(), 'failed', 5000, 'USD', 'card_declined', 'own',
            at, at
        FROM generate_series(1, {times}) n,
            LATERAL (SELECT now() - (19 + n) * interval '1 minute' AS at) a"
    );
    ledger.sql(&insert).await;
}

#[tokio::test]
async fn suspicious_activity_fires_for_each_user_and_rule_for_a_day_or_until_it_is_snoozed() {
    let mut ledger = Ledger::with_users(4).await;
    attack(&mut ledger, 2, 7).await;
    attack(&mut ledger, 3, 8).await;
    is_silent(&mut ledger, "suspicious-activity").await; // no run has looked yet
    succeed(&ledger, &nothing()).await;
    let of = |user| [("rule", "many_failures"), ("user_id", user), ("severity", "warning")];
    let value = fires(&mut ledger, "suspicious-activity", &of("2")).await;
    assert!((value - 7.0).abs() < 0.1, "{value}");
    fires(&mut ledger, "suspicious-activity", &of("3")).await;
    for instance in firing(&mut ledger, "suspicious-activity").await {
        assert!(!format!("{:?}", instance.labels).contains('@'), "no addresses");
    }
    ledger
        .sql(
            "INSERT INTO payment_monitor_events (id, occurred_at, kind, actor, reason, details)
            SELECT payment_monitor_new_id(), now(), 'snooze', 'Ada', 'known', jsonb_build_object(
                'rule', name, 'user_id', 3, 'until', now() + interval '1 day')
            FROM payment_monitor_rules",
        )
        .await;
    let users = firing(&mut ledger, "suspicious-activity").await;
    assert!(users.iter().all(|instance| instance.labels["user_id"] != "3"));
    fires(&mut ledger, "suspicious-activity", &of("2")).await;
    age(&mut ledger, "25 hours").await;
    is_silent(&mut ledger, "suspicious-activity").await;
    attack(&mut ledger, 2, 3).await; // it got worse: news again
    succeed(&ledger, &nothing()).await;
    let value = fires(&mut ledger, "suspicious-activity", &of("2")).await;
    assert!((value - 10.0).abs() < 0.1, "{value}");
}

#[tokio::test]
async fn what_waits_for_working_hours_is_news_over_a_weekend() {
    let mut ledger = Ledger::with_users(4).await;
    attack(&mut ledger, 2, 7).await;
    succeed(&ledger, &nothing()).await;
    ledger
        .sql(
            "SET session_replication_role = replica;
            UPDATE payment_monitor_findings SET severity = 'info' WHERE rule = 'many_failures';
            SET session_replication_role = origin",
        )
        .await;
    age(&mut ledger, "60 hours").await; // Friday, 20:00, to Monday, 08:00
    let labels = [("rule", "many_failures"), ("user_id", "2"), ("severity", "info")];
    fires(&mut ledger, "suspicious-activity", &labels).await;
    age(&mut ledger, "13 hours").await;
    is_silent(&mut ledger, "suspicious-activity").await;
}

#[tokio::test]
async fn what_is_found_on_the_payments_of_all_names_no_user() {
    let mut ledger = Ledger::with_users(60).await;
    pay(&mut ledger, 300, 10, 168.5).await;
    pay(&mut ledger, 45, 40, 1.5).await;
    succeed(&ledger, &nothing()).await;
    let found = firing(&mut ledger, "suspicious-activity").await;
    let all: Vec<_> = found.iter().filter(|found| found.labels["user_id"].is_empty()).collect();
    assert!(!all.is_empty(), "neither the rate nor the code was found");
    assert!(all.iter().all(|found| !found.labels["subject"].contains("user")));
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_fires_until_it_can() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "rule-not-evaluated").await;
    let body = |value: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION payment_monitor_measure_broken(since timestamptz,
                until timestamptz, time_window interval, threshold numeric, at_least bigint)
            RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz,
                last_at timestamptz, value numeric, usual numeric, reason text)
            LANGUAGE sql AS $$ SELECT 1::bigint, NULL, now(), now(), {value}, 1.0, 'x' $$"
        )
    };
    ledger.sql(&body("1 / 0::numeric")).await;
    ledger
        .sql(
            "INSERT INTO payment_monitor_rules
            VALUES ('broken', 'divides', 'broken', '1 hour', 3, 1, 'info', true, 'a test')",
        )
        .await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    fires(&mut ledger, "rule-not-evaluated", &[("rule", "broken")]).await;
    assert_eq!(blamed(&mut ledger).await, ["broken"]);
    ledger.sql(&body("5::numeric")).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "rule-not-evaluated").await;
}

/// What the runbook's query names.
async fn blamed(ledger: &mut Ledger) -> Vec<String> {
    let query = runbook::queries("rule-not-evaluated").remove(0);
    let mut reader = reader(ledger).await;
    let rows = reader.fetch_all(AssertSqlSafe(query).into_sql_str()).await.unwrap();
    rows.iter().map(|row| row.get("rule")).collect()
}

#[tokio::test]
async fn hours_that_cannot_be_counted_fire_by_a_name_of_their_own_and_the_runbook_finds_why() {
    let mut ledger = Ledger::with_users(1).await;
    let keep = "payment_monitor_keep_hours";
    ledger.sql(&format!("ALTER FUNCTION {keep} RENAME TO gone")).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    let look = "the look at the payments";
    fires(&mut ledger, "rule-not-evaluated", &[("rule", look)]).await;
    assert_eq!(blamed(&mut ledger).await, [look]);
    ledger.sql(&format!("ALTER FUNCTION gone RENAME TO {keep}")).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "rule-not-evaluated").await;
}
