//! The hours that a run keeps are those that would be counted from scratch, whatever the company
//! has done to its old payments since.

use crate::harness::Ledger;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

/// Kept hours that are not as counted from scratch, or are missing, or should not be there.
const WRONG: &str = "SELECT count(*) FROM payment_monitor_payment_hours k
    FULL JOIN payment_monitor_count_hours(
        (SELECT first_hour FROM payment_monitor_hours_known),
        (SELECT date_bin('1 hour', max(computed_at) - interval '24 hours', '2001-01-01 00:00Z')
            FROM payment_monitor_payment_hours)) c
    ON (k.hour, k.failure_code, k.attempts, k.failures, k.retried)
        = (c.hour, c.failure_code, c.attempts, c.failures, c.retried)
    WHERE k.hour IS NULL OR c.hour IS NULL";

/// Payments of the last 60 days, last touched when they were made.
const PAYMENTS: &str = "INSERT INTO payments (user_id, provider_payment_id, status, currency,
        amount_minor, failure_code, created_at, updated_at)
    SELECT nullif(n % 4, 0), 'ch_' || n, CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'succeeded' END,
        'USD', 100 * (n % 2), CASE WHEN n % 6 = 0 THEN 'expired_card' END, at, at
    FROM generate_series(1, 300) n, LATERAL (SELECT now() - n * interval '288 minutes') t (at)";

/// Something that the company does to one or a few old payments; `$touched` is when.
fn edit(rng: &mut ChaCha20Rng, number: usize) -> String {
    let one = format!(
        "id = (SELECT id FROM payments ORDER BY md5(id::text || '{}') LIMIT 1)",
        rng.random::<u32>()
    );
    let hours = rng.random_range(2..1_500);
    let touched = "updated_at = $touched";
    match rng.random_range(0..7) {
        0 => format!("DELETE FROM payments WHERE {one}"),
        1 => format!("UPDATE payments SET removed_at = now(), {touched} WHERE {one}"),
        2 => format!(
            "UPDATE payments SET {touched}, status = CASE status WHEN 'failed'
            THEN 'succeeded' ELSE 'failed' END WHERE {one}"
        ),
        3 => format!(
            "UPDATE payments SET amount_minor = 100 - amount_minor, {touched}
            WHERE {one}"
        ),
        4 => format!(
            "UPDATE payments SET created_at = now() - interval '{hours} hours', {touched}
            WHERE {one}"
        ),
        5 => format!("UPDATE payments SET failure_code = 'do_not_honor', {touched} WHERE {one}"),
        _ => format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, currency,
                amount_minor, created_at, updated_at)
            SELECT 1, 'ch_{number}_' || n, CASE n WHEN 1 THEN 'failed' ELSE 'pending' END, 'USD',
                100, now() - interval '{hours} hours' + n * interval '6 days', $touched
            FROM generate_series(1, 2) n"
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_what_is_counted_from_scratch_after_any_edits() {
    for seed in 0..3 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut ledger = Ledger::with_users(3).await;
        ledger.sql(PAYMENTS).await;
        let mut done = Vec::new();
        for round in 0..25 {
            // The clock goes on by an hour each time, so that earlier edits are no longer new.
            let as_of = format!("now() + interval '{round} hours'");
            for _ in 0..rng.random_range(0..4) {
                let touched = format!("{as_of} - interval '5 minutes'");
                done.push(edit(&mut rng, done.len()).replace("$touched", &touched));
                ledger.sql(done.last().unwrap()).await;
            }
            ledger.sql(&format!("SELECT payment_monitor_keep_hours({as_of})")).await;
            assert_eq!(ledger.number(WRONG).await, 0, "seed {seed}: {done:#?}");
        }
        let kept = ledger.number("SELECT sum(attempts) FROM payment_monitor_payment_hours").await;
        assert!(kept > 200, "{kept}");
    }
}

#[tokio::test]
async fn a_deleted_payment_that_another_makes_up_for_is_noticed() {
    let mut ledger = Ledger::with_users(3).await;
    ledger.sql(PAYMENTS).await;
    ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    ledger
        .sql(
            "DELETE FROM payments WHERE provider_payment_id = 'ch_270';
            INSERT INTO payments (provider_payment_id, status, currency, amount_minor,
                created_at, updated_at)
            VALUES ('ch_new', 'failed', 'USD', 1, now() - interval '3 days', now())",
        )
        .await;
    ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    assert_eq!(ledger.number(WRONG).await, 0);
}

#[tokio::test]
async fn without_payments_nothing_is_kept() {
    let mut ledger = Ledger::with_users(3).await;
    let kept = "SELECT count(*) FROM payment_monitor_payment_hours";
    ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    assert_eq!(ledger.number(kept).await, 0);
    ledger.sql(PAYMENTS).await;
    ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
    assert!(ledger.number(kept).await > 1_000);
    ledger.sql("DELETE FROM payments; SELECT payment_monitor_keep_hours(now())").await;
    assert_eq!(ledger.number(kept).await, 0);
}
