//! Makes a company's side of a database: its logins and its tables' rows. The demo's and the
//! tests' ledgers come from here; a run never uses it.

use crate::demo::REFUSED_BY;
use crate::demo::{Company, PaymentRow, SubscriptionRow, UserRow};
use crate::store::copy::Rows;
use sqlx::{AssertSqlSafe, PgConnection};

/// A database to make a ledger in.
pub async fn create_database(connection: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    let create =
        sqlx::query_scalar!(r#"SELECT format('CREATE DATABASE %I', $1::text) AS "sql!""#, name)
            .fetch_one(&mut *connection)
            .await?;
    sqlx::raw_sql(AssertSqlSafe(create)).execute(connection).await.map(drop)
}

/// A login that may do what the job does, and no more.
pub async fn create_writer(
    connection: &mut PgConnection,
    name: &str,
    password: &str,
) -> sqlx::Result<()> {
    let create = sqlx::query_scalar!(
        r#"SELECT format('CREATE ROLE %I LOGIN PASSWORD %L IN ROLE payment_monitor_writer',
            $1::text, $2::text) AS "sql!""#,
        name,
        password
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::raw_sql(AssertSqlSafe(create)).execute(connection).await.map(drop)
}

/// Loads a company's users, payments and subscriptions.
pub async fn load(connection: &mut PgConnection, company: &Company) -> sqlx::Result<()> {
    let mut rows = Rows::new();
    company.users.iter().for_each(|row| user(&mut rows, row));
    copy(connection, COPY_USERS, &mut rows).await?;
    company.payments.iter().for_each(|row| payment(&mut rows, row));
    copy(connection, COPY_PAYMENTS, &mut rows).await?;
    company.subscriptions.iter().for_each(|row| subscription(&mut rows, row));
    copy(connection, COPY_SUBSCRIPTIONS, &mut rows).await?;
    sqlx::raw_sql(
        "SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users;
        SELECT setval(pg_get_serial_sequence('payments', 'id'), max(id)) FROM payments;
        SELECT setval(pg_get_serial_sequence('subscriptions', 'id'), max(id)) FROM subscriptions;
        ANALYZE users, payments, subscriptions",
    )
    .execute(connection)
    .await
    .map(drop)
}

/// A rule of the company's own, which refuses one of the statement's records.
pub async fn add_rule(connection: &mut PgConnection) -> sqlx::Result<()> {
    let (table, name) = (REFUSED_BY.table, REFUSED_BY.constraint);
    let add = format!("ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (amount_minor > 0)");
    sqlx::raw_sql(AssertSqlSafe(add)).execute(connection).await.map(drop)
}

pub(super) const COPY_USERS: &str =
    "COPY users (id, provider_customer_id, email, created_at) FROM STDIN";
const COPY_PAYMENTS: &str = "COPY payments (id, user_id, provider_payment_id, status, \
    amount_minor, amount_captured_minor, amount_refunded_minor, disputed, currency, \
    failure_code, failure_message, payment_method_fingerprint, created_at, updated_at, \
    removed_at) FROM STDIN";
const COPY_SUBSCRIPTIONS: &str = "COPY subscriptions (id, user_id, provider_subscription_id, \
    plan, status, current_period_end, created_at, updated_at, removed_at) FROM STDIN";

pub(super) async fn copy(
    connection: &mut PgConnection,
    statement: &'static str,
    rows: &mut Rows,
) -> sqlx::Result<()> {
    let mut copy = connection.copy_in_raw(statement).await?;
    copy.send(rows.take()).await?;
    copy.finish().await.map(drop)
}

pub(super) fn user(rows: &mut Rows, user: &UserRow) {
    rows.integer(user.id)
        .text_or_null(user.provider_customer_id.as_deref())
        .text(&user.email)
        .time(user.created_at)
        .end();
}

/// What company and provider alike know of a payment: status to creation, in the order of the
/// tables' columns.
pub(super) fn payment_facts<'a>(rows: &'a mut Rows, p: &PaymentRow) -> &'a mut Rows {
    rows.text(&p.status)
        .integer(p.amount_minor)
        .integer(p.amount_captured_minor)
        .integer(p.amount_refunded_minor)
        .boolean_or_null(Some(p.disputed))
        .text(p.currency.as_str())
        .text_or_null(p.failure_code.as_deref())
        .text_or_null(p.failure_message.as_deref())
        .text_or_null(p.payment_method_fingerprint.as_deref())
        .time(p.created_at)
}

fn payment(rows: &mut Rows, p: &PaymentRow) {
    rows.integer(p.id).integer_or_null(p.user_id).text(&p.provider_payment_id);
    payment_facts(rows, p).time(p.updated_at).time_or_null(p.removed_at).end();
}

fn subscription(rows: &mut Rows, s: &SubscriptionRow) {
    rows.integer(s.id)
        .integer_or_null(s.user_id)
        .text(&s.provider_subscription_id)
        .text(&s.plan)
        .text(&s.status)
        .time_or_null(s.current_period_end)
        .time(s.created_at)
        .time(s.updated_at)
        .time_or_null(s.removed_at)
        .end();
}
