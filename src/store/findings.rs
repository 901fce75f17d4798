//! `payment_monitor_findings`: what the rules found, and the run that looked.

use crate::domain::assessment::Assessment;
use crate::domain::run::RunId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

/// How many findings of one rule a run records at most, those with the highest values first: a
/// rule with more is set wrongly, and the totals tell.
const PER_RULE_MAX: i64 = 1_000;

/// A rule that is to be evaluated.
#[derive(Debug, Clone)]
pub struct Enabled {
    pub name: String,
    pub severity: String,
    /// Up to when a run has evaluated it last; a run that could not does not count.
    pub evaluated_until: Option<DateTime<Utc>>,
}

/// The rules that are enabled, by name.
pub async fn enabled_rules(connection: &mut PgConnection) -> sqlx::Result<Vec<Enabled>> {
    sqlx::query_as!(
        Enabled,
        "SELECT name, severity, (
            SELECT (e.details ->> 'until')::timestamptz
            FROM payment_monitor_events e, jsonb_array_elements(e.details -> 'rules') assessed
            WHERE e.kind = 'assessment' AND assessed ->> 'rule' = name
                AND assessed ->> 'error' IS NULL
            ORDER BY e.id DESC LIMIT 1
        ) AS evaluated_until
        FROM payment_monitor_rules WHERE enabled ORDER BY name"
    )
    .fetch_all(connection)
    .await
}

/// Gives the rest of a transaction more time than an operation has, and no compiler: its queries
/// are large in what the planner fears, and small in what they read.
pub async fn take_time(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT set_config('statement_timeout', '5min', true) AS statement_timeout,
            set_config('jit', 'off', true) AS jit"
    )
    .fetch_one(connection)
    .await
    .map(drop)
}

/// Counts again what the views on payment failures keep of the past.
pub async fn keep_hours(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(r#"SELECT payment_monitor_keep_hours($1) AS "since""#, now)
        .fetch_one(connection)
        .await
        .map(drop)
}

/// What an evaluation came to.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    pub found: i64,
    pub new: i64,
    /// Whether the run was still there to record it; else nothing was.
    pub live: bool,
}

/// Evaluates a rule and records what no earlier run has found, or what got worse since by more than
/// a tenth: one statement, and one that proves that the run is `running`.
pub async fn evaluate(
    connection: &mut PgConnection,
    run: RunId,
    rule: &str,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Stored> {
    sqlx::query_as!(
        Stored,
        r#"WITH found AS MATERIALIZED (
            SELECT f.*, r.name, r.severity, r.time_window, r.threshold
            FROM payment_monitor_rules r, payment_monitor_evaluate(r.name, $3, $4) f
            WHERE r.name = $2
        ),
        fresh AS MATERIALIZED (
            SELECT f.* FROM found f
            WHERE NOT EXISTS (SELECT FROM payment_monitor_findings s
                WHERE s.rule = $2
                    AND s.subject = payment_monitor_subject(f.user_id, f.failure_code)
                    AND s.first_at <= f.last_at + f.time_window
                    AND s.last_at + s.time_window >= f.first_at AND s.value * 1.1 >= f.value)
            ORDER BY f.value DESC, f.user_id LIMIT $5
        ),
        live AS MATERIALIZED (
            SELECT 1 FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ),
        stored AS (
            INSERT INTO payment_monitor_findings (id, job_id, found_at, rule, severity,
                time_window, threshold, user_id, failure_code, first_at, last_at, value, usual,
                reason)
            SELECT payment_monitor_new_id(), $1, $4, f.name, f.severity, f.time_window,
                f.threshold, f.user_id, f.failure_code, f.first_at, f.last_at, f.value, f.usual,
                f.reason
            FROM fresh f, live
            RETURNING id
        )
        SELECT (SELECT count(*) FROM found) AS "found!", (SELECT count(*) FROM stored) AS "new!",
            EXISTS (SELECT FROM live) AS "live!""#,
        run.0,
        rule,
        since,
        until,
        PER_RULE_MAX,
    )
    .fetch_one(connection)
    .await
}

/// How many findings of a rule that a run has recorded are snoozed.
pub async fn snoozed(connection: &mut PgConnection, run: RunId, rule: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "snoozed!" FROM suspicious_activity
        WHERE run_id = $1 AND rule = $2 AND is_snoozed"#,
        run.0,
        rule
    )
    .fetch_one(connection)
    .await
}

/// Records what a run's look at the payments came to; false where the run is not there any more.
pub async fn note(
    connection: &mut PgConnection,
    (id, now): (Uuid, DateTime<Utc>),
    run: RunId,
    assessment: &Assessment,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "WITH live AS MATERIALIZED (
            SELECT 1 FROM payment_monitor_jobs
            WHERE id = $2 AND execution_status = 'running' FOR SHARE
        )
        INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        SELECT $1, $2, $3, 'assessment', 'payment-monitor', 'the payments were looked at', $4
        FROM live",
        id,
        run.0,
        now,
        Json(assessment) as _,
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// What a run's look at the payments came to.
pub async fn assessment(
    connection: &mut PgConnection,
    run: RunId,
) -> sqlx::Result<Option<Assessment>> {
    let details = sqlx::query_scalar!(
        r#"SELECT details AS "details: Json<Assessment>" FROM payment_monitor_events
        WHERE job_id = $1 AND kind = 'assessment'"#,
        run.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(details.map(|Json(assessment)| assessment))
}

/// A finding, as the view `suspicious_activity` has it. Its JSON keys are a public interface
/// (docs/json.md).
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub finding_id: Uuid,
    pub run_id: Uuid,
    pub found_at: DateTime<Utc>,
    pub rule: String,
    pub severity: String,
    pub user_id: Option<i64>,
    pub failure_code: Option<String>,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub value: f64,
    pub usual: Option<f64>,
    pub threshold: f64,
    pub time_window: String,
    pub reason: String,
    pub is_latest: bool,
    pub is_snoozed: bool,
    pub snoozed_until: Option<DateTime<Utc>>,
    pub snoozed_by: Option<String>,
    pub snooze_reason: Option<String>,
    /// How many there are, whatever the limit.
    #[serde(skip)]
    pub total: i64,
}

/// Which findings are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    pub since: Option<DateTime<Utc>>,
    pub rule: Option<&'a str>,
    pub user: Option<i64>,
    /// Those that are snoozed, and those that a later one replaces, too.
    pub all: bool,
    pub limit: i64,
}

/// Findings, the most severe first, then the latest.
pub async fn list(
    connection: &mut PgConnection,
    filter: &Filter<'_>,
) -> sqlx::Result<Vec<Finding>> {
    sqlx::query_as!(
        Finding,
        r#"SELECT finding_id AS "finding_id!", run_id AS "run_id!", found_at AS "found_at!",
            rule AS "rule!", severity AS "severity!", user_id, failure_code,
            first_at AS "first_at!", last_at AS "last_at!", value::float8 AS "value!",
            usual::float8 AS usual, threshold::float8 AS "threshold!",
            payment_monitor_span(time_window) AS "time_window!", reason AS "reason!",
            is_latest AS "is_latest!", is_snoozed AS "is_snoozed!", snoozed_until, snoozed_by,
            snooze_reason, count(*) OVER () AS "total!"
        FROM suspicious_activity
        WHERE ($1::timestamptz IS NULL OR last_at >= $1) AND ($2::text IS NULL OR rule = $2)
            AND ($3::bigint IS NULL OR user_id = $3) AND ($4 OR (is_latest AND NOT is_snoozed))
        ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), last_at DESC,
            finding_id
        LIMIT $5"#,
        filter.since,
        filter.rule,
        filter.user,
        filter.all,
        filter.limit,
    )
    .fetch_all(connection)
    .await
}
