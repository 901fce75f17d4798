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
    sqlx::query_file_as!(
        PaymentRow,
        "src/store/sql/differing_payments.sql",
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
    sqlx::query_file_as!(
        SubscriptionRow,
        "src/store/sql/differing_subscriptions.sql",
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
