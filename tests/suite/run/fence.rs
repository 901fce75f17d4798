//! The interleavings of an operation and the end of its run: nothing commits afterwards.

use crate::harness::{Ledger, time};
use payment_monitor::domain::operation::{Action, Operation, Outcome, Subject};
use payment_monitor::domain::run::{RunId, Status};
use payment_monitor::store::ending::{self, Ending};
use payment_monitor::store::jobs::{self, Beginning};
use payment_monitor::store::{refusals, results, schema};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

struct Stage {
    ledger: Ledger,
    run: RunId,
}

/// A run that is going on, and a payment that it is to change.
async fn stage() -> Stage {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "INSERT INTO payments (id, user_id, provider_payment_id, status, amount_minor,
            currency, created_at, updated_at)
            VALUES (1, 1, 'ch_1', 'pending', 5, 'USD', '2026-11-01', '2026-11-01')",
        )
        .await;
    let run = RunId(Uuid::now_v7());
    let mut connection = connect(&ledger).await;
    let beginning =
        Beginning { id: run, parent: None, started_at: time(0), host: "test", version: "0" };
    let mut lock = connect(&ledger).await;
    assert!(
        payment_monitor::store::lock::try_take(&mut lock, payment_monitor::store::lock::RUN_LOCK)
            .await
            .unwrap()
    );
    let holder = payment_monitor::store::lock::backend(&mut lock).await.unwrap();
    assert!(!jobs::begin(&mut connection, &beginning, holder + 1).await.unwrap());
    assert!(jobs::begin(&mut connection, &beginning, holder).await.unwrap());
    Stage { ledger, run }
}

async fn connect(ledger: &Ledger) -> PgConnection {
    ledger.database().connect().await.unwrap()
}

async fn operation(ledger: &mut Ledger) -> Operation {
    let state = "SELECT payment_monitor_payment_state(p) FROM ledger_payments p";
    let previous = ledger.text(state).await;
    Operation {
        id: Uuid::now_v7(),
        kind: "status".to_owned(),
        subject: Subject::Payment,
        action: Action::Update,
        target_id: Some(1),
        user_id: Some(1),
        provider_id: "ch_1".to_owned(),
        new_state: Some(previous.replace("pending", "succeeded")),
        previous_state: Some(previous),
        description: "status pending -> succeeded".to_owned(),
    }
}

async fn perform(connection: &mut PgConnection, stage: RunId, op: &Operation) -> Option<Outcome> {
    results::perform(connection, stage, op, time(0), time(1)).await.unwrap()
}

async fn end(connection: &mut PgConnection, run: RunId) -> bool {
    let mut transaction = connection.begin().await.unwrap();
    let is_ours = ending::lock_to_end(&mut transaction, run).await.unwrap();
    if is_ours {
        let totals = ending::totals(&mut transaction, run).await.unwrap();
        // Totals must count a result that was in flight when the end was asked for.
        let planned = ending::Totals { planned: totals.results(), ..totals };
        let ending = Ending::of(Status::Interrupted);
        ending::end(&mut transaction, run, &ending, &planned).await.unwrap();
    }
    transaction.commit().await.unwrap();
    is_ours
}

#[tokio::test]
async fn an_operation_after_the_end_changes_nothing_and_says_so() {
    let Stage { mut ledger, run } = stage().await;
    let op = operation(&mut ledger).await;
    let mut connection = connect(&ledger).await;
    assert!(end(&mut connection, run).await);
    assert_eq!(perform(&mut connection, run, &op).await, None);
    assert!(!refusals::record_failure(&mut connection, run, &op, "23514", time(1)).await.unwrap());
    assert_eq!(ledger.text("SELECT status FROM payments").await, "pending");
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_results").await, 0);
}

#[tokio::test]
async fn the_end_waits_for_an_operation_in_flight_and_counts_it() {
    let Stage { mut ledger, run } = stage().await;
    let op = operation(&mut ledger).await;
    let mut connection = connect(&ledger).await;
    let mut in_flight = connection.begin().await.unwrap();
    assert_eq!(perform(&mut in_flight, run, &op).await, Some(Outcome::Applied));
    let mut ending = connect(&ledger).await;
    let ended = tokio::spawn(async move { end(&mut ending, run).await });
    ledger.until_sessions_wait(1).await;
    in_flight.commit().await.unwrap();
    assert!(ended.await.unwrap());
    assert_eq!(ledger.number("SELECT total_results FROM payment_monitor_jobs").await, 1);
}

#[tokio::test]
async fn an_operation_that_waits_for_its_row_while_the_run_is_ended_holds_the_end_up() {
    let Stage { mut ledger, run } = stage().await;
    let op = operation(&mut ledger).await;
    ledger.sql("BEGIN; SELECT FROM payments WHERE id = 1 FOR UPDATE").await;
    let mut connection = connect(&ledger).await;
    let waiting = tokio::spawn(async move { perform(&mut connection, run, &op).await });
    ledger.until_sessions_wait(1).await;
    let mut ending = connect(&ledger).await;
    let ended = tokio::spawn(async move { end(&mut ending, run).await });
    ledger.until_sessions_wait(2).await;
    ledger.sql("COMMIT").await;
    assert_eq!(waiting.await.unwrap(), Some(Outcome::Applied));
    assert!(ended.await.unwrap());
    assert_eq!(ledger.number("SELECT total_results FROM payment_monitor_jobs").await, 1);
}

#[tokio::test]
async fn an_operation_that_waits_for_the_end_finds_itself_fenced_off() {
    let Stage { mut ledger, run } = stage().await;
    let op = operation(&mut ledger).await;
    let mut ending = connect(&ledger).await;
    let mut transaction = ending.begin().await.unwrap();
    assert!(ending::lock_to_end(&mut transaction, run).await.unwrap());
    let mut connection = connect(&ledger).await;
    let waiting = tokio::spawn(async move { perform(&mut connection, run, &op).await });
    ledger.until_sessions_wait(1).await;
    let totals = ending::totals(&mut transaction, run).await.unwrap();
    ending::end(&mut transaction, run, &Ending::of(Status::Interrupted), &totals).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(ledger.text("SELECT status FROM payments").await, "pending");
}

#[tokio::test]
async fn a_repeated_operation_is_refused_by_its_id() {
    let Stage { mut ledger, run } = stage().await;
    let op = operation(&mut ledger).await;
    let mut connection = connect(&ledger).await;
    assert_eq!(perform(&mut connection, run, &op).await, Some(Outcome::Applied));
    let error = results::perform(&mut connection, run, &op, time(0), time(2)).await.unwrap_err();
    let fault = payment_monitor::store::error::fault(&error);
    assert_eq!(fault, payment_monitor::store::Fault::AlreadyRecorded);
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_results").await, 1);
    assert!(schema::version(&mut connection).await.unwrap() > 0);
}
