//! The schema: its version, its migrations, and the monthly partitions made ahead.

use super::connection::Database;
use super::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

static MIGRATOR: Migrator = sqlx::migrate!();

/// How many months of partitions `migrate` makes ahead of the current one.
pub const MONTHS_AHEAD: i32 = 24;

/// The schema version that this program needs.
pub fn version_needed() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The schema version of the database; 0 where it was never migrated.
pub async fn version(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let known =
        sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "known!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !known {
        return Ok(0);
    }
    sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await
        .map(Option::unwrap_or_default)
}

/// Refuses a database whose schema is older or newer than this program's.
///
/// # Errors
/// [`DatabaseError::NotMigrated`] or [`DatabaseError::Newer`].
pub async fn require_current(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<(), DatabaseError> {
    let found = version(connection).await.map_err(|e| database.explain(&e))?;
    let needed = version_needed();
    match found.cmp(&needed) {
        std::cmp::Ordering::Less => Err(DatabaseError::NotMigrated { found, needed }),
        std::cmp::Ordering::Greater => Err(DatabaseError::Newer { found, needed }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// Brings the schema up to date; gives the versions before and after.
///
/// # Errors
/// A newer schema, missing rights, or the migration that failed, by name.
pub async fn migrate(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<(i64, i64), DatabaseError> {
    let found = version(connection).await.map_err(|e| database.explain(&e))?;
    if found > version_needed() {
        return Err(DatabaseError::Newer { found, needed: version_needed() });
    }
    MIGRATOR.run_direct(None, connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(source)
        | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => {
            DatabaseError::query("migrating")(source)
        }
        other => DatabaseError::query("migrating")(sqlx::Error::Migrate(Box::new(other))),
    })?;
    Ok((found, version_needed()))
}

/// Makes missing partitions; gives how many. A short lock timeout keeps the company's tables
/// from being blocked behind it: a caller tries again.
pub async fn create_partitions(connection: &mut PgConnection) -> sqlx::Result<i32> {
    let mut transaction = connection.begin().await?;
    sqlx::query!("SET LOCAL lock_timeout = '2s'").execute(&mut *transaction).await?;
    sqlx::query!("SET LOCAL ROLE payment_monitor_owner").execute(&mut *transaction).await?;
    let made = sqlx::query_scalar!(
        r#"SELECT payment_monitor_create_partitions($1) AS "made!""#,
        MONTHS_AHEAD
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(made)
}
