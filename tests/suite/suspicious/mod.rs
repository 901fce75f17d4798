//! Suspicious activity: what the rules find, what a run records of it, and what people do about
//! it.

mod commands;
mod measures;
mod planted;
mod runs;

use crate::harness::{Ledger, Listing, request};
use payment_monitor::domain::{Assessed, Assessment};
use tempfile::TempDir;

/// Payments of a user, so many minutes before now: each a row of `(minutes, status, amount, card)`.
async fn pay(ledger: &mut Ledger, user: i64, payments: &[(f64, &str, i64, &str)]) {
    for (minutes, status, amount, card) in payments {
        let code = if *status == "failed" { "'card_declined'" } else { "NULL" };
        let insert = format!(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                failure_code, payment_method_fingerprint, created_at, updated_at)
            SELECT {user}, 'ch_p' || (SELECT count(*) FROM payments), '{status}', {amount}, 'USD',
                {code}, '{card}', at, at
            FROM (SELECT now() - {minutes} * interval '1 minute' AS at) at"
        );
        ledger.sql(&insert).await;
    }
}

/// Failures of a user, a minute apart, the last one so many minutes ago.
async fn fail(ledger: &mut Ledger, user: i64, times: u32, last: f64) {
    for n in (0..times).rev() {
        pay(ledger, user, &[(last + f64::from(n), "failed", 5_000, "own")]).await;
    }
}

/// A run on a statement without payments, whose look at the payments is wanted.
async fn assess(ledger: &Ledger) -> Assessment {
    let folder = TempDir::new().unwrap();
    let customer = serde_json::json!({
        "id": "cus_1", "object": "customer", "created": 1_700_000_000, "livemode": true,
        "metadata": { "user_id": "1" },
    });
    let statement = Listing::default().and(&customer).write_unproven(folder.path());
    let report = ledger.run(request(&statement)).await;
    assert_eq!(report.summary.error, None);
    report.summary.assessment.expect("a run that succeeds looks at the payments")
}

fn of<'a>(assessment: &'a Assessment, rule: &str) -> &'a Assessed {
    assessment.rules.iter().find(|assessed| assessed.rule == rule).unwrap()
}
