//! Others at work on the same tables while a run goes on.

use crate::harness::{Charge, Ledger, Listing, environment, request};
use payment_monitor::domain::Status;
use payment_monitor::run::run;
use tempfile::TempDir;

#[tokio::test]
async fn a_staging_that_was_emptied_behind_the_runs_back_fails_the_run() {
    for table in ["payments", "customers"] {
        let mut ledger = Ledger::with_users(1).await;
        let folder = TempDir::new().unwrap();
        let customer = serde_json::json!({ "id": "cus_1", "object": "customer", "livemode": true });
        let listing = Listing::of([Charge::new("ch_1", 1)]).and(&customer);
        let request = request(&listing.write(folder.path()));
        // Between staging and comparison the planner reads this table: the run waits there.
        ledger
            .sql("BEGIN; LOCK TABLE payment_monitor_discrepancies IN ACCESS EXCLUSIVE MODE")
            .await;
        let (environment, _stopper) = environment(&ledger);
        let run = tokio::spawn(async move { run(&environment, request).await });
        ledger.until_sessions_wait(1).await;
        ledger.sql(&format!("TRUNCATE payment_monitor_staged_{table}; COMMIT")).await;
        let report = run.await.unwrap().unwrap();
        assert_eq!(report.summary.status, Status::Failed);
        let error = report.summary.error.unwrap();
        assert!(error.contains(&format!("staged {table} holds 0 rows, 1 were staged")), "{error}");
        assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 0);
        ledger.assert_invariants().await;
    }
}

#[tokio::test]
async fn a_row_that_changes_between_plan_and_perform_is_a_conflict_and_left_as_it_is() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let charges = |refunded: i64| {
        (1..=4).map(move |n| Charge::new(&format!("ch_{n}"), n).with("amount_refunded", refunded))
    };
    ledger.run(request(&Listing::of(charges(0)).write(folder.path()))).await;
    // Somebody holds two rows while the run performs, and changes one of them.
    ledger
        .sql(
            "BEGIN; UPDATE payments SET disputed = true WHERE provider_payment_id = 'ch_2';
            SELECT FROM payments WHERE provider_payment_id = 'ch_3' FOR UPDATE",
        )
        .await;
    let (environment, _stopper) = environment(&ledger);
    let request = request(&Listing::of(charges(9)).write(folder.path()));
    let run = tokio::spawn(async move { run(&environment, request).await });
    ledger.until_sessions_wait(1).await;
    ledger.sql("COMMIT").await;
    let report = run.await.unwrap().unwrap();
    let operations = report.summary.operations;
    assert_eq!((operations.applied, operations.conflict), (3, 1));
    let row = "SELECT concat_ws(' ', disputed, amount_refunded_minor) FROM payments
        WHERE provider_payment_id = 'ch_2'";
    assert_eq!(ledger.text(row).await, "t 0");
    let seen = "SELECT previous_state ->> 'disputed' FROM payment_monitor_results
        WHERE outcome = 'conflict'";
    assert_eq!(ledger.text(seen).await, "true", "what was found is recorded, not what was planned");
    assert_eq!(ledger.text("SELECT reason FROM open_discrepancies").await, "conflict");
    ledger.assert_invariants().await;

    // The next run plans on what it finds now, and resolves what was open.
    let again = ledger
        .run(crate::harness::request(
            &Listing::of(charges(9).map(|c| c.with("disputed", true))).write(folder.path()),
        ))
        .await;
    assert_eq!(again.summary.operations.conflict, 0);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn a_row_that_somebody_else_inserts_first_is_a_conflict() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let listing = Listing::of([Charge::new("ch_1", 1)]);
    ledger
        .sql(
            "BEGIN; INSERT INTO payments (provider_payment_id, status, amount_minor, currency,
            created_at, updated_at) VALUES ('ch_1', 'pending', 1, 'USD', now(), now())",
        )
        .await;
    let (environment, _stopper) = environment(&ledger);
    let request = request(&listing.write(folder.path()));
    let run = tokio::spawn(async move { run(&environment, request).await });
    ledger.until_sessions_wait(1).await;
    ledger.sql("COMMIT").await;
    assert_eq!(run.await.unwrap().unwrap().summary.operations.conflict, 1);
    assert_eq!(ledger.text("SELECT status FROM payments").await, "pending");
    ledger.assert_invariants().await;
}

#[tokio::test]
async fn of_two_runs_at_once_one_works_and_the_other_is_recorded_as_skipped() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let listing = Listing::of([Charge::new("ch_1", 1)]);
    let request = request(&listing.write(folder.path()));
    let (environment, _stopper) = environment(&ledger);
    ledger.sql("BEGIN; LOCK TABLE payments IN SHARE MODE").await;
    let working = {
        let (environment, request) = (environment.clone(), request.clone());
        tokio::spawn(async move { run(&environment, request).await })
    };
    ledger.until_sessions_wait(1).await;
    let skipped = run(&environment, request).await.unwrap();
    assert_eq!((skipped.summary.status, skipped.exit_code()), (Status::Skipped, 5));
    ledger.sql("COMMIT").await;
    assert_eq!(working.await.unwrap().unwrap().summary.operations.applied, 1);
    let statuses = "SELECT string_agg(execution_status, ' ' ORDER BY id) FROM payment_monitor_jobs";
    assert_eq!(ledger.text(statuses).await, "succeeded skipped");
    ledger.assert_invariants().await;
}
