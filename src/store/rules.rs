//! `payment_monitor_rules`: what is suspicious, and who does not want to hear of it.

use super::events;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use std::time::Duration;

/// A rule. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    pub name: String,
    pub description: String,
    pub measure: String,
    /// `7 days`, `1 hour`.
    pub time_window: String,
    pub threshold: f64,
    pub at_least: i64,
    pub severity: String,
    pub enabled: bool,
    /// Where the default comes from.
    pub source: String,
}

/// All rules, by name.
pub async fn all(connection: &mut PgConnection) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"SELECT name, description, measure, payment_monitor_span(time_window) AS "time_window!",
            threshold::float8 AS "threshold!", at_least, severity, enabled, source
        FROM payment_monitor_rules ORDER BY name"#
    )
    .fetch_all(connection)
    .await
}

/// A rule as it would be with a change.
pub async fn changed(
    connection: &mut PgConnection,
    rule: &Rule,
    change: &Change<'_>,
) -> sqlx::Result<Rule> {
    let time_window = match change.time_window {
        None => rule.time_window.clone(),
        Some(window) => {
            let told = sqlx::query_scalar!(
                r#"SELECT payment_monitor_span($1) AS "span!""#,
                interval(window)
            );
            told.fetch_one(connection).await?
        }
    };
    Ok(Rule {
        time_window,
        threshold: change.threshold.unwrap_or(rule.threshold),
        at_least: change.at_least.unwrap_or(rule.at_least),
        ..rule.clone()
    })
}

/// What a rule is to become; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    pub threshold: Option<f64>,
    pub time_window: Option<Duration>,
    pub at_least: Option<i64>,
    pub severity: Option<&'a str>,
    pub enabled: Option<bool>,
}

/// Changes a rule; false where there is none of that name. Who and why is recorded with it, in
/// the same transaction, which the caller opens.
///
/// # Errors
/// A rule that can't be meant is refused (23514), with the reason in the message.
pub async fn change(
    connection: &mut PgConnection,
    name: &str,
    change: &Change<'_>,
    who: (&str, &str),
) -> sqlx::Result<bool> {
    events::attribute(connection, who).await?;
    sqlx::query!(
        "UPDATE payment_monitor_rules SET
            threshold = coalesce($2::float8::numeric, threshold),
            time_window = coalesce($3, time_window), at_least = coalesce($4, at_least),
            severity = coalesce($5, severity), enabled = coalesce($6, enabled)
        WHERE name = $1",
        name,
        change.threshold,
        change.time_window.map(interval),
        change.at_least,
        change.severity,
        change.enabled,
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Whose findings a rule's are: one user's, or those on the payments of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    User(i64),
    All,
}

impl Subject {
    fn user_id(self) -> Option<i64> {
        match self {
            Self::User(id) => Some(id),
            Self::All => None,
        }
    }
}

/// Records that a rule's findings on somebody are not to be heard of until a time. The last such
/// record counts.
pub async fn snooze(
    connection: &mut PgConnection,
    (rule, subject): (&str, Subject),
    until: DateTime<Utc>,
    (by, reason): (&str, &str),
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, occurred_at, kind, actor, reason, details)
        VALUES (payment_monitor_new_id(), clock_timestamp(), 'snooze', $1, $2,
            jsonb_build_object('rule', $3::text, 'user_id', $4::bigint, 'until', $5::timestamptz))",
        by,
        reason,
        rule,
        subject.user_id(),
        until,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Whether the ledger has a user.
pub async fn is_user(connection: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM ledger_users WHERE id = $1) AS "known!""#, id)
        .fetch_one(connection)
        .await
}

/// What a rule finds. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// None: the payments of all.
    pub user_id: Option<i64>,
    pub failure_code: Option<String>,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub value: f64,
    pub usual: Option<f64>,
    pub reason: String,
}

/// What a rule finds between two times, with its own parameters or with others.
///
/// # Errors
/// No such rule (P0002), or parameters that can't be meant (23514).
pub async fn evaluate(
    connection: &mut PgConnection,
    rule: &str,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
    other: &Change<'_>,
) -> sqlx::Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"SELECT user_id, failure_code, first_at AS "first_at!", last_at AS "last_at!",
            value::float8 AS "value!", usual::float8 AS usual, reason AS "reason!"
        FROM payment_monitor_evaluate($1, $2, $3, $4, $5::float8::numeric, $6)
        ORDER BY first_at, user_id, failure_code"#,
        rule,
        since,
        until,
        other.time_window.map(interval),
        other.threshold,
        other.at_least,
    )
    .fetch_all(connection)
    .await
}

/// The users who paid, or tried to, between two times.
pub async fn paying_users(
    connection: &mut PgConnection,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(DISTINCT user_id) AS "users!" FROM ledger_payments
        WHERE removed_at IS NULL AND created_at >= $1 AND created_at < $2"#,
        since,
        until,
    )
    .fetch_one(connection)
    .await
}

/// In days and microseconds: what PostgreSQL prints of it is what people wrote.
pub(super) fn interval(span: Duration) -> PgInterval {
    let micros = TimeDelta::from_std(span).ok().and_then(|span| span.num_microseconds());
    let micros = micros.unwrap_or(i64::MAX);
    let day = 86_400_000_000;
    PgInterval {
        months: 0,
        days: i32::try_from(micros / day).unwrap_or(i32::MAX),
        microseconds: micros % day,
    }
}
