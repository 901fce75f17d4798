//! `payment_monitor_jobs`: a run ends, once, with its totals counted.

use super::events::Planned;
use crate::domain::run::{RunId, Status};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use std::time::Duration;

/// What is known of a run when it ends, but for its totals: those are counted.
#[derive(Debug, Clone)]
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
    pub resource_use: Option<serde_json::Value>,
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
            resource_use: None,
            error: None,
        }
    }

    /// The same with what a run had read and planned.
    #[must_use]
    pub fn with(self, planned: Planned) -> Self {
        Self {
            withheld_deletes: planned.withheld_deletes,
            discrepancies: planned.discrepancies,
            left: planned.left_alone,
            statement: planned.statement,
            known_until: planned.known_until,
            plan_digest: planned.plan_digest.and_then(|digest| hex::decode(digest).ok()),
            ..self
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
            plan_digest = $17, phases = $18, error = $19, resource_use = $20
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
        ending.resource_use,
    )
    .execute(connection)
    .await
    .map(drop)
}

fn interval(duration: Duration) -> PgInterval {
    let micros = TimeDelta::from_std(duration).ok().and_then(|d| d.num_microseconds());
    PgInterval { months: 0, days: 0, microseconds: micros.unwrap_or(i64::MAX) }
}
