//! `failures` on hand-made payments, so that every figure is known; and the hours that are kept.

mod figures;
mod kept;
mod output;
mod user;

use crate::harness::{Ledger, Output, Program};
use serde_json::Value;

/// Around the night from Sunday to Monday, 4 November 2024. Of whom, when, status, amount, code.
/// The day before, New York's clocks went back an hour.
const PAYMENTS: &str = "
    (3,    '2024-11-01T00:00:00Z', 'failed',    'GBP', 300,  'lost_card'),
    (1,    '2024-11-03T23:59:59Z', 'failed',    'USD', 1000, 'do_not_honor'),
    (1,    '2024-11-04T00:00:00Z', 'failed',    'USD', 1000, 'expired_card'),
    (1,    '2024-11-04T01:00:00Z', 'succeeded', 'USD', 1000, NULL),
    (NULL, '2024-11-04T01:30:00Z', 'failed',    'USD', 1000, NULL),
    (NULL, '2024-11-04T01:40:00Z', 'succeeded', 'USD', 1000, NULL),
    (2,    '2024-11-04T02:00:00Z', 'failed',    'EUR', 500,  'do_not_honor'),
    (1,    '2024-11-04T03:00:00Z', 'failed',    'USD', 9900, 'removed'),
    (2,    '2024-11-04T05:00:00Z', 'pending',   'EUR', 700,  NULL),
    -- 168 hours and a half after the first: a payment of its own.
    (3,    '2024-11-08T00:30:00Z', 'succeeded', 'GBP', 300,  NULL),
    -- 168 hours after the one of the same amount: a retry; and a second later than that: none.
    (2,    '2024-11-11T02:00:00Z', 'failed',    'EUR', 500,  'do_not_honor'),
    (2,    '2024-11-18T02:00:01Z', 'succeeded', 'EUR', 500,  NULL)";

/// Users 1 to 4, of whom the last has no payments.
async fn ledger() -> Ledger {
    let mut ledger = Ledger::with_users(4).await;
    let insert = format!(
        "INSERT INTO payments (user_id, provider_payment_id, status, currency, amount_minor,
            failure_code, payment_method_fingerprint, created_at, updated_at, removed_at)
        SELECT user_id, 'ch_' || row_number() OVER (ORDER BY at), status, currency, amount,
            code, 'fingerprint_' || user_id, at::timestamptz, at::timestamptz,
            CASE code WHEN 'removed' THEN now() END
        FROM (VALUES {PAYMENTS}) p (user_id, at, status, currency, amount, code)"
    );
    ledger.sql(&insert).await;
    let name = ledger.name().to_owned();
    ledger.sql(&format!("ALTER DATABASE {name} SET timezone = 'America/New_York'")).await;
    ledger.sql("SET timezone = 'America/New_York'").await;
    ledger
}

/// What `failures` says with these arguments.
async fn failures(ledger: &Ledger, arguments: &str) -> Output {
    let arguments: Vec<&str> = ["failures"].into_iter().chain(arguments.split(' ')).collect();
    let output = Program::on(ledger).run(&arguments).await;
    assert_eq!(output.code, 0, "{arguments:?}: {}", output.all());
    output
}

async fn document(ledger: &Ledger, arguments: &str) -> Value {
    failures(ledger, &format!("{arguments} --output json")).await.json()
}

/// The table in CSV, head first.
async fn lines(ledger: &Ledger, arguments: &str) -> Vec<Vec<String>> {
    let output = failures(ledger, &format!("{arguments} --output csv")).await;
    let mut table =
        csv::ReaderBuilder::new().has_headers(false).from_reader(output.stdout.as_bytes());
    table.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect()
}
