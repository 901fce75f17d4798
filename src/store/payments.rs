//! One user's payments, and what runs did to each.

use super::failures::Counts;
use crate::domain::Stretch;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// A payment of a user's. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    pub payment_id: i64,
    pub provider_payment_id: String,
    pub created_at: DateTime<Utc>,
    pub status: String,
    pub amount_minor: i64,
    pub currency: String,
    pub failure_code: Option<String>,
    pub payment_method_fingerprint: Option<String>,
    /// When a failed one was tried again.
    pub retried_at: Option<DateTime<Utc>>,
    /// When it was marked as removed: it is not counted then.
    pub removed_at: Option<DateTime<Utc>>,
}

/// What a run did to a payment, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    #[serde(skip)]
    pub payment_id: i64,
    pub operation_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub action: String,
    pub outcome: String,
    pub description: String,
    pub error: Option<String>,
    pub run_id: Uuid,
    pub run_status: String,
}

/// When the first and the last payment of a user were made, removed ones too; times that can't be
/// meant left out.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    pub first: Option<DateTime<Utc>>,
    pub last: Option<DateTime<Utc>>,
}

/// When a user's payments were made; none where there is no such user.
pub async fn made_by(connection: &mut PgConnection, user: i64) -> sqlx::Result<Option<Made>> {
    sqlx::query_as!(
        Made,
        "SELECT m.first, m.last FROM ledger_users u, LATERAL (
            SELECT min(created_at) AS first, max(created_at) AS last FROM ledger_payments
            WHERE user_id = u.id AND created_at >= '1970-01-01' AND created_at < '9999-01-01'
        ) m WHERE u.id = $1",
        user
    )
    .fetch_optional(connection)
    .await
}

/// A user's attempts in a stretch; beside them, how many payments are listed, removed ones too.
pub async fn totals_of(
    connection: &mut PgConnection,
    user: i64,
    stretch: Stretch,
) -> sqlx::Result<(Counts, u64)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "listed!", count(*) FILTER (WHERE removed_at IS NULL) AS "attempts!",
            (SELECT count(*) FROM payment_failures WHERE user_id = $1
                AND created_at >= $2 AND created_at < $3) AS "failures!",
            (SELECT count(*) FROM payment_failures WHERE user_id = $1
                AND created_at >= $2 AND created_at < $3 AND retried_at IS NULL) AS "last!"
        FROM ledger_payments WHERE user_id = $1 AND created_at >= $2 AND created_at < $3"#,
        user,
        stretch.since,
        stretch.until
    )
    .fetch_one(connection)
    .await?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let counts = Counts {
        attempts: count(row.attempts),
        failures: count(row.failures),
        payments: count(row.attempts - row.failures + row.last),
        failed_payments: count(row.last),
    };
    Ok((counts, count(row.listed)))
}

/// A user's payments in a stretch, newest first, removed ones too.
pub async fn of(
    connection: &mut PgConnection,
    user: i64,
    stretch: Stretch,
    limit: i64,
) -> sqlx::Result<Vec<Payment>> {
    sqlx::query_as!(
        Payment,
        r#"SELECT p.id AS "payment_id!", p.provider_payment_id AS "provider_payment_id!",
            p.created_at AS "created_at!", p.status AS "status!",
            p.amount_minor AS "amount_minor!", p.currency AS "currency!", p.failure_code,
            p.payment_method_fingerprint, f.retried_at AS "retried_at?", p.removed_at
        FROM (
            SELECT * FROM ledger_payments
            WHERE user_id = $1 AND created_at >= $2 AND created_at < $3
            ORDER BY created_at DESC, id DESC LIMIT $4
        ) p
        LEFT JOIN LATERAL (SELECT retried_at FROM payment_failures
            WHERE payment_id = p.id AND user_id = p.user_id) f ON true
        ORDER BY p.created_at DESC, p.id DESC"#,
        user,
        stretch.since,
        stretch.until,
        limit
    )
    .fetch_all(connection)
    .await
}

/// What runs did to these payments, in the order in which they did it.
pub async fn history(connection: &mut PgConnection, payments: &[i64]) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as!(
        Event,
        r#"SELECT payment_id AS "payment_id!", operation_id AS "operation_id!",
            occurred_at AS "occurred_at!", action AS "action!", outcome AS "outcome!",
            description AS "description!", error, run_id AS "run_id!",
            run_status AS "run_status!"
        FROM payment_history WHERE payment_id = ANY ($1) ORDER BY operation_id"#,
        payments
    )
    .fetch_all(connection)
    .await
}
