//! `payment_monitor_results`: what is recorded of an operation that was refused, in a statement of
//! its own after the refused one was rolled back; and what became of one whose answer was lost.

use crate::domain::operation::{Operation, Outcome};
use crate::domain::run::RunId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Records that a row that was to be made is there already, made by somebody else; false where it
/// is not, or the run has been fenced off.
pub async fn record_existing(
    connection: &mut PgConnection,
    run: RunId,
    operation: &Operation,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), found AS (
            SELECT p.id AS payment_id, NULL::bigint AS subscription_id, p.user_id,
                payment_monitor_payment_state(p) AS state
            FROM ledger_payments p WHERE $4 = 'payment' AND p.provider_payment_id = $3
            UNION ALL
            SELECT NULL, s.id, s.user_id, payment_monitor_subscription_state(s)
            FROM ledger_subscriptions s
            WHERE $4 = 'subscription' AND s.provider_subscription_id = $3
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, payment_id, subscription_id,
            occurred_at, description, previous_state, action, outcome)
        SELECT $2, live.id, f.user_id, f.payment_id, f.subscription_id, $5, $6, f.state, 'new',
            'conflict'
        FROM live, found f LIMIT 1
        RETURNING true AS "recorded!""#,
        run.0,
        operation.id,
        operation.provider_id,
        operation.subject.as_str(),
        now,
        operation.description,
    )
    .fetch_optional(connection)
    .await
    .map(|recorded| recorded.is_some())
}

/// Whether this role has the rights that operations need: without one of them every operation
/// would be refused.
pub async fn may_write(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT has_table_privilege('ledger_payments', 'INSERT')
            AND has_table_privilege('ledger_payments', 'UPDATE')
            AND has_table_privilege('ledger_subscriptions', 'INSERT')
            AND has_table_privilege('ledger_subscriptions', 'UPDATE')
            AND has_table_privilege('payment_monitor_results', 'INSERT')
            AND has_table_privilege('payment_monitor_jobs', 'UPDATE') AS "may!""#
    )
    .fetch_one(connection)
    .await
}

/// Records that the database refused an operation; false where the run has been fenced off.
/// The reason names code, constraint and table, never values.
pub async fn record_failure(
    connection: &mut PgConnection,
    run: RunId,
    operation: &Operation,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), payment AS (
            SELECT id, user_id FROM ledger_payments WHERE id = $3 AND $4 = 'payment'
        ), subscription AS (
            SELECT id, user_id FROM ledger_subscriptions WHERE id = $3 AND $4 = 'subscription'
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, payment_id, subscription_id,
            occurred_at, description, previous_state, action, outcome, error)
        SELECT $2, live.id, coalesce(p.user_id, s.user_id), p.id, s.id, $5, $6,
            $7::text::jsonb, $8, 'failed', $9
        FROM live LEFT JOIN payment p ON true LEFT JOIN subscription s ON true
        RETURNING true AS "recorded!""#,
        run.0,
        operation.id,
        operation.target_id,
        operation.subject.as_str(),
        now,
        operation.description,
        operation.previous_state,
        operation.action.as_str(),
        reason,
    )
    .fetch_optional(connection)
    .await
    .map(|recorded| recorded.is_some())
}

/// How an operation ended and why it failed, if its result exists.
pub async fn recorded(
    connection: &mut PgConnection,
    operation: Uuid,
) -> sqlx::Result<Option<(Outcome, Option<String>)>> {
    let recorded =
        sqlx::query!("SELECT outcome, error FROM payment_monitor_results WHERE id = $1", operation)
            .fetch_optional(connection)
            .await?;
    Ok(recorded.map(|result| {
        (result.outcome.parse().expect("a CHECK allows no other outcome"), result.error)
    }))
}
