//! Ledger and statement side by side: streams the pairs that may differ, in the order of their
//! provider ids. What a difference means is decided in `reconcile`.

use crate::domain::record::Owner;
use crate::domain::run::RunId;
use crate::domain::{
    PaymentState, Stated, StatementPayment, StatementSubscription, SubscriptionState,
};
use crate::reconcile::{LedgerRow, Pair, Scope, StatementRow};
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt as _};
use sqlx::PgConnection;
use sqlx::types::Json;

/// Opens the snapshot that both sides are compared in. The comparison may take its time and
/// memory; only this transaction may.
pub async fn prepare(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *connection).await?;
    sqlx::query!("SET LOCAL work_mem = '128MB'").execute(&mut *connection).await?;
    // Compiling the comparison takes longer than most comparisons do.
    sqlx::query!("SET LOCAL jit = off").execute(&mut *connection).await?;
    // Without statistics of freshly staged rows the planner would take a nested loop over all.
    sqlx::query!("SET LOCAL enable_nestloop = off").execute(connection).await.map(drop)
}

/// How many rows of the ledger lie in the scopes: what `--max-changes 20%` is a part of.
pub async fn ledger_rows(
    connection: &mut PgConnection,
    payments: &Scope,
    subscriptions: &Scope,
) -> sqlx::Result<i64> {
    let (payments_from, payments_until) = bounds(payments);
    let (subscriptions_from, subscriptions_until) = bounds(subscriptions);
    sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM ledger_payments WHERE removed_at IS NULL
                AND created_at >= $1 AND created_at < $2)
            + (SELECT count(*) FROM ledger_subscriptions WHERE removed_at IS NULL
                AND created_at >= $3 AND created_at < $4) AS "rows!""#,
        payments_from,
        payments_until,
        subscriptions_from,
        subscriptions_until
    )
    .fetch_one(connection)
    .await
}

fn bounds(scope: &Scope) -> (DateTime<Utc>, DateTime<Utc>) {
    scope.ledger_only.unwrap_or((scope.until, scope.until))
}

fn owner(stated: &Stated<String>, user_id: Option<i64>) -> Owner {
    match (stated, user_id) {
        (Stated::NotStated, _) => Owner::NotStated,
        (Stated::Nothing, _) => Owner::Guest,
        (Stated::Value(_), Some(user_id)) => Owner::User(user_id),
        (Stated::Value(_), None) => Owner::Unknown,
    }
}

struct PaymentRow {
    ledger_id: Option<i64>,
    ledger_updated_at: Option<DateTime<Utc>>,
    ledger_state: Option<Json<PaymentState>>,
    owner_id: Option<i64>,
    copies: Option<i64>,
    provider_payment_id: Option<String>,
    provider_customer_id: Option<String>,
    status: Option<String>,
    amount_minor: Option<i64>,
    amount_captured_minor: Option<i64>,
    amount_refunded_minor: Option<i64>,
    disputed: Option<bool>,
    currency: Option<String>,
    failure_code: Option<String>,
    payment_method_fingerprint: Option<String>,
    created_at: Option<DateTime<Utc>>,
}

impl PaymentRow {
    fn statement(self) -> Option<StatementRow<StatementPayment>> {
        let provider_customer_id = Stated::from_staged(self.provider_customer_id);
        let owner = owner(&provider_customer_id, self.owner_id);
        let record = StatementPayment {
            provider_payment_id: self.provider_payment_id?,
            provider_customer_id,
            status: self.status?,
            amount_minor: self.amount_minor?,
            amount_captured_minor: self.amount_captured_minor,
            amount_refunded_minor: self.amount_refunded_minor,
            disputed: self.disputed,
            currency: self.currency?.parse().ok()?,
            failure_code: Stated::from_staged(self.failure_code),
            failure_message: None,
            payment_method_fingerprint: self.payment_method_fingerprint,
            created_at: self.created_at?,
        };
        Some(StatementRow { record, owner, copies: self.copies.unwrap_or(1) })
    }

    fn pair(mut self) -> Pair<StatementPayment> {
        let ledger = ledger_row(self.ledger_id, self.ledger_updated_at, self.ledger_state.take());
        Pair { ledger, statement: self.statement() }
    }
}

fn ledger_row<S>(
    id: Option<i64>,
    updated_at: Option<DateTime<Utc>>,
    state: Option<Json<S>>,
) -> Option<LedgerRow<S>> {
    let (id, updated_at, Json(state)) = (id?, updated_at?, state?);
    Some(LedgerRow { id, updated_at, state })
}

/// Payments that may differ.
pub fn payments<'c>(
    connection: &'c mut PgConnection,
    run: RunId,
    scope: &Scope,
) -> impl Stream<Item = sqlx::Result<Pair<StatementPayment>>> + 'c {
    let (ledger_from, ledger_until) = bounds(scope);
    sqlx::query_as!(
        PaymentRow,
        r#"WITH links AS (
            SELECT DISTINCT ON (c.provider_customer_id) c.provider_customer_id, u.id
            FROM payment_monitor_staged_customers c JOIN ledger_users u ON u.id = c.user_id
            WHERE c.job_id = $1 ORDER BY c.provider_customer_id, c.position
        ), repeated AS (
            SELECT provider_payment_id, count(*) AS copies, min(position) AS position
            FROM payment_monitor_staged_payments WHERE job_id = $1
            GROUP BY provider_payment_id HAVING count(*) > 1
        ), statement AS (
            SELECT s.*, r.copies, coalesce(u.id, k.id) AS owner_id
            FROM payment_monitor_staged_payments s
            LEFT JOIN repeated r ON r.provider_payment_id = s.provider_payment_id
            LEFT JOIN ledger_users u ON u.provider_customer_id = s.provider_customer_id
            LEFT JOIN links k ON k.provider_customer_id = s.provider_customer_id
            WHERE s.job_id = $1 AND (r.position IS NULL OR r.position = s.position)
        )
        SELECT l.id AS "ledger_id?", l.updated_at AS "ledger_updated_at?",
            CASE WHEN l.id IS NOT NULL THEN payment_monitor_payment_state(l) END
                AS "ledger_state: Json<PaymentState>",
            s.owner_id AS "owner_id?", s.copies AS "copies?",
            s.provider_payment_id AS "provider_payment_id?",
            s.provider_customer_id AS "provider_customer_id?", s.status AS "status?",
            s.amount_minor AS "amount_minor?", s.amount_captured_minor, s.amount_refunded_minor,
            s.disputed, s.currency AS "currency?", s.failure_code,
            s.payment_method_fingerprint, s.created_at AS "created_at?"
        FROM statement s
        FULL JOIN ledger_payments l ON l.provider_payment_id = s.provider_payment_id
        WHERE CASE
            WHEN s.provider_payment_id IS NULL THEN
                l.removed_at IS NULL AND l.created_at >= $4 AND l.created_at < $5
            ELSE s.created_at >= coalesce($2::timestamptz, '-infinity') AND s.created_at < $3 AND (
                l.id IS NULL OR s.copies > 1 OR l.removed_at IS NOT NULL
                OR s.status <> l.status OR s.amount_minor <> l.amount_minor
                OR s.currency <> l.currency
                OR s.amount_captured_minor <> l.amount_captured_minor
                OR s.amount_refunded_minor <> l.amount_refunded_minor
                OR s.disputed <> l.disputed
                OR s.failure_code <> coalesce(l.failure_code, '')
                OR (s.provider_customer_id IS NOT NULL
                    AND s.owner_id IS DISTINCT FROM l.user_id)
                OR (s.provider_customer_id <> '' AND s.owner_id IS NULL)) END
        ORDER BY coalesce(s.provider_payment_id, l.provider_payment_id) COLLATE "C""#,
        run.0,
        scope.since,
        scope.until,
        ledger_from,
        ledger_until
    )
    .fetch(connection)
    .map_ok(PaymentRow::pair)
}

struct SubscriptionRow {
    ledger_id: Option<i64>,
    ledger_updated_at: Option<DateTime<Utc>>,
    ledger_state: Option<Json<SubscriptionState>>,
    owner_id: Option<i64>,
    copies: Option<i64>,
    provider_subscription_id: Option<String>,
    provider_customer_id: Option<String>,
    plan: Option<String>,
    status: Option<String>,
    current_period_end: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
}

impl SubscriptionRow {
    fn statement(self) -> Option<StatementRow<StatementSubscription>> {
        let provider_customer_id = Stated::from_staged(self.provider_customer_id);
        let owner = owner(&provider_customer_id, self.owner_id);
        let record = StatementSubscription {
            provider_subscription_id: self.provider_subscription_id?,
            provider_customer_id,
            plan: self.plan?,
            status: self.status?,
            current_period_end: self.current_period_end,
            created_at: self.created_at?,
        };
        Some(StatementRow { record, owner, copies: self.copies.unwrap_or(1) })
    }

    fn pair(mut self) -> Pair<StatementSubscription> {
        let ledger = ledger_row(self.ledger_id, self.ledger_updated_at, self.ledger_state.take());
        Pair { ledger, statement: self.statement() }
    }
}

/// Subscriptions that may differ.
///
/// An ended one that is absent does not count: Stripe's listing leaves canceled ones out. A
/// replaced id is recognised narrowly: the listing is complete, the same user and plan, exactly
/// one on each side; both make one pair.
pub fn subscriptions<'c>(
    connection: &'c mut PgConnection,
    run: RunId,
    scope: &Scope,
    listing_is_complete: bool,
) -> impl Stream<Item = sqlx::Result<Pair<StatementSubscription>>> + 'c {
    let (ledger_from, ledger_until) = bounds(scope);
    sqlx::query_as!(
        SubscriptionRow,
        r#"WITH links AS (
            SELECT DISTINCT ON (c.provider_customer_id) c.provider_customer_id, u.id
            FROM payment_monitor_staged_customers c JOIN ledger_users u ON u.id = c.user_id
            WHERE c.job_id = $1 ORDER BY c.provider_customer_id, c.position
        ), repeated AS (
            SELECT provider_subscription_id, count(*) AS copies, min(position) AS position
            FROM payment_monitor_staged_subscriptions WHERE job_id = $1
            GROUP BY provider_subscription_id HAVING count(*) > 1
        ), statement AS (
            SELECT s.*, r.copies, coalesce(u.id, k.id) AS owner_id
            FROM payment_monitor_staged_subscriptions s
            LEFT JOIN repeated r ON r.provider_subscription_id = s.provider_subscription_id
            LEFT JOIN ledger_users u ON u.provider_customer_id = s.provider_customer_id
            LEFT JOIN links k ON k.provider_customer_id = s.provider_customer_id
            WHERE s.job_id = $1 AND (r.position IS NULL OR r.position = s.position)
        ), differing AS MATERIALIZED (
            SELECT s.provider_subscription_id AS statement_id, l.id AS ledger_id,
                coalesce(l.user_id, s.owner_id) AS user_id, coalesce(l.plan, s.plan) AS plan,
                s.copies
            FROM statement s FULL JOIN ledger_subscriptions l
                ON l.provider_subscription_id = s.provider_subscription_id
            WHERE CASE
                WHEN s.provider_subscription_id IS NULL THEN l.removed_at IS NULL
                    AND l.status NOT IN ('canceled', 'incomplete_expired')
                    AND l.created_at >= $4 AND l.created_at < $5
                ELSE s.created_at >= coalesce($2::timestamptz, '-infinity') AND s.created_at < $3 AND (
                    l.id IS NULL OR s.copies > 1 OR l.removed_at IS NOT NULL
                    OR s.plan <> l.plan OR s.status <> l.status
                    OR s.current_period_end IS DISTINCT FROM l.current_period_end
                    OR (s.provider_customer_id IS NOT NULL
                        AND s.owner_id IS DISTINCT FROM l.user_id)
                    OR (s.provider_customer_id <> '' AND s.owner_id IS NULL)) END
        ), replaced AS (
            SELECT max(ledger_id) AS ledger_id, max(statement_id) AS statement_id
            FROM differing
            WHERE $6 AND (statement_id IS NULL OR ledger_id IS NULL)
                AND user_id IS NOT NULL AND copies IS NULL
            GROUP BY user_id, plan
            HAVING count(ledger_id) = 1 AND count(statement_id) = 1
        ), paired AS (
            SELECT ledger_id, statement_id FROM replaced
            UNION ALL
            SELECT d.ledger_id, d.statement_id FROM differing d
            WHERE NOT EXISTS (SELECT FROM replaced r
                WHERE r.ledger_id = d.ledger_id OR r.statement_id = d.statement_id)
        )
        SELECT l.id AS "ledger_id?", l.updated_at AS "ledger_updated_at?",
            CASE WHEN l.id IS NOT NULL THEN payment_monitor_subscription_state(l) END
                AS "ledger_state: Json<SubscriptionState>",
            s.owner_id AS "owner_id?", s.copies AS "copies?",
            s.provider_subscription_id AS "provider_subscription_id?",
            s.provider_customer_id AS "provider_customer_id?",
            s.plan AS "plan?", s.status AS "status?", s.current_period_end AS "current_period_end?",
            s.created_at AS "created_at?"
        FROM paired p
        LEFT JOIN statement s ON s.provider_subscription_id = p.statement_id
        LEFT JOIN ledger_subscriptions l ON l.id = p.ledger_id
        ORDER BY coalesce(s.provider_subscription_id, l.provider_subscription_id) COLLATE "C""#,
        run.0,
        scope.since,
        scope.until,
        ledger_from,
        ledger_until,
        listing_is_complete
    )
    .fetch(connection)
    .map_ok(SubscriptionRow::pair)
}
