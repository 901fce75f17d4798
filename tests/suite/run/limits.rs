//! What keeps a wrong or partial statement from doing harm.

use crate::harness::{Charge, Ledger, Listing, environment, request, time};
use payment_monitor::domain::Status;
use payment_monitor::reconcile::{Limit, Pin};
use payment_monitor::run::{Approval, Report, Request, approve, reject};
use tempfile::TempDir;

fn charges(ids: std::ops::RangeInclusive<i64>) -> Vec<Charge> {
    ids.map(|n| Charge::new(&format!("ch_{n}"), n)).collect()
}

async fn run_with(
    ledger: &mut Ledger,
    listing: &Listing,
    change: impl FnOnce(&mut Request),
) -> Report {
    let folder = TempDir::new().unwrap();
    let mut request = request(&listing.write(folder.path()));
    change(&mut request);
    let report = ledger.run(request).await;
    ledger.assert_invariants().await;
    report
}

async fn ledger_with(ids: std::ops::RangeInclusive<i64>) -> Ledger {
    let mut ledger = Ledger::with_users(3).await;
    run_with(&mut ledger, &Listing::of(charges(ids)), |_| ()).await;
    ledger
}

fn decision(report: &Report) -> Approval {
    Approval {
        run: report.summary.run_id.parse().unwrap(),
        by: "Ada".to_owned(),
        reason: "checked with the provider".to_owned(),
    }
}

#[tokio::test]
async fn without_proof_nothing_is_deleted_but_the_rest_goes_on() {
    let mut ledger = ledger_with(1..=3).await;
    let folder = TempDir::new().unwrap();
    let listing =
        Listing::of([Charge::new("ch_1", 1), Charge::new("ch_3", 3), Charge::new("ch_4", 4)]);
    let path = listing.write_unproven(folder.path());
    let mut request = request(&path);
    request.statement.as_of = Some(time(12 * 60));
    request.since = Some(time(-60));
    let report = ledger.run(request).await;
    assert_eq!(report.summary.withheld_deletes, 1);
    assert_eq!(report.summary.left["unproven"], 1);
    assert_eq!(report.summary.operations.applied, 1);
    assert_eq!(ledger.number("SELECT count(*) FROM payments WHERE removed_at IS NULL").await, 4);
}

#[tokio::test]
async fn a_malformed_record_withholds_deletes_and_is_named_by_file_and_line() {
    let mut ledger = ledger_with(1..=3).await;
    let listing = Listing::of(charges(1..=2)).line(r#"{"object":"charge","id":"ch_3"}"#);
    let report = run_with(&mut ledger, &listing, |_| ()).await;
    assert_eq!(report.summary.operations.planned, 0);
    assert_eq!(report.summary.withheld_deletes, 1);
    let facts = report.summary.statement.unwrap();
    assert_eq!(facts["malformed"], 1);
    assert_eq!(facts["malformed_examples"][0]["line"], 3);
    assert_eq!(facts["malformed_examples"][0]["file"], "statement.ndjson");
}

#[tokio::test]
async fn strict_fails_at_a_malformed_record_before_any_change() {
    let mut ledger = ledger_with(1..=1).await;
    let listing = Listing::of(charges(1..=2)).line("{");
    let report = run_with(&mut ledger, &listing, |r| r.statement.strict = true).await;
    assert_eq!(report.summary.status, Status::Failed);
    assert!(report.summary.error.unwrap().contains("statement.ndjson"));
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test]
async fn deletes_beyond_the_cap_are_withheld_and_can_be_approved_once() {
    let mut ledger = ledger_with(1..=6).await;
    let listing = Listing::of(charges(1..=2));
    let report = run_with(&mut ledger, &listing, |r| r.max_deletes = Some(1)).await;
    assert_eq!(report.summary.operations.applied, 1);
    assert_eq!(report.summary.withheld_deletes, 3);
    assert_eq!(report.exit_code(), 0);

    let (environment, _stopper) = environment(&ledger);
    let approved = approve(&environment, decision(&report)).await.unwrap();
    assert_eq!(approved.summary.operations.applied, 3);
    assert_eq!(approved.summary.parent_id, Some(report.summary.run_id.clone()));
    assert_eq!(ledger.number("SELECT count(*) FROM payments WHERE removed_at IS NULL").await, 2);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
    let who = "SELECT concat_ws(' ', decision, decided_by, decision_reason) FROM run_summary
        WHERE decision IS NOT NULL";
    assert_eq!(ledger.text(who).await, "approval Ada checked with the provider");
    let again = approve(&environment, decision(&report)).await.unwrap_err().to_string();
    assert!(again.contains("has its approval already, by Ada"), "{again}");
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn a_plan_beyond_max_changes_is_held_and_performed_exactly_when_approved() {
    let mut ledger = ledger_with(1..=4).await;
    let refunded = charges(1..=4).into_iter().map(|c| c.with("amount_refunded", 5));
    let listing = Listing::of(refunded);
    let held = run_with(&mut ledger, &listing, |r| r.max_changes = Limit::Percent(50)).await;
    assert_eq!(held.summary.status, Status::Held);
    assert_eq!(held.exit_code(), 4);
    assert_eq!(ledger.number("SELECT max(amount_refunded_minor) FROM payments").await, 0);
    let fates = "SELECT string_agg(DISTINCT fate, ' ') FROM run_operations WHERE fate <> 'applied'";
    assert_eq!(ledger.text(fates).await, "held");

    // One row changes before the approval: its operation must refuse.
    ledger.sql("UPDATE payments SET disputed = true WHERE provider_payment_id = 'ch_2'").await;
    let (environment, _stopper) = environment(&ledger);
    let approved = approve(&environment, decision(&held)).await.unwrap();
    assert_eq!(approved.summary.operations.applied, 3);
    assert_eq!(approved.summary.operations.conflict, 1);
    assert_eq!(approved.exit_code(), 1);
    let digests = "SELECT count(DISTINCT plan_digest) FROM payment_monitor_jobs
        WHERE operations_planned = 4 AND (parent_id IS NOT NULL OR execution_status = 'held')";
    assert_eq!(ledger.number(digests).await, 1, "the approved plan is the held one");
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn two_approvals_at_once_perform_the_plan_once() {
    let mut ledger = ledger_with(1..=4).await;
    let listing = Listing::of(charges(1..=4).into_iter().map(|c| c.with("amount_refunded", 5)));
    let held = run_with(&mut ledger, &listing, |r| r.max_changes = Limit::Rows(1)).await;
    let (environment, _stopper) = environment(&ledger);
    let (one, other) = tokio::join!(
        approve(&environment, decision(&held)),
        approve(&environment, decision(&held)),
    );
    let applied = |report: &Result<Report, _>| {
        report.as_ref().map_or(0, |report: &Report| report.summary.operations.applied)
    };
    assert_eq!(applied(&one) + applied(&other), 4, "{one:?} {other:?}");
    let approvals = "SELECT count(*) FROM payment_monitor_events WHERE kind = 'approval'";
    assert_eq!(ledger.number(approvals).await, 1);
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn a_rejected_or_superseded_run_can_not_be_approved() {
    let mut ledger = ledger_with(1..=4).await;
    let listing = Listing::of(charges(1..=4).into_iter().map(|c| c.with("amount_refunded", 5)));
    let older = run_with(&mut ledger, &listing, |r| r.max_changes = Limit::Rows(1)).await;
    let newer = run_with(&mut ledger, &listing, |r| r.max_changes = Limit::Rows(1)).await;
    let (environment, _stopper) = environment(&ledger);
    let superseded = approve(&environment, decision(&older)).await.unwrap_err().to_string();
    assert!(superseded.contains(&newer.summary.run_id), "{superseded}");
    reject(&environment, &decision(&newer)).await.unwrap();
    let rejected = approve(&environment, decision(&newer)).await.unwrap_err().to_string();
    assert!(rejected.contains("rejection"), "{rejected}");
    assert_eq!(ledger.number("SELECT max(amount_refunded_minor) FROM payments").await, 0);
}

#[tokio::test]
async fn a_statement_of_another_account_or_mode_fails_before_any_change() {
    let mut ledger = Ledger::with_users(3).await;
    let first = Listing::of(charges(1..=1)).manifest("account", "acct_1");
    run_with(&mut ledger, &first, |_| ()).await;
    let other = Listing::of(charges(1..=2)).manifest("account", "acct_2");
    let report = run_with(&mut ledger, &other, |_| ()).await;
    assert_eq!(report.summary.status, Status::Failed);
    assert!(report.summary.error.unwrap().contains("acct_2"));
    let test_mode = charges(1..=2).into_iter().map(|c| c.with("livemode", false));
    let test_mode = Listing::of(test_mode).manifest("livemode", false);
    let report = run_with(&mut ledger, &test_mode, |_| ()).await;
    assert!(report.summary.error.unwrap().contains("test mode"));
    let report = run_with(&mut ledger, &first, |r| {
        r.pin = Pin { account: Some("acct_9".to_owned()), livemode: None };
    });
    assert!(report.await.summary.error.unwrap().contains("acct_9"));
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test]
async fn a_row_changed_after_the_statement_is_left_alone() {
    let mut ledger = ledger_with(1..=2).await;
    ledger
        .sql(
            "UPDATE payments SET amount_refunded_minor = 7, updated_at = '2026-11-01 13:00Z'
        WHERE provider_payment_id = 'ch_1'",
        )
        .await;
    let report = run_with(&mut ledger, &Listing::of(charges(1..=2)), |_| ()).await;
    assert_eq!(report.summary.left["newer_in_ledger"], 1);
    assert_eq!(report.summary.operations.planned, 0);
    assert_eq!(ledger.number("SELECT max(amount_refunded_minor) FROM payments").await, 7);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
}

#[tokio::test]
async fn an_older_statement_never_overwrites_what_a_newer_one_has_brought() {
    let mut ledger = ledger_with(1..=1).await;
    let newer = Listing::of([Charge::new("ch_1", 1).with("amount_refunded", 5)])
        .manifest("as_of", time(18 * 60).to_rfc3339());
    run_with(&mut ledger, &newer, |_| ()).await;
    let report = run_with(&mut ledger, &Listing::of(charges(1..=1)), |_| ()).await;
    assert_eq!(report.summary.status, Status::Failed);
    assert!(report.summary.error.unwrap().contains("an older state never overwrites"));
    assert_eq!(ledger.number("SELECT amount_refunded_minor FROM payments").await, 5);
}

#[tokio::test]
async fn what_a_newer_run_has_confirmed_supersedes_an_older_held_plan() {
    let mut ledger = ledger_with(1..=4).await;
    let refunded = charges(1..=4).into_iter().map(|c| c.with("amount_refunded", 5));
    let listing = Listing::of(refunded);
    let held = run_with(&mut ledger, &listing, |r| r.max_changes = Limit::Rows(1)).await;
    let newer = Listing::of(charges(1..=4)).manifest("as_of", time(18 * 60).to_rfc3339());
    run_with(&mut ledger, &newer, |_| ()).await;
    let (environment, _stopper) = environment(&ledger);
    let refused = approve(&environment, decision(&held)).await.unwrap_err().to_string();
    assert!(refused.contains("superseded"), "{refused}");
    assert_eq!(ledger.number("SELECT max(amount_refunded_minor) FROM payments").await, 0);
}

#[tokio::test]
async fn a_statement_from_the_future_fails_before_any_change() {
    let mut ledger = ledger_with(1..=1).await;
    let listing = Listing::of(charges(1..=2));
    let report = run_with(&mut ledger, &listing, |r| {
        r.statement.as_of = Some(chrono::Utc::now() + chrono::TimeDelta::hours(1));
    });
    assert!(report.await.summary.error.unwrap().contains("in the future"));
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test]
async fn rows_outside_the_window_or_still_settling_are_not_looked_at() {
    let mut ledger = ledger_with(1..=9).await;
    // The statement lists none of them; only 3 to 6 lie well inside the window.
    let listing = Listing::of([Charge::new("ch_200", 200)]);
    let report = run_with(&mut ledger, &listing, |r| {
        r.since = Some(time(3) - chrono::TimeDelta::seconds(2));
        r.until = Some(time(7) - chrono::TimeDelta::seconds(2));
    });
    assert_eq!(report.await.summary.operations.applied, 4);
    let young = Listing::of([Charge::new("ch_719", 12 * 60 - 1)]);
    let report = run_with(&mut ledger, &young, |r| {
        r.settle = chrono::TimeDelta::minutes(5);
        r.since = Some(time(11 * 60));
    });
    assert_eq!(report.await.summary.operations.planned, 0);
}
