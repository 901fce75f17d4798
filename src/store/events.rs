//! `payment_monitor_events`: what people decided, and to what this ledger was pinned.

use crate::domain::run::RunId;
use crate::reconcile::Pin;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
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

/// The account and mode that this ledger was pinned to by its first run.
pub async fn pin(connection: &mut PgConnection) -> sqlx::Result<Option<Pin>> {
    sqlx::query_scalar!(
        r#"SELECT details AS "details: Json<Pin>" FROM payment_monitor_events WHERE kind = 'pin'"#
    )
    .fetch_optional(connection)
    .await
    .map(|pin| pin.map(|Json(pin)| pin))
}

/// Pins this ledger to a statement's account and mode, unless it is pinned already.
pub async fn set_pin(
    connection: &mut PgConnection,
    (id, now): (Uuid, DateTime<Utc>),
    run: RunId,
    pin: &Pin,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_events (id, job_id, occurred_at, kind, actor, reason, details)
        VALUES ($1, $2, $3, 'pin', 'payment-monitor', 'first statement of this ledger', $4)
        ON CONFLICT (kind) WHERE kind = 'pin' DO NOTHING",
        id,
        run.0,
        now,
        Json(pin) as _,
    )
    .execute(connection)
    .await
    .map(drop)
}
