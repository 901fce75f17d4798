//! `payment_monitor_jobs`: a run begins. How it ends is in `ending`.

use crate::domain::run::{RunId, Status};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// What is known of a run when it begins.
#[derive(Debug)]
pub struct Beginning<'a> {
    pub id: RunId,
    pub parent: Option<RunId>,
    pub started_at: DateTime<Utc>,
    pub host: &'a str,
    pub version: &'a str,
}

/// Records the beginning of a run; false where the session that took the run lock for it does
/// not hold it any more: the process was paused in between, and another run may be going on.
pub async fn begin(
    connection: &mut PgConnection,
    run: &Beginning<'_>,
    lock_holder: i32,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "INSERT INTO payment_monitor_jobs
            (id, parent_id, started_at, execution_status, host, version)
        SELECT $1, $2, $3, 'running', $4, $5 WHERE payment_monitor_is_lock_holder($6)",
        run.id.0,
        run.parent.map(|parent| parent.0),
        run.started_at,
        run.host,
        run.version,
        lock_holder,
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// The newest run by its id, skipped ones included.
pub async fn newest(connection: &mut PgConnection) -> sqlx::Result<Option<RunId>> {
    sqlx::query_scalar!("SELECT id FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map(|id| id.map(RunId))
}

/// How a run stands in the record, if it is there.
pub async fn status(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Status>> {
    let status = sqlx::query_scalar!(
        "SELECT execution_status FROM payment_monitor_jobs WHERE id = $1",
        run.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(status.map(|name| name.parse().expect("a CHECK allows no other status")))
}

/// The newest statement's time that a run has brought a table in line with, or begun to, of those
/// that are covered: payments, subscriptions. An older statement must not be applied to them.
pub async fn newest_as_of(
    connection: &mut PgConnection,
    [payments, subscriptions]: [bool; 2],
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "SELECT max((statement ->> 'as_of')::timestamptz) FROM payment_monitor_jobs
        WHERE (execution_status = 'succeeded' OR results_applied > 0) AND parent_id IS NULL AND (
            ($1 AND statement #>> '{payments_listing,proof}' <> 'not_covered')
            OR ($2 AND statement #>> '{subscriptions_listing,proof}' <> 'not_covered'))",
        payments,
        subscriptions
    )
    .fetch_one(connection)
    .await
}

/// Records that a run did not take place because another one was going on.
pub async fn skip(connection: &mut PgConnection, run: &Beginning<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_jobs
            (id, parent_id, started_at, execution_status, duration, error, host, version)
        VALUES ($1, $2, $3, 'skipped', interval '0', 'another run was going on', $4, $5)",
        run.id.0,
        run.parent.map(|parent| parent.0),
        run.started_at,
        run.host,
        run.version,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Holds a run in the state `running` until the transaction ends; false where it has been
/// ended by somebody else, and nothing may be written for it any more.
pub async fn hold_running(connection: &mut PgConnection, run: RunId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT true AS "live!" FROM payment_monitor_jobs
        WHERE id = $1 AND execution_status = 'running' FOR SHARE"#,
        run.0
    )
    .fetch_optional(connection)
    .await
    .map(|live| live.is_some())
}

/// A run that is recorded as running.
#[derive(Debug)]
pub struct Open {
    pub id: Uuid,
    pub started_at: DateTime<Utc>,
}

/// Runs recorded as running, oldest first. For the holder of the run lock, all but its own are
/// dead.
pub async fn open(connection: &mut PgConnection) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        "SELECT id, started_at FROM payment_monitor_jobs
        WHERE execution_status = 'running' ORDER BY id"
    )
    .fetch_all(connection)
    .await
}

/// What an approval needs to know of the run that it approves.
#[derive(Debug)]
pub struct Parent {
    pub id: Uuid,
    pub status: String,
    pub known_until: Option<DateTime<Utc>>,
    pub plan_digest: Option<Vec<u8>>,
}

/// The run that is to be approved or rejected.
pub async fn parent(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Parent>> {
    sqlx::query_as!(
        Parent,
        "SELECT id, execution_status AS status, known_until, plan_digest
        FROM payment_monitor_jobs WHERE id = $1",
        run.0
    )
    .fetch_optional(connection)
    .await
}

/// A newer run that has read a statement and held or brought the ledger in line: what an older
/// one held is superseded by it.
pub async fn superseding(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM payment_monitor_jobs
        WHERE execution_status IN ('held', 'succeeded') AND parent_id IS NULL
            AND known_until IS NOT NULL AND id > $1 ORDER BY id DESC LIMIT 1",
        run.0
    )
    .fetch_optional(connection)
    .await
}
