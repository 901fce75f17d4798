//! `payment_monitor_results`: the statements that change the ledger and record it, in one.
//!
//! Each is one transaction and one round trip: it proves that the run is live (and keeps it so
//! until the commit), locks the row, changes it only if it is still what the plan saw, and
//! records what became of it, from what the database says rather than from the plan.
//!
//! The inserts know no ON CONFLICT: a view with an INSTEAD OF trigger has none, and without a
//! target it would take any unique index of the company's for the provider id's. Who meets 23505
//! asks `record_existing`.

use crate::domain::operation::{Action, Operation, Outcome, Subject};
use crate::domain::run::RunId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Performs an operation and records its result; none where the run has been fenced off, and
/// then nothing was changed.
///
/// # Errors
/// What the database refused: nothing was changed then either. A repeated id is refused by the
/// primary key (23505 of `payment_monitor_results_*`): it was committed before.
pub async fn perform(
    connection: &mut PgConnection,
    run: RunId,
    operation: &Operation,
    known_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Outcome>> {
    let bound = Bound { run, operation, known_until, now };
    let outcome = match (operation.action, operation.subject) {
        (Action::New, Subject::Payment) => insert_payment(connection, &bound).await,
        (Action::New, Subject::Subscription) => insert_subscription(connection, &bound).await,
        (_, Subject::Payment) => update_payment(connection, &bound).await,
        (_, Subject::Subscription) => update_subscription(connection, &bound).await,
    }?;
    Ok(outcome.map(|outcome| outcome.parse().expect("the statement says applied or conflict")))
}

struct Bound<'a> {
    run: RunId,
    operation: &'a Operation,
    known_until: DateTime<Utc>,
    now: DateTime<Utc>,
}

async fn update_payment(
    connection: &mut PgConnection,
    b: &Bound<'_>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id, parent_id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), found AS MATERIALIZED (
            SELECT p.id, p.user_id, payment_monitor_payment_state(p) AS state
            FROM ledger_payments p
            WHERE p.id = $3 AND EXISTS (SELECT FROM live) FOR NO KEY UPDATE
        ), wanted AS MATERIALIZED (
            SELECT jsonb_populate_record(NULL::ledger_payments, $5::text::jsonb) AS row,
                ($5::text::jsonb ->> 'removed')::boolean AS removed,
                $4::text::jsonb AS planned_on
        ), changed AS (
            UPDATE ledger_payments p SET
                user_id = (w.row).user_id,
                status = (w.row).status,
                amount_minor = (w.row).amount_minor,
                amount_captured_minor = (w.row).amount_captured_minor,
                amount_refunded_minor = (w.row).amount_refunded_minor,
                disputed = (w.row).disputed,
                currency = (w.row).currency,
                failure_code = (w.row).failure_code,
                failure_message = CASE
                    WHEN (w.row).status = 'succeeded' THEN NULL
                    ELSE coalesce((SELECT s.failure_message
                        FROM payment_monitor_staged_payments s
                        WHERE s.provider_payment_id = (w.row).provider_payment_id
                            AND s.job_id IN ($1, l.parent_id) LIMIT 1),
                        p.failure_message) END,
                payment_method_fingerprint = (w.row).payment_method_fingerprint,
                updated_at = greatest(p.updated_at, $6),
                removed_at = CASE WHEN w.removed THEN coalesce(p.removed_at, $7) END
            FROM found f, wanted w, live l
            WHERE p.id = f.id AND f.state = w.planned_on
            RETURNING p.id, p.user_id, payment_monitor_payment_state(p) AS state
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, payment_id, occurred_at,
            description, previous_state, new_state, action, outcome)
        SELECT $2, $1, coalesce(c.user_id, f.user_id), f.id, $7, $8, f.state, c.state, $9,
            CASE WHEN c.id IS NULL THEN 'conflict' ELSE 'applied' END
        FROM live LEFT JOIN found f ON true LEFT JOIN changed c ON c.id = f.id
        RETURNING outcome"#,
        b.run.0,
        b.operation.id,
        b.operation.target_id,
        b.operation.previous_state,
        b.operation.new_state,
        b.known_until,
        b.now,
        b.operation.description,
        b.operation.action.as_str(),
    )
    .fetch_optional(connection)
    .await
}

async fn update_subscription(
    connection: &mut PgConnection,
    b: &Bound<'_>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), found AS MATERIALIZED (
            SELECT s.id, s.user_id, payment_monitor_subscription_state(s) AS state
            FROM ledger_subscriptions s
            WHERE s.id = $3 AND EXISTS (SELECT FROM live) FOR NO KEY UPDATE
        ), wanted AS MATERIALIZED (
            SELECT jsonb_populate_record(NULL::ledger_subscriptions, $5::text::jsonb) AS row,
                ($5::text::jsonb ->> 'removed')::boolean AS removed,
                $4::text::jsonb AS planned_on
        ), changed AS (
            UPDATE ledger_subscriptions s SET
                user_id = (w.row).user_id,
                provider_subscription_id = (w.row).provider_subscription_id,
                plan = (w.row).plan,
                status = (w.row).status,
                current_period_end = (w.row).current_period_end,
                updated_at = greatest(s.updated_at, $6),
                removed_at = CASE WHEN w.removed THEN coalesce(s.removed_at, $7) END
            FROM found f, wanted w
            WHERE s.id = f.id AND f.state = w.planned_on
            RETURNING s.id, s.user_id, payment_monitor_subscription_state(s) AS state
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, subscription_id, occurred_at,
            description, previous_state, new_state, action, outcome)
        SELECT $2, $1, coalesce(c.user_id, f.user_id), f.id, $7, $8, f.state, c.state, $9,
            CASE WHEN c.id IS NULL THEN 'conflict' ELSE 'applied' END
        FROM live LEFT JOIN found f ON true LEFT JOIN changed c ON c.id = f.id
        RETURNING outcome"#,
        b.run.0,
        b.operation.id,
        b.operation.target_id,
        b.operation.previous_state,
        b.operation.new_state,
        b.known_until,
        b.now,
        b.operation.description,
        b.operation.action.as_str(),
    )
    .fetch_optional(connection)
    .await
}

async fn insert_payment(
    connection: &mut PgConnection,
    b: &Bound<'_>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id, parent_id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), changed AS (
            INSERT INTO ledger_payments AS p (user_id, provider_payment_id, status,
                amount_minor, amount_captured_minor, amount_refunded_minor, disputed, currency,
                failure_code, failure_message, payment_method_fingerprint, created_at, updated_at)
            SELECT w.user_id, w.provider_payment_id, w.status, w.amount_minor,
                w.amount_captured_minor, w.amount_refunded_minor, w.disputed, w.currency,
                w.failure_code,
                (SELECT s.failure_message FROM payment_monitor_staged_payments s
                    WHERE s.provider_payment_id = w.provider_payment_id
                        AND s.job_id IN ($1, live.parent_id) LIMIT 1),
                w.payment_method_fingerprint, w.created_at, $4
            FROM live, jsonb_populate_record(NULL::ledger_payments, $3::text::jsonb) w
            RETURNING p.id, p.user_id, payment_monitor_payment_state(p) AS state
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, payment_id, occurred_at,
            description, new_state, action, outcome)
        SELECT $2, $1, c.user_id, c.id, $5, $6, c.state, 'new',
            CASE WHEN c.id IS NULL THEN 'conflict' ELSE 'applied' END
        FROM live LEFT JOIN changed c ON true
        RETURNING outcome"#,
        b.run.0,
        b.operation.id,
        b.operation.new_state,
        b.known_until,
        b.now,
        b.operation.description,
    )
    .fetch_optional(connection)
    .await
}

async fn insert_subscription(
    connection: &mut PgConnection,
    b: &Bound<'_>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"WITH live AS MATERIALIZED (
            SELECT id FROM payment_monitor_jobs
            WHERE id = $1 AND execution_status = 'running' FOR SHARE
        ), changed AS (
            INSERT INTO ledger_subscriptions AS s (user_id, provider_subscription_id, plan,
                status, current_period_end, created_at, updated_at)
            SELECT w.user_id, w.provider_subscription_id, w.plan, w.status,
                w.current_period_end, w.created_at, $4
            FROM live, jsonb_populate_record(NULL::ledger_subscriptions, $3::text::jsonb) w
            RETURNING s.id, s.user_id, payment_monitor_subscription_state(s) AS state
        )
        INSERT INTO payment_monitor_results (id, job_id, user_id, subscription_id, occurred_at,
            description, new_state, action, outcome)
        SELECT $2, $1, c.user_id, c.id, $5, $6, c.state, 'new',
            CASE WHEN c.id IS NULL THEN 'conflict' ELSE 'applied' END
        FROM live LEFT JOIN changed c ON true
        RETURNING outcome"#,
        b.run.0,
        b.operation.id,
        b.operation.new_state,
        b.known_until,
        b.now,
        b.operation.description,
    )
    .fetch_optional(connection)
    .await
}
