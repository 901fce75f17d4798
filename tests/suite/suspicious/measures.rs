//! What each measure counts, at its edges, and against a count that is made in another way.

use super::pay;
use crate::harness::Ledger;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// What a rule finds in the last week: `user code value`, one a line.
async fn found(ledger: &mut Ledger, rule: &str) -> String {
    let found = format!(
        "SELECT string_agg(concat_ws(' ', user_id, failure_code, trim_scale(round(value, 4))), '; '
            ORDER BY user_id, first_at)
        FROM payment_monitor_evaluate('{rule}', now() - interval '7 days',
            now() + interval '1 minute')"
    );
    ledger.text(&found).await
}

#[tokio::test]
async fn a_window_reaches_back_from_each_payment_and_not_further() {
    let mut ledger = Ledger::with_users(3).await;
    // Six within an hour, across whatever hour the clock says; and six within 61 minutes.
    for n in 0..6 {
        let at = f64::from(n) * 12.0;
        pay(&mut ledger, 1, &[(100.0 + at, "failed", 900, "a")]).await;
        pay(&mut ledger, 2, &[(100.0 + at * 1.02, "failed", 900, "a")]).await;
    }
    assert_eq!(found(&mut ledger, "many_failures").await, "1 6");
    ledger
        .sql(
            "UPDATE payments SET removed_at = now() WHERE id = (SELECT min(id) FROM payments
        WHERE user_id = 1)",
        )
        .await;
    assert_eq!(found(&mut ledger, "many_failures").await, "NULL");
}

#[tokio::test]
async fn small_is_what_is_a_tenth_of_the_usual_in_its_currency() {
    let mut ledger = Ledger::with_users(3).await;
    for n in 0..9 {
        pay(&mut ledger, 3, &[(4_000.0 + f64::from(n), "succeeded", 3_000, "c")]).await;
    }
    for n in 0..5 {
        pay(&mut ledger, 1, &[(f64::from(n), "failed", 300, &format!("card{n}"))]).await;
        pay(&mut ledger, 2, &[(f64::from(n), "failed", 301, "own")]).await;
    }
    assert_eq!(found(&mut ledger, "small_amounts").await, "1 5");
    // In another currency 300 may be much.
    ledger.sql("UPDATE payments SET currency = 'KWD' WHERE user_id = 1").await;
    assert_eq!(found(&mut ledger, "small_amounts").await, "NULL");
}

#[tokio::test]
async fn a_success_counts_after_the_failures_and_not_before() {
    let mut ledger = Ledger::with_users(2).await;
    for n in 1..=5 {
        let at = f64::from(n);
        pay(&mut ledger, 1, &[(10.0 + at, "failed", 900, "a")]).await;
        pay(&mut ledger, 2, &[(10.0 + at, "failed", 900, "a")]).await;
    }
    pay(&mut ledger, 1, &[(9.0, "succeeded", 900, "a")]).await;
    pay(&mut ledger, 2, &[(16.0, "succeeded", 900, "a")]).await;
    assert_eq!(found(&mut ledger, "success_after_failures").await, "1 5");
}

#[tokio::test]
async fn failures_after_signing_up_are_those_of_the_first_day() {
    let mut ledger = Ledger::with_users(2).await;
    ledger.sql("UPDATE users SET created_at = now() - interval '30 hours' WHERE id = 1").await;
    ledger.sql("UPDATE users SET created_at = now() - interval '2 hours' WHERE id = 2").await;
    for n in 0..5 {
        let at = f64::from(n);
        pay(&mut ledger, 1, &[((7.0 - at) * 60.0 - 1.0, "failed", 900, "a")]).await;
        pay(&mut ledger, 2, &[(10.0 * at + 1.0, "failed", 900, "a")]).await;
    }
    assert_eq!(found(&mut ledger, "failures_after_signup").await, "2 5");
}

#[tokio::test]
async fn the_total_rate_is_compared_with_the_same_hour_of_the_last_weeks() {
    let mut ledger = Ledger::with_users(40).await;
    let hour = |weeks: u32, failed: u32| {
        format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                failure_code, created_at, updated_at)
            SELECT 1 + n % 40, 'ch_{weeks}_' || n, CASE WHEN n <= {failed} THEN 'failed'
                ELSE 'succeeded' END, 900, 'USD', CASE WHEN n <= {failed} THEN 'x' || n END, at, at
            FROM generate_series(1, 40) n, LATERAL (SELECT date_trunc('hour', now(), 'UTC')
                - interval '3 hours' - {weeks} * interval '7 days'
                + n * interval '1 minute' AS at) a"
        )
    };
    for weeks in 1..=4 {
        ledger.sql(&hour(weeks, 4)).await;
    }
    ledger.sql(&hour(0, 11)).await;
    assert_eq!(found(&mut ledger, "failure_rate").await, "NULL", "not yet three times as high");
    ledger.sql("DELETE FROM payments WHERE provider_payment_id LIKE 'ch\\_0\\_%'").await;
    ledger.sql(&hour(0, 20)).await;
    assert!(found(&mut ledger, "failure_rate").await.starts_with("5."));
    // The same rate where it is usual at this hour is nothing.
    ledger
        .sql(
            "UPDATE payments SET status = 'failed', failure_code = 'y'
        WHERE provider_payment_id ~ 'ch_[1-4]_' AND right(provider_payment_id, 1) < '5'",
        )
        .await;
    assert_eq!(found(&mut ledger, "failure_rate").await, "NULL");
}

#[tokio::test]
async fn a_code_dominates_by_its_share_against_its_usual_share() {
    let mut ledger = Ledger::with_users(40).await;
    let fail = |code: &str, number: u32, ago: &str| {
        format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                failure_code, created_at, updated_at)
            SELECT 1 + n % 40, 'ch_{code}_{ago}_' || n, 'failed', 900, 'USD', '{code}', at, at
            FROM generate_series(1, {number}) n,
                LATERAL (SELECT now() - interval '{ago}' + n * interval '1 second' AS at) a"
        )
    };
    ledger.sql(&fail("do_not_honor", 60, "20 days")).await;
    ledger.sql(&fail("processing_error", 30, "20 days")).await;
    ledger.sql(&fail("do_not_honor", 15, "90 minutes")).await;
    assert_eq!(found(&mut ledger, "dominant_failure_code").await, "NULL", "it always is");
    ledger.sql(&fail("processing_error", 40, "60 minutes")).await;
    assert_eq!(found(&mut ledger, "dominant_failure_code").await, "processing_error 0.7273");
}

#[tokio::test]
async fn users_are_compared_with_their_own_past() {
    let mut ledger = Ledger::with_users(2).await;
    for n in 0..30_u32 {
        let at = 20_000.0 + f64::from(n) * 1_440.0;
        pay(&mut ledger, 1, &[(at, "succeeded", 900, "a")]).await;
        let status = if n % 3 == 0 { "failed" } else { "succeeded" };
        pay(&mut ledger, 2, &[(at, status, 900, "a")]).await;
    }
    for n in 0..6 {
        for user in 1..=2 {
            pay(&mut ledger, user, &[(f64::from(n) * 700.0, "failed", 900, "a")]).await;
        }
    }
    assert!(found(&mut ledger, "unlike_own_past").await.starts_with("1 "));
    assert!(!found(&mut ledger, "unlike_own_past").await.contains(';'));
}

/// The distinct methods in the window that ends at each use, counted one by one.
const ONE_BY_ONE: &str = "SELECT string_agg(concat_ws(' ', user_id, most), '; ' ORDER BY user_id)
    FROM (SELECT user_id, max(methods) AS most FROM (
        SELECT p.user_id, (SELECT count(DISTINCT o.payment_method_fingerprint) FROM payments o
            WHERE o.user_id = p.user_id AND o.created_at <= p.created_at
                AND o.created_at > p.created_at - interval '1 day') AS methods
        FROM payments p) counted GROUP BY user_id HAVING max(methods) >= 5) found";

#[tokio::test]
async fn distinct_payment_methods_are_those_of_a_count_one_by_one() {
    let mut ledger = Ledger::with_users(6).await;
    let mut runner = TestRunner::deterministic();
    // Minutes that never lie exactly a day apart, where a window may end or not.
    let uses = prop::collection::vec((1_i64..=6, 0_u32..3_300, 0_u32..9), 120..200);
    for _ in 0..8 {
        let uses = uses.new_tree(&mut runner).unwrap().current();
        ledger.sql("DELETE FROM payments").await;
        let rows: Vec<String> = uses
            .iter()
            .enumerate()
            .map(|(n, (user, at, card))| {
                format!("({n}, {user}, {at} + {n} / 1000.0, 'card{card}')")
            })
            .collect();
        let insert = format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                payment_method_fingerprint, created_at, updated_at)
            SELECT u, 'ch_' || n, 'succeeded', 900, 'USD', card, at, at
            FROM (VALUES {}) v (n, u, minute, card),
                LATERAL (SELECT now() - minute * interval '1 minute' AS at) a",
            rows.join(", ")
        );
        ledger.sql(&insert).await;
        let one_by_one = ledger.text(ONE_BY_ONE).await;
        assert_eq!(found(&mut ledger, "many_payment_methods").await, one_by_one);
        assert_ne!(one_by_one, "NULL");
    }
}
