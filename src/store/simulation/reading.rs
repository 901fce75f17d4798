//! Reads what the simulated provider knows.

use crate::demo::simulation::{LISTED_MAX, Subscriber, View};
use crate::demo::{Listed, Listing, Money, PaymentRow, Person, SubscriptionRow, UserRow};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

/// How much of what is there a step looks at: enough to draw from.
const PEOPLE_MAX: i64 = 200;
const RECENT_MAX: i64 = 400;
const SUBSCRIBERS_MAX: i64 = 80;

/// What the statement of a moment lists.
pub async fn listing(connection: &mut PgConnection, as_of: DateTime<Utc>) -> sqlx::Result<Listing> {
    let charges = sqlx::query(
        "SELECT l.*, c.user_id FROM (
            SELECT * FROM simulated_provider.charges
            WHERE coalesce(listed_from <= $1, true) AND coalesce(listed_until > $1, true)
            ORDER BY created_at DESC, position DESC LIMIT $2
        ) l LEFT JOIN simulated_provider.customers c ON c.id = l.customer
        ORDER BY l.created_at, l.position",
    )
    .bind(as_of)
    .bind(LISTED_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let subscriptions = sqlx::query(
        "SELECT s.*, c.user_id FROM simulated_provider.subscriptions s
        LEFT JOIN simulated_provider.customers c ON c.id = s.customer
        ORDER BY s.created_at, s.position",
    )
    .fetch_all(&mut *connection)
    .await?;
    let customers = sqlx::query_as(
        "SELECT id, user_id, created_at FROM simulated_provider.customers WHERE told ORDER BY id",
    )
    .fetch_all(connection)
    .await?;
    Ok(Listing {
        charges: charges.iter().map(charge).collect::<Result<_, _>>()?,
        subscriptions: subscriptions.iter().map(subscription).collect::<Result<_, _>>()?,
        customers,
    })
}

/// What a step is made from; the same of the same step.
pub async fn view(connection: &mut PgConnection, step: u64) -> sqlx::Result<View> {
    let people = sqlx::query(
        "SELECT id AS customer, * FROM simulated_provider.customers WHERE NOT suspect
        ORDER BY md5(id || $1::text), id LIMIT $2",
    )
    .bind(step.to_string())
    .bind(PEOPLE_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let next_user_id =
        sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) + 1 AS "id!" FROM users"#)
            .fetch_one(&mut *connection)
            .await?;
    let recent = sqlx::query(
        "SELECT l.*, c.user_id FROM (
            SELECT * FROM simulated_provider.charges
            ORDER BY created_at DESC, position DESC LIMIT $1
        ) l LEFT JOIN simulated_provider.customers c ON c.id = l.customer
        WHERE l.listed_from IS NULL AND l.listed_until IS NULL AND c.suspect IS NOT TRUE
            AND NOT EXISTS (SELECT FROM simulated_provider.charges other
                WHERE other.id = l.id AND other.position <> l.position)
        ORDER BY l.created_at DESC, l.position DESC",
    )
    .bind(RECENT_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let subscribers = sqlx::query(
        "SELECT s.*, c.user_id, c.created_at AS joined_at, c.currency, c.cards, c.activity,
            c.failures_percent
        FROM simulated_provider.subscriptions s
        JOIN simulated_provider.customers c ON c.id = s.customer
        WHERE s.status NOT IN ('canceled', 'incomplete_expired') AND NOT c.suspect
        ORDER BY s.status = 'past_due' DESC, s.current_period_end, s.position LIMIT $1",
    )
    .bind(SUBSCRIBERS_MAX)
    .fetch_all(connection)
    .await?;
    Ok(View {
        people: people.iter().map(|row| person(row, "created_at")).collect::<Result<_, _>>()?,
        next_user_id,
        recent: recent.iter().map(charge).collect::<Result<_, _>>()?,
        subscribers: subscribers.iter().map(subscriber).collect::<Result<_, _>>()?,
    })
}

fn charge(row: &PgRow) -> sqlx::Result<Listed<PaymentRow>> {
    let created_at = row.try_get("created_at")?;
    let charge = PaymentRow {
        id: 0,
        user_id: row.try_get("user_id")?,
        provider_payment_id: row.try_get("id")?,
        status: row.try_get("status")?,
        amount_minor: row.try_get("amount_minor")?,
        amount_captured_minor: row.try_get("amount_captured_minor")?,
        amount_refunded_minor: row.try_get("amount_refunded_minor")?,
        disputed: row.try_get("disputed")?,
        currency: parsed(row.try_get::<&str, _>("currency")?.parse())?,
        failure_code: row.try_get("failure_code")?,
        failure_message: row.try_get("failure_message")?,
        payment_method_fingerprint: row.try_get("fingerprint")?,
        created_at,
        updated_at: created_at,
        removed_at: None,
    };
    Ok(Listed {
        row: charge,
        customer: row.try_get("customer")?,
        from: row.try_get("listed_from")?,
        until: row.try_get("listed_until")?,
    })
}

fn subscription(row: &PgRow) -> sqlx::Result<Listed<SubscriptionRow>> {
    let subscription = SubscriptionRow {
        id: 0,
        user_id: row.try_get("user_id")?,
        provider_subscription_id: row.try_get("id")?,
        plan: row.try_get("plan")?,
        status: row.try_get("status")?,
        current_period_end: row.try_get("current_period_end")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("changed_at")?,
        removed_at: None,
    };
    Ok(Listed::always(subscription, row.try_get("customer")?))
}

fn subscriber(row: &PgRow) -> sqlx::Result<Subscriber> {
    Ok(Subscriber { person: person(row, "joined_at")?, subscription: subscription(row)? })
}

fn person(row: &PgRow, joined_at: &str) -> sqlx::Result<Person> {
    let customer: String = row.try_get("customer")?;
    let count = |column| -> sqlx::Result<u32> { parsed(row.try_get::<i64, _>(column)?.try_into()) };
    let currency = Money::of_code(row.try_get("currency")?);
    Ok(Person {
        user: UserRow {
            id: row.try_get("user_id")?,
            provider_customer_id: Some(customer.clone()),
            email: String::new(),
            created_at: row.try_get(joined_at)?,
        },
        customer,
        currency: parsed(currency.ok_or("a currency that nobody pays in"))?,
        cards: row.try_get("cards")?,
        activity: count("activity")?,
        failures_percent: count("failures_percent")?,
        planted: None,
    })
}

fn parsed<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    value: Result<T, E>,
) -> sqlx::Result<T> {
    value.map_err(|why| sqlx::Error::Decode(why.into()))
}
