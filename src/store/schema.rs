//! The schema: its version, its migrations, and the monthly partitions made ahead.

use super::connection::Database;
use super::error::DatabaseError;
use super::lock;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

static MIGRATOR: Migrator = sqlx::migrate!();

/// How long `migrate` waits for a run to end. Cron's next ones don't begin meanwhile.
const RUN_WAIT: Duration = Duration::from_mins(1);
/// How long a migration waits for a table. The company's own statements queue up behind it.
const TABLE_WAIT: Duration = Duration::from_secs(10);

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

/// Brings the schema up to date; gives the versions before and after. Each migration is one
/// transaction. No run goes on meanwhile: its statements are those of the schema that it began on.
///
/// # Errors
/// A newer schema, missing rights, a run or a lock in the way, or the migration that failed.
pub async fn migrate(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<(i64, i64), DatabaseError> {
    let explain = |error: sqlx::Error| database.explain(&error);
    let mut found = version(connection).await.map_err(explain)?;
    let is_behind = found < version_needed();
    if is_behind {
        prepare(connection).await.map_err(explain)?;
        limit(connection, RUN_WAIT).await?;
        let taken = lock::take(connection, lock::RUN_LOCK).await;
        let by = "a run, or another migrate, goes on";
        taken.map_err(|error| failed(database, error, by, RUN_WAIT))?;
        // The other migrate may have been of a newer program.
        found = version(connection).await.map_err(explain)?;
    }
    if found > version_needed() {
        return Err(DatabaseError::Newer { found, needed: version_needed() });
    }
    limit(connection, TABLE_WAIT).await?;
    MIGRATOR.run_direct(None, connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(source)
        | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => {
            let by = "a table that a migration changes is locked by others";
            failed(database, source, by, TABLE_WAIT)
        }
        other => DatabaseError::query("migrating")(sqlx::Error::Migrate(Box::new(other))),
    })?;
    limit(connection, Duration::ZERO).await?;
    if is_behind {
        lock::release(connection, lock::RUN_LOCK).await.map_err(explain)?;
    }
    Ok((found, version_needed()))
}

/// Prepares the session: an index may take long to build; and since PostgreSQL 16 who makes a role
/// without being a superuser may act as that role only if this setting says so, and has to.
async fn prepare(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT set_config('statement_timeout', '0', false),
            CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN set_config('createrole_self_grant', 'set, inherit', false) END",
    )
    .execute(connection)
    .await
    .map(drop)
}

/// How long statements of this connection wait for a lock; zero is for ever.
async fn limit(connection: &mut PgConnection, wait: Duration) -> Result<(), DatabaseError> {
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(wait.as_millis().to_string())
        .execute(connection)
        .await
        .map(drop)
        .map_err(DatabaseError::query("limiting how long locks are waited for"))
}

fn failed(
    database: &Database,
    error: sqlx::Error,
    by: &'static str,
    waited: Duration,
) -> DatabaseError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some("55P03") {
        return DatabaseError::Blocked { by, seconds: waited.as_secs() };
    }
    database.explain_change("migrating", error)
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
