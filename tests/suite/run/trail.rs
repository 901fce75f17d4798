//! The record can't be altered, not even by the job itself.

use crate::harness::{Charge, Ledger, Listing, request};
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;

const TABLES: [&str; 4] = [
    "payment_monitor_jobs",
    "payment_monitor_operations",
    "payment_monitor_results",
    "payment_monitor_events",
];

async fn code(connection: &mut PgConnection, statement: &str) -> String {
    let statement = AssertSqlSafe(statement.to_owned());
    let error = sqlx::raw_sql(statement).execute(connection).await.unwrap_err();
    error.as_database_error().unwrap().code().unwrap().into_owned()
}

async fn ledger_with_a_run() -> Ledger {
    let ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let listing = Listing::of([Charge::new("ch_1", 1)]).manifest("account", "acct_1");
    ledger.run(request(&listing.write(folder.path()))).await;
    ledger
}

#[tokio::test]
async fn even_a_superuser_is_refused_by_the_triggers() {
    let mut ledger = ledger_with_a_run().await;
    let partition = ledger.text("SELECT tableoid::regclass FROM payment_monitor_results").await;
    for table in TABLES.into_iter().chain([partition.as_str()]) {
        let column = if table == "payment_monitor_jobs" { "error" } else { "id" };
        for statement in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            let refused = code(&mut ledger.admin, &statement).await;
            assert_eq!(refused, "23001", "{statement}");
        }
    }
}

#[tokio::test]
async fn the_job_may_not_even_try() {
    let ledger = ledger_with_a_run().await;
    let mut job = ledger.database().connect().await.unwrap();
    for statement in [
        "UPDATE payment_monitor_results SET id = id",
        "DELETE FROM payment_monitor_results",
        "DELETE FROM payment_monitor_jobs",
        "TRUNCATE payment_monitor_events",
        "DELETE FROM payment_monitor_discrepancies",
        "UPDATE payments SET status = 'failed'",
        "DELETE FROM ledger_payments",
        "SELECT email FROM users",
        "SELECT payment_monitor_create_partitions(1)",
        "ALTER TABLE payment_monitor_results DISABLE TRIGGER ALL",
    ] {
        assert_eq!(code(&mut job, statement).await, "42501", "{statement}");
    }
}

#[tokio::test]
async fn a_run_ends_once() {
    let mut ledger = ledger_with_a_run().await;
    let reopen = "UPDATE payment_monitor_jobs SET execution_status = 'running', duration = NULL";
    assert_eq!(code(&mut ledger.admin, reopen).await, "23001");
    let born = "INSERT INTO payment_monitor_jobs (id, started_at, execution_status, host, version,
        duration) VALUES (gen_random_uuid(), now(), 'succeeded', 'x', '1', '0')";
    assert_eq!(code(&mut ledger.admin, born).await, "23001");
}

#[tokio::test]
async fn ids_order_as_time_does_and_partitions_lie_two_years_ahead() {
    let mut ledger = ledger_with_a_run().await;
    let ordered = "SELECT bool_and(id >= payment_monitor_id_at(occurred_at - interval '1 minute')
        AND id < payment_monitor_id_at(occurred_at + interval '1 minute'))
        FROM payment_monitor_results";
    assert_eq!(ledger.text(ordered).await, "true");
    for parent in ["payment_monitor_results", "payment_monitor_operations"] {
        let partitions = format!(
            "SELECT count(*) FROM pg_inherits
            WHERE inhparent = '{parent}'::regclass"
        );
        assert_eq!(ledger.number(&partitions).await, 25);
    }
}
