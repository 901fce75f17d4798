//! A run, its operations and what it left for a person, as a demo's might be.

use super::super::table::OpenDiscrepancy;
use crate::domain::Outcome;
use crate::domain::account::{Account, Signal};
use crate::domain::run::{Counts, PerformedOperation, Phase, Status, Summary};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn counts_of(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

pub(super) fn phase(name: &str, offset_us: u64, duration_us: u64) -> Phase {
    Phase { name: name.to_owned(), offset_us, duration_us, error: None }
}

pub(super) fn run() -> Summary {
    Summary {
        run_id: "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
        trace_id: "0199a1b2c3d47e5f8a9b0c1d2e3f4a5b".to_owned(),
        parent_id: None,
        status: Status::Succeeded,
        needs_rescue: Some(false),
        error: None,
        started_at: time("2026-03-04T15:06:07.891Z"),
        duration_ms: Some(1_943),
        host: "billing-1".to_owned(),
        version: "0.1.0".to_owned(),
        statement: Some(json!({
            "files": [{}, {}, {}, {}, {}],
            "as_of": "2026-03-04T14:36:07Z",
            "payments": 4076, "subscriptions": 292, "customers": 6, "malformed": 0,
            "payments_listing": {"proof": "proven", "by": "manifest.json"},
            "subscriptions_listing": {"proof": "proven", "by": "manifest.json"},
        })),
        discrepancies: counts_of(&[
            ("only_in_statement", 41),
            ("only_in_ledger", 5),
            ("listed_again", 4),
            ("currency", 2),
            ("amount", 3),
            ("owner", 3),
            ("status", 30),
            ("amount_captured", 4),
            ("amount_refunded", 11),
            ("disputed", 3),
            ("failure_code", 5),
            ("plan", 4),
            ("current_period_end", 6),
            ("id_replaced", 2),
            ("duplicate_in_statement", 2),
            ("unknown_customer", 4),
        ]),
        left: counts_of(&[
            ("max_deletes", 5),
            ("needs_approval", 2),
            ("never_made", 1),
            ("duplicate", 2),
            ("unknown_customer", 4),
            ("newer_in_ledger", 1),
        ]),
        operations: Counts {
            planned: 114,
            applied: 112,
            failed: 1,
            conflict: 1,
            not_done: 0,
            open: 0,
        },
        withheld_deletes: 5,
        phases: vec![
            phase("begin", 0, 11_800),
            phase("rescue", 11_900, 2_300),
            phase("fetch", 14_300, 412_000),
            phase("compare", 426_400, 187_000),
            phase("plan", 613_500, 34_000),
            phase("guard", 647_600, 900),
            phase("perform", 648_600, 1_251_000),
            phase("finish", 1_899_700, 43_000),
        ],
        assessment: None,
        telemetry: Some(account()),
    }
}

pub(super) fn operation(
    span_name: &str,
    outcome: Outcome,
    description: &str,
    us: u64,
    error: Option<&str>,
) -> PerformedOperation {
    PerformedOperation {
        span_name: span_name.to_owned(),
        description: description.to_owned(),
        outcome,
        offset: Duration::from_micros(648_700 + us * 7),
        duration: Duration::from_micros(us),
        error: error.map(str::to_owned),
    }
}

pub(super) fn operations() -> Vec<PerformedOperation> {
    let mut all: Vec<_> = (0..48)
        .map(|n| {
            let description = format!("payment ch_3N{n:04}: status pending to succeeded");
            operation("UPDATE payments", Outcome::Applied, &description, 900 + n * 61, None)
        })
        .collect();
    all.push(operation(
        "INSERT payments",
        Outcome::Failed,
        "payment ch_3NZ7aQ: new, succeeded, 0.00 USD",
        1_240,
        Some("23514 check_violation: payments_amount_positive"),
    ));
    all.push(operation(
        "UPDATE payments",
        Outcome::Conflict,
        "payment ch_3NQ4xx: refunded 0 to 2900",
        1_020,
        Some("the row changed after it was compared"),
    ));
    let subscription = "subscription sub_1M9: plan starter_monthly to team_monthly";
    all.push(operation("UPDATE subscriptions", Outcome::Applied, subscription, 1_100, None));
    all
}

pub(super) fn open() -> Vec<OpenDiscrepancy> {
    let seen = time("2026-03-04T15:06:07Z");
    let one = |kind: &str, reason: &str, user_id| OpenDiscrepancy {
        kind: kind.to_owned(),
        subject: "payment".to_owned(),
        provider_id: "ch_3ae9gUmY7fcDYPr9DukdFU3o".to_owned(),
        user_id,
        reason: reason.to_owned(),
        first_seen: seen,
        last_seen: seen,
    };
    vec![
        one("unknown_customer", "unknown_customer", None),
        one("duplicate_in_statement", "duplicate", Some(12)),
        one("status", "needs_approval", Some(7)),
    ]
}

pub(super) fn several_runs() -> Vec<Summary> {
    let mut held = run();
    held.run_id = "0199a1b1-0000-7e5f-8a9b-0c1d2e3f4a5b".to_owned();
    held.status = Status::Held;
    held.operations = Counts { planned: 2_114, not_done: 2_114, ..Counts::default() };
    held.withheld_deletes = 0;
    let mut nothing = run();
    nothing.operations = Counts::default();
    vec![run(), held, nothing]
}

fn account() -> Account {
    let traces = Signal { made: 123, acknowledged: 123, ..Signal::default() };
    Account { traces, ..Account::default() }
}
