//! What telemetry reads from the record and leaves in it: totals for metrics, the operations of
//! a run whose trace is made again, and events.

use super::operations::Row;
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::RunId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How many results a run has, by action and outcome.
pub async fn results(
    connection: &mut PgConnection,
    run: RunId,
) -> sqlx::Result<BTreeMap<(Action, Outcome), u64>> {
    let rows = sqlx::query!(
        r#"SELECT action, outcome, count(*) AS "count!" FROM payment_monitor_results
        WHERE job_id = $1 GROUP BY action, outcome"#,
        run.0
    )
    .fetch_all(connection)
    .await?;
    let known = rows.into_iter().filter_map(|row| {
        let kind = (row.action.parse().ok()?, row.outcome.parse().ok()?);
        Some((kind, count(row.count)))
    });
    Ok(known.collect())
}

/// Payments that are not removed, by status.
pub async fn payments_by_status(
    connection: &mut PgConnection,
) -> sqlx::Result<BTreeMap<String, u64>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(status, 'unknown') AS "status!", count(*) AS "count!"
        FROM ledger_payments WHERE removed_at IS NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 50"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.status, count(row.count))).collect())
}

/// Failed payments that are not removed, by failure code.
pub async fn failures_by_code(
    connection: &mut PgConnection,
) -> sqlx::Result<BTreeMap<String, u64>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(failure_code, 'none') AS "code!", count(*) AS "count!"
        FROM ledger_payments WHERE removed_at IS NULL AND status = 'failed'
        GROUP BY 1 ORDER BY 2 DESC LIMIT 100"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.code, count(row.count))).collect())
}

/// Open discrepancies by kind, and when the oldest was first seen.
pub async fn open_discrepancies(
    connection: &mut PgConnection,
) -> sqlx::Result<(BTreeMap<String, u64>, Option<DateTime<Utc>>)> {
    let rows = sqlx::query!(
        r#"SELECT kind AS "kind!", count(*) AS "count!", min(first_seen_at) AS oldest
        FROM open_discrepancies GROUP BY kind"#
    )
    .fetch_all(connection)
    .await?;
    let oldest = rows.iter().filter_map(|row| row.oldest).min();
    Ok((rows.into_iter().map(|row| (row.kind, count(row.count))).collect(), oldest))
}

/// When a run last succeeded.
pub async fn last_success(connection: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "SELECT started_at + duration FROM payment_monitor_jobs
        WHERE execution_status = 'succeeded' ORDER BY id DESC LIMIT 1"
    )
    .fetch_optional(connection)
    .await
    .map(Option::flatten)
}

/// An operation that left a result, for its span.
#[derive(Debug)]
pub struct Attempted {
    /// Its position in the plan, from 0.
    pub position: u64,
    pub operation: Operation,
    pub outcome: Outcome,
    pub error: Option<String>,
    pub occurred_at: DateTime<Utc>,
}

/// A stretch of a run's plan: how many operations it holds, the last one, and those of them
/// that left a result. An empty one is beyond the plan's end.
#[derive(Debug)]
pub struct Stretch {
    pub operations: u64,
    pub last: Option<Uuid>,
    pub attempted: Vec<Attempted>,
}

/// The next stretch of a run's plan, in the order of the ids; `after` is the last operation of
/// the stretch before, and `position` how many there were up to it. The results are bounded too:
/// else they would be read from the first on for each stretch.
pub async fn stretch(
    connection: &mut PgConnection,
    run: RunId,
    (after, position): (Option<Uuid>, u64),
    size: i64,
) -> sqlx::Result<Stretch> {
    let rows = sqlx::query!(
        r#"SELECT o.id, o.kind, o.subject, o.action, o.target_id, o.user_id, o.provider_id,
            o.description, r.outcome AS "outcome?", r.error, r.occurred_at AS "occurred_at?"
        FROM payment_monitor_operations o
        LEFT JOIN payment_monitor_results r ON r.id = o.id AND r.id > $2
        WHERE o.job_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3"#,
        run.0,
        after.unwrap_or(run.0),
        size
    )
    .fetch_all(connection)
    .await?;
    let (operations, last) = (rows.len() as u64, rows.last().map(|row| row.id));
    let attempted = (position..).zip(rows).filter_map(|(position, row)| {
        let outcome = row.outcome.as_deref()?.parse().ok()?;
        let occurred_at = row.occurred_at?;
        let (id, kind, subject, action) = (row.id, row.kind, row.subject, row.action);
        let operation = Row {
            id,
            kind,
            subject,
            action,
            target_id: row.target_id,
            user_id: row.user_id,
            provider_id: row.provider_id,
            previous_state: None,
            new_state: None,
            description: row.description,
        }
        .operation();
        Some(Attempted { position, operation, outcome, error: row.error, occurred_at })
    });
    Ok(Stretch { operations, last, attempted: attempted.collect() })
}

/// Records something about a run that has ended, and whose row is immutable by then.
pub async fn note(
    connection: &mut PgConnection,
    (id, now): (Uuid, DateTime<Utc>),
    run: RunId,
    (kind, reason): (&'static str, &str),
    details: serde_json::Value,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        VALUES ($1, $2, $3, $4, 'payment-monitor', $5, $6)",
        id,
        run.0,
        now,
        kind,
        reason,
        details,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// What the process that did a run recorded of its telemetry: its first such event. Later ones
/// are of traces that were made again.
pub async fn account(
    connection: &mut PgConnection,
    run: RunId,
) -> sqlx::Result<Option<serde_json::Value>> {
    sqlx::query_scalar!(
        "SELECT details FROM payment_monitor_events
        WHERE job_id = $1 AND kind = 'telemetry' AND NOT (details ->> 'replay')::boolean
        ORDER BY id LIMIT 1",
        run.0
    )
    .fetch_optional(connection)
    .await
}

/// When the first and the last result of a run were left.
pub async fn span_of_results(
    connection: &mut PgConnection,
    run: RunId,
) -> sqlx::Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let row = sqlx::query!(
        "SELECT min(occurred_at) AS first, max(occurred_at) AS last
        FROM payment_monitor_results WHERE job_id = $1",
        run.0
    )
    .fetch_one(connection)
    .await?;
    Ok(row.first.zip(row.last))
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
