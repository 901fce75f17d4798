//! The run lock: a session-level advisory lock, and what its session looks like to others.

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// The advisory lock's key: the first 8 bytes of SHA-256 of "payment-monitor run".
pub const RUN_LOCK: i64 = 0x0083_ef8b_262d_90d3;

/// The name under which the server knows a run's connections.
pub fn application_name(run: Uuid) -> String {
    format!("payment-monitor {run}")
}

/// Prepares the session that will hold the lock: it ends by itself when nobody pings it, so
/// that a killed or paused process can't hold the lock for ever.
pub async fn prepare(connection: &mut PgConnection, idle_seconds_max: i32) -> sqlx::Result<()> {
    let timeout = format!("{idle_seconds_max}s");
    sqlx::query!("SELECT set_config('idle_session_timeout', $1, false)", timeout)
        .fetch_one(connection)
        .await
        .map(drop)
}

/// Takes an advisory lock of the session's if it is free.
pub async fn try_take(connection: &mut PgConnection, key: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, key)
        .fetch_one(connection)
        .await
}

/// Waits for an advisory lock of the session's, as long as `lock_timeout` allows.
pub async fn take(connection: &mut PgConnection, key: i64) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(connection).await.map(drop)
}

/// Gives an advisory lock back; false where the session does not hold it.
pub async fn release(connection: &mut PgConnection, key: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_advisory_unlock($1) AS "held!""#, key)
        .fetch_one(connection)
        .await
}

/// The server process behind a connection. Behind a pooler in transaction mode it changes; no
/// statement is prepared for the question, because it would be in somebody else's session.
pub async fn backend(connection: &mut PgConnection) -> sqlx::Result<i32> {
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?;
    row.try_get(0)
}

/// Whether this session, seen from any other, still holds the run lock.
pub async fn is_held_by(connection: &mut PgConnection, session: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT payment_monitor_is_lock_holder($1) AS "held!""#, session)
        .fetch_one(connection)
        .await
}

/// Ends every other session that holds a lock on a staging table; gives how many there were.
pub async fn terminate_staging_holders(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(pg_terminate_backend(a.pid)) AS "ended!" FROM pg_stat_activity a
        WHERE a.usename = session_user AND a.pid <> pg_backend_pid() AND a.pid IN (
            SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
            WHERE l.granted AND c.relname LIKE 'payment_monitor_staged_%'
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"#
    )
    .fetch_one(connection)
    .await
}

/// Ends every other session of a run; gives how many there were.
pub async fn terminate_sessions(connection: &mut PgConnection, run: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(pg_terminate_backend(pid)) AS "ended!" FROM pg_stat_activity
        WHERE application_name = $1 AND usename = session_user AND pid <> pg_backend_pid()"#,
        application_name(run)
    )
    .fetch_one(connection)
    .await
}
