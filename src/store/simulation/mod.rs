//! The simulated provider's side, in a schema of its own, and what a step writes to both sides.
//!
//! Its tables are no part of the company's schema, which is why the compiler can't check these
//! statements against it as it does all others: the tests execute each of them.

mod reading;
mod writing;

pub use reading::{listing, view};
pub use writing::{apply, create};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// The form of the tables that this program makes and knows.
pub const FORMAT: i32 = 1;

/// How far a simulation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct State {
    pub format: i32,
    seed: i64,
    steps: i64,
}

impl State {
    pub fn seed(&self) -> u64 {
        self.seed.cast_unsigned()
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.steps.cast_unsigned()
    }
}

/// The time of the database's clock, in whole seconds as the provider's records have it.
pub async fn now(connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"SELECT date_trunc('second', clock_timestamp()) AS "now!""#)
        .fetch_one(connection)
        .await
}

/// The advisory lock's key: the first 8 bytes of SHA-256 of "payment-monitor simulate".
const SEED_LOCK: i64 = 0x7cb0_21cc_e2a7_a495;

/// Lets nobody else seed this database until the transaction ends.
pub async fn one_at_a_time(connection: &mut PgConnection) -> sqlx::Result<()> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SEED_LOCK);
    lock.execute(connection).await.map(drop)
}

/// Whether this ledger was made by a simulation.
pub async fn is_there(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT to_regclass('simulated_provider.state') IS NOT NULL AS "is_there!""#
    );
    found.fetch_one(connection).await
}

/// Whether the company has no users, payments and subscriptions at all.
pub async fn is_ledger_empty(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT NOT (EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM payments)
            OR EXISTS (SELECT FROM subscriptions)) AS "is_empty!""#
    )
    .fetch_one(connection)
    .await
}

/// Where the simulation stands. Inside a transaction no other goes on until it ends.
pub async fn hold(connection: &mut PgConnection) -> sqlx::Result<State> {
    sqlx::query_as("SELECT format, seed, steps FROM simulated_provider.state FOR UPDATE")
        .fetch_one(connection)
        .await
}

/// The same without holding it.
pub async fn state(connection: &mut PgConnection) -> sqlx::Result<State> {
    sqlx::query_as("SELECT format, seed, steps FROM simulated_provider.state")
        .fetch_one(connection)
        .await
}
