//! `payment_monitor_jobs`: a run begins, and ends once.

use crate::domain::run::{RunId, Status};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use std::time::Duration;
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

/// What is known of a run when it ends, but for its totals: those are counted.
#[derive(Debug)]
pub struct Ending {
    pub status: Status,
    pub duration: Duration,
    pub withheld_deletes: u64,
    pub discrepancies: Option<serde_json::Value>,
    pub left: Option<serde_json::Value>,
    pub statement: Option<serde_json::Value>,
    pub known_until: Option<DateTime<Utc>>,
    pub plan_digest: Option<Vec<u8>>,
    pub phases: Option<serde_json::Value>,
    pub error: Option<String>,
}

impl Ending {
    /// An ending of which nothing but the status is known.
    pub fn of(status: Status) -> Self {
        Self {
            status,
            duration: Duration::ZERO,
            withheld_deletes: 0,
            discrepancies: None,
            left: None,
            statement: None,
            known_until: None,
            plan_digest: None,
            phases: None,
            error: None,
        }
    }
}

/// How many operations a run planned, and what results it left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub planned: i64,
    pub applied: i64,
    pub failed: i64,
    pub conflict: i64,
    pub new: i64,
    pub update: i64,
    pub delete: i64,
    pub last_result_at: Option<DateTime<Utc>>,
}

impl Totals {
    pub fn results(&self) -> i64 {
        self.applied + self.failed + self.conflict
    }
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

/// The newest statement's time that a succeeded run has brought a table in line with, of those
/// that are covered: payments, subscriptions. An older statement must not be applied to them.
pub async fn newest_as_of(
    connection: &mut PgConnection,
    [payments, subscriptions]: [bool; 2],
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "SELECT max((statement ->> 'as_of')::timestamptz) FROM payment_monitor_jobs
        WHERE execution_status = 'succeeded' AND parent_id IS NULL AND (
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

/// Makes the rest of a transaction give up soon when somebody holds a lock.
pub async fn wait_shortly(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL lock_timeout = '3s'").execute(connection).await.map(drop)
}

/// Locks a run that is to be ended; false where somebody else has ended it already.
///
/// Waits for every operation in flight, because each holds the row FOR SHARE until it is
/// committed. Only a statement that starts after this one counts them all: the totals must be
/// counted between this and [`end`], in the same transaction.
pub async fn lock_to_end(connection: &mut PgConnection, run: RunId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT true AS "live!" FROM payment_monitor_jobs
        WHERE id = $1 AND execution_status = 'running' FOR UPDATE"#,
        run.0
    )
    .fetch_optional(connection)
    .await
    .map(|live| live.is_some())
}

/// Counts what a run planned and what results it left.
pub async fn totals(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Totals> {
    sqlx::query_as!(
        Totals,
        r#"SELECT
            (SELECT count(*) FROM payment_monitor_operations WHERE job_id = $1) AS "planned!",
            count(*) FILTER (WHERE outcome = 'applied') AS "applied!",
            count(*) FILTER (WHERE outcome = 'failed') AS "failed!",
            count(*) FILTER (WHERE outcome = 'conflict') AS "conflict!",
            count(*) FILTER (WHERE action = 'new') AS "new!",
            count(*) FILTER (WHERE action = 'update') AS "update!",
            count(*) FILTER (WHERE action = 'delete') AS "delete!",
            max(occurred_at) AS last_result_at
        FROM payment_monitor_results WHERE job_id = $1"#,
        run.0
    )
    .fetch_one(connection)
    .await
}

/// Ends a run that [`lock_to_end`] has locked. The row is immutable from here on.
pub async fn end(
    connection: &mut PgConnection,
    run: RunId,
    ending: &Ending,
    totals: &Totals,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE payment_monitor_jobs SET
            execution_status = $2, duration = $3, total_results = $4, operations_planned = $5,
            results_applied = $6, results_failed = $7, results_conflict = $8, results_new = $9,
            results_update = $10, results_delete = $11, withheld_deletes = $12,
            discrepancies = $13, left_alone = $14, statement = $15, known_until = $16,
            plan_digest = $17, phases = $18, error = $19
        WHERE id = $1 AND execution_status = 'running'",
        run.0,
        ending.status.as_str(),
        interval(ending.duration),
        totals.results(),
        totals.planned,
        totals.applied,
        totals.failed,
        totals.conflict,
        totals.new,
        totals.update,
        totals.delete,
        i64::try_from(ending.withheld_deletes).unwrap_or(i64::MAX),
        ending.discrepancies,
        ending.left,
        ending.statement,
        ending.known_until,
        ending.plan_digest,
        ending.phases,
        ending.error,
    )
    .execute(connection)
    .await
    .map(drop)
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

fn interval(duration: Duration) -> PgInterval {
    let micros = TimeDelta::from_std(duration).ok().and_then(|d| d.num_microseconds());
    PgInterval { months: 0, days: 0, microseconds: micros.unwrap_or(i64::MAX) }
}
