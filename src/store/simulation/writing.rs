//! Writes both sides: at the beginning, and what a step brings.

use super::{FORMAT, State};
use crate::demo::simulation::Step;
use crate::demo::{Company, Listed, Listing, PaymentRow, Person, SubscriptionRow};
use crate::store::copy::Rows;
use crate::store::seed;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// How often what no statement lists any more is forgotten, in steps.
const FORGET_EVERY: u64 = 100;
/// How many payments the provider keeps: more than a statement lists.
const KEPT_MAX: i64 = 8_000;

const COPY_CUSTOMERS: &str = "COPY simulated_provider.customers (id, user_id, created_at, \
    currency, cards, activity, failures_percent, suspect, told) FROM STDIN";
const COPY_CHARGES: &str = "COPY simulated_provider.charges (id, customer, status, amount_minor, \
    amount_captured_minor, amount_refunded_minor, disputed, currency, failure_code, \
    failure_message, fingerprint, created_at, listed_from, listed_until) FROM STDIN";
const COPY_SUBSCRIPTIONS: &str = "COPY simulated_provider.subscriptions (id, customer, plan, \
    status, current_period_end, created_at, changed_at) FROM STDIN";

/// Makes the provider's schema, and both sides as they are at the beginning. The caller opens
/// the transaction.
pub async fn create(
    connection: &mut PgConnection,
    seed: u64,
    now: DateTime<Utc>,
    (company, people, listing): &(Company, Vec<Person>, Listing),
) -> sqlx::Result<()> {
    sqlx::raw_sql(include_str!("../sql/simulated_provider.sql")).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO simulated_provider.state (format, seed, steps) VALUES ($1, $2, 0)")
        .bind(FORMAT)
        .bind(seed.cast_signed())
        .execute(&mut *connection)
        .await?;
    seed::load(connection, company).await?;
    seed::add_rule(connection).await?;
    let mut rows = Rows::new();
    for person in people {
        customer(&mut rows, person);
    }
    seed::copy(connection, COPY_CUSTOMERS, &mut rows).await?;
    for listed in &listing.charges {
        charge(&mut rows, listed);
    }
    seed::copy(connection, COPY_CHARGES, &mut rows).await?;
    for listed in &listing.subscriptions {
        subscription(&mut rows, listed, now);
    }
    seed::copy(connection, COPY_SUBSCRIPTIONS, &mut rows).await
}

/// Writes what a step brings, and that it was made. The caller opens the transaction.
pub async fn apply(
    connection: &mut PgConnection,
    state: &State,
    now: DateTime<Utc>,
    step: &Step,
) -> sqlx::Result<()> {
    let steps = state.steps() + 1;
    sign_up(connection, &step.people).await?;
    sqlx::query("UPDATE simulated_provider.customers SET suspect = true WHERE id = ANY ($1)")
        .bind(&step.suspects)
        .execute(&mut *connection)
        .await?;
    payments(connection, step).await?;
    subscriptions(connection, step, now).await?;
    if steps.is_multiple_of(FORGET_EVERY) {
        forget(connection, now).await?;
    }
    sqlx::query("UPDATE simulated_provider.state SET steps = $1")
        .bind(steps.cast_signed())
        .execute(connection)
        .await
        .map(drop)
}

async fn sign_up(connection: &mut PgConnection, people: &[Person]) -> sqlx::Result<()> {
    if people.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new();
    for person in people {
        customer(&mut rows, person);
    }
    seed::copy(connection, COPY_CUSTOMERS, &mut rows).await?;
    for person in people {
        seed::user(&mut rows, &person.user);
    }
    seed::copy(connection, seed::COPY_USERS, &mut rows).await?;
    sqlx::query!("SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users")
        .fetch_one(connection)
        .await
        .map(drop)
}

async fn payments(connection: &mut PgConnection, step: &Step) -> sqlx::Result<()> {
    let ids = step.payments.iter().flat_map(|pair| &pair.listed);
    let ids: Vec<&str> = ids.map(|listed| listed.row.provider_payment_id.as_str()).collect();
    replaced(connection, "DELETE FROM simulated_provider.charges WHERE id = ANY ($1)", &ids)
        .await?;
    let mut rows = Rows::new();
    step.payments.iter().flat_map(|pair| &pair.listed).for_each(|one| charge(&mut rows, one));
    seed::copy(connection, COPY_CHARGES, &mut rows).await?;
    for row in step.payments.iter().filter_map(|pair| pair.ledger.as_ref()) {
        keep_payment(connection, row).await?;
    }
    Ok(())
}

async fn subscriptions(
    connection: &mut PgConnection,
    step: &Step,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids = step.subscriptions.iter().flat_map(|pair| &pair.listed);
    let ids: Vec<&str> = ids.map(|listed| listed.row.provider_subscription_id.as_str()).collect();
    let delete = "DELETE FROM simulated_provider.subscriptions WHERE id = ANY ($1)";
    replaced(connection, delete, &ids).await?;
    let mut rows = Rows::new();
    let listed = step.subscriptions.iter().flat_map(|pair| &pair.listed);
    listed.for_each(|one| subscription(&mut rows, one, now));
    seed::copy(connection, COPY_SUBSCRIPTIONS, &mut rows).await?;
    for row in step.subscriptions.iter().filter_map(|pair| pair.ledger.as_ref()) {
        keep_subscription(connection, row).await?;
    }
    Ok(())
}

async fn replaced(
    connection: &mut PgConnection,
    delete: &'static str,
    ids: &[&str],
) -> sqlx::Result<()> {
    sqlx::query(delete).bind(ids).execute(connection).await.map(drop)
}

/// The company writes a payment down as it believes it to be.
async fn keep_payment(connection: &mut PgConnection, p: &PaymentRow) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor,
            amount_captured_minor, amount_refunded_minor, disputed, currency, failure_code,
            failure_message, payment_method_fingerprint, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (provider_payment_id) DO UPDATE SET status = excluded.status,
            amount_captured_minor = excluded.amount_captured_minor,
            amount_refunded_minor = excluded.amount_refunded_minor, disputed = excluded.disputed,
            failure_code = excluded.failure_code, failure_message = excluded.failure_message,
            updated_at = excluded.updated_at",
        p.user_id,
        p.provider_payment_id,
        p.status,
        p.amount_minor,
        p.amount_captured_minor,
        p.amount_refunded_minor,
        p.disputed,
        p.currency.as_str(),
        p.failure_code,
        p.failure_message,
        p.payment_method_fingerprint,
        p.created_at,
        p.updated_at,
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn keep_subscription(connection: &mut PgConnection, s: &SubscriptionRow) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO subscriptions (user_id, provider_subscription_id, plan, status,
            current_period_end, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (provider_subscription_id) DO UPDATE SET plan = excluded.plan,
            status = excluded.status, current_period_end = excluded.current_period_end,
            updated_at = excluded.updated_at",
        s.user_id,
        s.provider_subscription_id,
        s.plan,
        s.status,
        s.current_period_end,
        s.created_at,
        s.updated_at,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Payments that no statement lists any more, and what ended a day ago: Stripe's listing leaves
/// ended subscriptions out.
async fn forget(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM simulated_provider.charges WHERE created_at < (
            SELECT created_at FROM simulated_provider.charges
            ORDER BY created_at DESC OFFSET $1 LIMIT 1)",
    )
    .bind(KEPT_MAX)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM simulated_provider.subscriptions
        WHERE status IN ('canceled', 'incomplete_expired')
            AND changed_at < $1::timestamptz - interval '24 hours'",
    )
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

fn customer(rows: &mut Rows, person: &Person) {
    rows.text(&person.customer)
        .integer(person.user.id)
        .time(person.user.created_at)
        .text(person.currency.code.as_str())
        .text(&format!("{{{}}}", person.cards.join(",")))
        .integer(person.activity.into())
        .integer(person.failures_percent.into())
        .boolean_or_null(Some(person.planted.is_some()))
        .boolean_or_null(Some(person.user.provider_customer_id.is_none()))
        .end();
}

fn charge(rows: &mut Rows, listed: &Listed<PaymentRow>) {
    let p = &listed.row;
    rows.text(&p.provider_payment_id).text_or_null(listed.customer.as_deref());
    seed::payment_facts(rows, p).time_or_null(listed.from).time_or_null(listed.until).end();
}

fn subscription(rows: &mut Rows, listed: &Listed<SubscriptionRow>, now: DateTime<Utc>) {
    let s = &listed.row;
    rows.text(&s.provider_subscription_id)
        .text_or_null(listed.customer.as_deref())
        .text(&s.plan)
        .text(&s.status)
        .time_or_null(s.current_period_end)
        .time(s.created_at)
        .time(now)
        .end();
}
