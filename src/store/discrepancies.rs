//! `payment_monitor_discrepancies`: what a run left, once each, until it is resolved.

use super::copy::Rows;
use super::operations;
use crate::domain::discrepancy::{Kind, Reason};
use crate::domain::operation::{Fingerprint, Operation, Proposal, State};
use crate::domain::run::RunId;
use crate::reconcile::Scope;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt as _};
use sqlx::PgConnection;
use uuid::Uuid;

/// How COPY takes what a run leaves, before it is known whether that is new.
pub const COPY: &str = "COPY payment_monitor_staged_discrepancies (job_id, id, kind, reason, \
    subject, provider_id, target_id, user_id, action, previous_state, new_state, description) \
    FROM STDIN";

/// Adds a discrepancy that is left to the rows of a COPY.
pub fn push(
    rows: &mut Rows,
    (run, id): (RunId, Uuid),
    kind: Kind,
    reason: Reason,
    left: &Proposal,
) {
    rows.uuid(run.0)
        .uuid(id)
        .text(kind.as_str())
        .text(reason.as_str())
        .text(left.subject.as_str())
        .text(&left.provider_id)
        .integer_or_null(left.target_id)
        .integer_or_null(left.user_id)
        .text(left.action.as_str())
        .text_or_null(left.previous.as_ref().map(State::to_json).as_deref())
        .text_or_null(left.new.as_ref().map(State::to_json).as_deref())
        .text(&left.description)
        .end();
}

/// Notes what a run's plan leaves, from the staged rows.
pub async fn note_left(
    connection: &mut PgConnection,
    run: RunId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payment_monitor_discrepancies AS d (id, kind, reason, subject, provider_id,
            target_id, user_id, action, previous_state, new_state, description,
            first_seen_at, first_seen_by, last_seen_at, last_seen_by)
        SELECT id, kind, reason, subject, provider_id, target_id, user_id, action,
            previous_state, new_state, description, $2::timestamptz, $1::uuid, $2, $1
        FROM payment_monitor_staged_discrepancies
        WHERE job_id = $1 AND reason <> 'newer_in_ledger'
        ON CONFLICT (subject, provider_id) WHERE resolved_at IS NULL DO UPDATE SET
            kind = excluded.kind, reason = excluded.reason, target_id = excluded.target_id,
            user_id = excluded.user_id, action = excluded.action,
            previous_state = excluded.previous_state, new_state = excluded.new_state,
            description = excluded.description,
            last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
            last_seen_by = excluded.last_seen_by",
        run.0,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// How many results one call of [`note_unapplied`] notes: no statement may take long.
const BATCH: i64 = 10_000;

/// Notes what a run attempted in vain, what was refused or in conflict: the next results after
/// `after`, while the run has not ended. Gives the last one noted; none when there are no more. To
/// note one again does no harm.
pub async fn note_unapplied(
    connection: &mut PgConnection,
    run: RunId,
    after: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "WITH batch AS MATERIALIZED (
            SELECT id, outcome, error FROM payment_monitor_results
            WHERE job_id = $1 AND outcome <> 'applied' AND id > $3 AND EXISTS (
                SELECT FROM payment_monitor_jobs WHERE id = $1 AND execution_status = 'running')
            ORDER BY id LIMIT $4
        ), noted AS (
        INSERT INTO payment_monitor_discrepancies AS d (id, kind, reason, subject, provider_id,
            target_id, user_id, action, previous_state, new_state, description,
            first_seen_at, first_seen_by, last_seen_at, last_seen_by)
        SELECT o.id, o.kind, CASE WHEN payment_monitor_is_contention(r.error) THEN 'contended'
                ELSE r.outcome END, o.subject, o.provider_id, o.target_id, o.user_id,
            o.action, o.previous_state, o.new_state, o.description,
            $2::timestamptz, $1::uuid, $2, $1
        FROM batch r JOIN payment_monitor_operations o ON o.id = r.id
        ON CONFLICT (subject, provider_id) WHERE resolved_at IS NULL DO UPDATE SET
            kind = excluded.kind, reason = excluded.reason, target_id = excluded.target_id,
            user_id = excluded.user_id, action = excluded.action,
            previous_state = excluded.previous_state, new_state = excluded.new_state,
            description = excluded.description,
            last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
            last_seen_by = excluded.last_seen_by)
        SELECT id FROM batch ORDER BY id DESC LIMIT 1",
        run.0,
        now,
        after,
        BATCH
    )
    .fetch_optional(connection)
    .await
}

/// Resolves what a run that succeeded has not seen any more although it looked: it applied the
/// change, or the statement lists the record in the run's scopes (payments', subscriptions';
/// none for a run without a statement) and both sides agree now, or the ledger's row is gone or
/// marked removed.
pub async fn resolve_unseen(
    connection: &mut PgConnection,
    run: RunId,
    scopes: Option<&[Scope; 2]>,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let [payments, subscriptions] = scopes.map_or([None, None], |[p, s]| [Some(p), Some(s)]);
    sqlx::query!(
        "WITH applied AS MATERIALIZED (
            SELECT o.subject, o.provider_id FROM payment_monitor_results r
            JOIN payment_monitor_operations o ON o.id = r.id AND o.job_id = $1
            WHERE r.job_id = $1 AND r.outcome = 'applied'
        )
        UPDATE payment_monitor_discrepancies d SET resolved_at = $2, resolved_by = $1
        WHERE d.resolved_at IS NULL AND d.last_seen_by <> $1 AND NOT EXISTS (
            SELECT FROM payment_monitor_staged_discrepancies s WHERE s.job_id = $1
                AND s.subject = d.subject AND s.provider_id = d.provider_id
        ) AND (
            (d.subject, d.provider_id) IN (SELECT subject, provider_id FROM applied)
            OR (d.subject = 'payment' AND EXISTS (
                SELECT FROM payment_monitor_staged_payments s
                WHERE s.job_id = $1 AND s.provider_payment_id = d.provider_id
                    AND s.created_at >= coalesce($3::timestamptz, '-infinity')
                    AND s.created_at < $4))
            OR (d.subject = 'subscription' AND EXISTS (
                SELECT FROM payment_monitor_staged_subscriptions s
                WHERE s.job_id = $1 AND s.provider_subscription_id = d.provider_id
                    AND s.created_at >= coalesce($5::timestamptz, '-infinity')
                    AND s.created_at < $6))
            OR (d.action <> 'new' AND d.kind <> 'listed_again' AND d.subject = 'payment'
                AND NOT EXISTS (
                SELECT FROM ledger_payments l WHERE l.id = d.target_id AND l.removed_at IS NULL
                    AND l.provider_payment_id = d.provider_id))
            OR (d.action <> 'new' AND d.kind <> 'listed_again' AND d.subject = 'subscription'
                AND NOT EXISTS (
                SELECT FROM ledger_subscriptions l
                WHERE l.id = d.target_id AND l.removed_at IS NULL
                    AND l.provider_subscription_id = d.provider_id)))",
        run.0,
        now,
        payments.and_then(|scope| scope.since),
        payments.map(|scope| scope.until),
        subscriptions.and_then(|scope| scope.since),
        subscriptions.map(|scope| scope.until)
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// What a run left that a person may approve, as operations: their ids are the
/// discrepancies', and whoever performs them gives them their own.
pub fn approvable(
    connection: &mut PgConnection,
    run: RunId,
) -> impl Stream<Item = sqlx::Result<Operation>> + '_ {
    sqlx::query_as!(
        operations::Row,
        r#"SELECT id, kind, subject, action AS "action!", target_id, user_id, provider_id,
            previous_state::text AS previous_state, new_state::text AS new_state, description
        FROM payment_monitor_discrepancies
        WHERE last_seen_by = $1 AND resolved_at IS NULL
            AND payment_monitor_can_be_approved(reason)
        ORDER BY id"#,
        run.0
    )
    .fetch(connection)
    .map_ok(operations::Row::operation)
}

/// The operations that the database refused and that nobody has resolved since.
pub fn refused(
    connection: &mut PgConnection,
) -> impl Stream<Item = sqlx::Result<Fingerprint>> + '_ {
    sqlx::query!(
        "SELECT subject, provider_id, previous_state::text AS previous_state,
            new_state::text AS new_state
        FROM payment_monitor_discrepancies WHERE resolved_at IS NULL AND reason = 'failed'"
    )
    .fetch(connection)
    .map_ok(|row| {
        let (previous, new) = (row.previous_state.as_deref(), row.new_state.as_deref());
        Fingerprint::of(&row.subject, &row.provider_id, previous, new)
    })
}

/// How many discrepancies that a run left may be approved.
pub async fn count_approvable(connection: &mut PgConnection, run: RunId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM payment_monitor_discrepancies
        WHERE last_seen_by = $1 AND resolved_at IS NULL
            AND payment_monitor_can_be_approved(reason)"#,
        run.0
    )
    .fetch_one(connection)
    .await
}

/// An open discrepancy. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, serde::Serialize)]
pub struct Open {
    pub id: Uuid,
    pub kind: String,
    pub reason: String,
    pub subject: String,
    pub provider_id: String,
    pub user_id: Option<i64>,
    pub description: String,
    pub first_seen_at: DateTime<Utc>,
    pub first_seen_by: Uuid,
    pub last_seen_at: DateTime<Utc>,
    pub last_seen_by: Uuid,
    pub can_be_approved: bool,
}

/// The open discrepancies, the longest open first.
pub async fn open(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"SELECT id AS "id!", kind AS "kind!", reason AS "reason!", subject AS "subject!",
            provider_id AS "provider_id!", user_id, description AS "description!",
            first_seen_at AS "first_seen_at!", first_seen_by AS "first_seen_by!",
            last_seen_at AS "last_seen_at!", last_seen_by AS "last_seen_by!",
            can_be_approved AS "can_be_approved!"
        FROM open_discrepancies ORDER BY first_seen_at, id LIMIT $1"#,
        limit
    )
    .fetch_all(connection)
    .await
}

/// How many discrepancies are open.
pub async fn count_open(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM open_discrepancies"#)
        .fetch_one(connection)
        .await
}
