//! `payment_monitor_events`: what people decided, and to what this ledger was pinned.

use crate::domain::run::RunId;
use crate::reconcile::Pin;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Who decided, and why.
#[derive(Debug, Clone)]
pub struct Decided<'a> {
    pub by: &'a str,
    pub reason: &'a str,
}

/// Records a decision on a run: `approval` or `rejection`.
///
/// # Errors
/// A second decision on the same run is refused (23505).
pub async fn decide(
    connection: &mut PgConnection,
    (id, now): (Uuid, DateTime<Utc>),
    run: RunId,
    kind: &'static str,
    decided: &Decided<'_>,
    details: serde_json::Value,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        run.0,
        now,
        kind,
        decided.by,
        decided.reason,
        details,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// What a run has read and planned, as the event says it that is committed with its plan: the
/// details' keys are these.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Planned {
    pub operations: u64,
    /// SHA-256 in hexadecimal digits (docs/adr/0006-approval.md).
    pub plan_digest: Option<String>,
    pub statement: Option<serde_json::Value>,
    pub known_until: Option<DateTime<Utc>>,
    pub discrepancies: Option<serde_json::Value>,
    pub left_alone: Option<serde_json::Value>,
    pub withheld_deletes: u64,
}

/// Records what a run has read and planned.
pub async fn note_planned(
    connection: &mut PgConnection,
    (id, now): (Uuid, DateTime<Utc>),
    run: RunId,
    planned: &Planned,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        VALUES ($1, $2, $3, 'plan', 'payment-monitor', 'the plan was stored', $4)",
        id,
        run.0,
        now,
        sqlx::types::Json(planned) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// What a run has read and planned, if it came that far.
pub async fn planned(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Planned>> {
    let details = sqlx::query_scalar!(
        r#"SELECT details AS "details: sqlx::types::Json<Planned>" FROM payment_monitor_events
        WHERE job_id = $1 AND kind = 'plan'"#,
        run.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(details.map(|sqlx::types::Json(planned)| planned))
}

/// A decision that was made on a run.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Decision {
    pub kind: String,
    pub actor: String,
    pub reason: String,
    pub occurred_at: DateTime<Utc>,
    pub details: serde_json::Value,
}

/// The decision on a run, where one was made.
pub async fn decision(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Decision>> {
    sqlx::query_as!(
        Decision,
        "SELECT kind, actor, reason, occurred_at, details FROM payment_monitor_events
        WHERE job_id = $1 AND kind IN ('approval', 'rejection')",
        run.0
    )
    .fetch_optional(connection)
    .await
}

/// The account and mode that this ledger was pinned to by its first statements.
pub async fn pin(connection: &mut PgConnection) -> sqlx::Result<Pin> {
    sqlx::query_as!(
        Pin,
        "SELECT max(details ->> 'account') AS account,
            bool_or((details ->> 'livemode')::boolean) AS livemode
        FROM payment_monitor_events WHERE kind = 'pin'"
    )
    .fetch_one(connection)
    .await
}

/// Pins this ledger to what a statement says of itself, unless that is pinned already: an event
/// for the account, and one for the mode.
pub async fn set_pin(
    connection: &mut PgConnection,
    [account, mode]: [(Uuid, DateTime<Utc>); 2],
    run: RunId,
    pin: &Pin,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        SELECT id, $1, occurred_at, 'pin', 'payment-monitor', 'the first statement to say so',
            jsonb_build_object(fact, value)
        FROM (VALUES ($2::uuid, $3::timestamptz, 'account', to_jsonb($4::text)),
            ($5, $6, 'livemode', to_jsonb($7::boolean))) AS said (id, occurred_at, fact, value)
        WHERE value IS NOT NULL
        ON CONFLICT (kind, (details ? 'account')) WHERE kind = 'pin' DO NOTHING",
        run.0,
        account.0,
        account.1,
        pin.account,
        mode.0,
        mode.1,
        pin.livemode,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Says who changes a rule or the schedule, and why, for the rest of the transaction: the triggers
/// that record the change read it.
///
/// # Errors
/// The transaction has failed before.
pub async fn attribute(
    connection: &mut PgConnection,
    (by, reason): (&str, &str),
) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT set_config('payment_monitor.actor', $1, true) AS actor,
            set_config('payment_monitor.reason', $2, true) AS reason",
        by,
        reason
    )
    .fetch_one(connection)
    .await
    .map(drop)
}
