//! `payment_monitor_schedule`: how often a run is expected, and how long one may take.

use super::events;
use super::rules::interval;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use std::time::Duration;

/// The schedule, and its last change. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    /// `1 hour`, `7 days`; the others as well.
    pub every: String,
    pub grace: String,
    pub longest: String,
    /// Both of the first: where no run has succeeded for that long, one was missed.
    pub expected_within: String,
    pub changed_at: Option<DateTime<Utc>>,
    pub changed_by: Option<String>,
    pub change_reason: Option<String>,
}

/// The schedule as it is.
pub async fn current(connection: &mut PgConnection) -> sqlx::Result<Schedule> {
    sqlx::query_as!(
        Schedule,
        r#"SELECT payment_monitor_span(every) AS "every!", payment_monitor_span(grace) AS "grace!",
            payment_monitor_span(longest) AS "longest!",
            payment_monitor_span(expected_within) AS "expected_within!",
            changed_at AS "changed_at?", changed_by AS "changed_by?",
            change_reason AS "change_reason?"
        FROM run_schedule"#
    )
    .fetch_one(connection)
    .await
}

/// Within how many seconds of a success the next one is expected.
pub async fn expected_within(connection: &mut PgConnection) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar!("SELECT extract(epoch FROM expected_within)::float8 FROM run_schedule")
        .fetch_optional(connection)
        .await
        .map(Option::flatten)
}

/// What of the schedule is to be otherwise; what is not given stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    pub every: Option<Duration>,
    pub grace: Option<Duration>,
    pub longest: Option<Duration>,
}

/// Changes the schedule. Who and why is recorded with it, in the same transaction, which the
/// caller opens.
///
/// # Errors
/// A schedule that can't be meant is refused (23514), with the reason in the message.
pub async fn change(
    connection: &mut PgConnection,
    change: &Change,
    who: (&str, &str),
) -> sqlx::Result<()> {
    events::attribute(connection, who).await?;
    sqlx::query!(
        "UPDATE payment_monitor_schedule SET every = coalesce($1, every),
            grace = coalesce($2, grace), longest = coalesce($3, longest)",
        change.every.map(interval),
        change.grace.map(interval),
        change.longest.map(interval),
    )
    .execute(connection)
    .await
    .map(drop)
}
