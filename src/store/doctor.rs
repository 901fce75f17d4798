//! What `doctor` asks of a database: its server, the rights of the login, locks and the fence,
//! partitions, clock and schedule. It leaves nothing behind: whoever calls rolls back, or unlocks.

use super::lock::RUN_LOCK;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::time::Duration;

/// The key of doctor's own advisory locks: the first 8 bytes of SHA-256 of "payment-monitor
/// doctor". The run lock itself is never taken, or a run that starts just then would be skipped.
const DOCTOR_LOCK: i64 = 0x19b5_2efd_339d_3659;
/// How many months of partitions are looked for.
const MONTHS_MAX: i32 = 120;

const READ: &[&str] = &["SELECT"];
const APPEND: &[&str] = &["SELECT", "INSERT"];
const WRITE: &[&str] = &["SELECT", "INSERT", "UPDATE"];
const STAGE: &[&str] = &["SELECT", "INSERT", "DELETE", "TRUNCATE"];

/// What the job's login does to which relation. A test compares it with what
/// `payment_monitor_writer` is granted.
pub const NEEDED: [(&str, &[&str]); 34] = [
    ("ledger_users", READ),
    ("ledger_payments", WRITE),
    ("ledger_subscriptions", WRITE),
    ("payment_monitor_jobs", WRITE),
    ("payment_monitor_operations", APPEND),
    ("payment_monitor_results", APPEND),
    ("payment_monitor_events", APPEND),
    ("payment_monitor_discrepancies", WRITE),
    ("payment_monitor_staged_payments", STAGE),
    ("payment_monitor_staged_subscriptions", STAGE),
    ("payment_monitor_staged_customers", STAGE),
    ("payment_monitor_staged_discrepancies", STAGE),
    ("payment_monitor_payment_hours", &["SELECT", "INSERT", "DELETE"]),
    ("payment_monitor_rules", WRITE),
    ("payment_monitor_findings", APPEND),
    ("payment_monitor_schedule", &["SELECT", "UPDATE"]),
    ("run_summary", READ),
    ("run_operations", READ),
    ("run_traces", READ),
    ("run_events", READ),
    ("run_schedule", READ),
    ("audit_trail", READ),
    ("open_discrepancies", READ),
    ("suspicious_activity", READ),
    ("payment_failures", READ),
    ("payment_failures_by_code_and_day", READ),
    ("payment_failures_by_code_and_hour", READ),
    ("payment_failures_by_day", READ),
    ("payment_failures_by_hour", READ),
    ("payment_failures_by_user", READ),
    ("payment_failures_by_user_and_day", READ),
    ("payment_history", READ),
    ("payment_monitor_hours", READ),
    ("payment_monitor_hours_known", READ),
];

/// What a server says that it is.
#[derive(Debug)]
pub struct Server {
    /// `150014` is 15.14.
    pub number: i32,
    pub version: String,
}

/// What the server says that it is.
pub async fn server(connection: &mut PgConnection) -> sqlx::Result<Server> {
    sqlx::query_as!(
        Server,
        r#"SELECT current_setting('server_version_num')::integer AS "number!",
            version() AS "version!""#
    )
    .fetch_one(connection)
    .await
}

/// As whom the program is logged in.
#[derive(Debug)]
pub struct Login {
    pub user: String,
    pub is_superuser: bool,
    /// Whether it may do what `payment_monitor_writer` may.
    pub is_writer: bool,
}

/// As whom the program is logged in.
pub async fn login(connection: &mut PgConnection) -> sqlx::Result<Login> {
    sqlx::query_as!(
        Login,
        r#"SELECT rolname::text AS "user!", rolsuper AS "is_superuser!",
            EXISTS (SELECT FROM pg_roles w WHERE w.rolname = 'payment_monitor_writer'
                AND pg_has_role(current_user, w.oid, 'USAGE')) AS "is_writer!"
        FROM pg_roles WHERE rolname = current_user"#
    )
    .fetch_one(connection)
    .await
}

/// Which of the [`NEEDED`] rights the login lacks: `INSERT ON payment_monitor_results`. A
/// relation that is not there is lacked too.
pub async fn missing_rights(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let pairs = NEEDED.iter().flat_map(|(name, rights)| rights.iter().map(|r| (*name, *r)));
    let (relations, rights): (Vec<_>, Vec<_>) =
        pairs.map(|(name, right)| (name.to_owned(), right.to_owned())).unzip();
    sqlx::query_scalar!(
        r#"SELECT wanted || ' ON ' || relation AS "lacked!"
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (relation, wanted, position)
        WHERE NOT coalesce(has_table_privilege(to_regclass(relation), wanted), false)
        ORDER BY position"#,
        &relations,
        &rights
    )
    .fetch_all(connection)
    .await
}

/// A session that holds the run lock.
#[derive(Debug)]
pub struct Holder {
    pub session: i32,
    /// Not seen where the session is of another role.
    pub name: Option<String>,
}

/// Who holds the run lock, as this session sees it.
pub async fn run_lock_holder(connection: &mut PgConnection) -> sqlx::Result<Option<Holder>> {
    sqlx::query_as!(
        Holder,
        r#"SELECT l.pid AS "session!", a.application_name AS "name?"
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (l.classid::bigint << 32) | l.objid::bigint = $1"#,
        RUN_LOCK
    )
    .fetch_optional(connection)
    .await
}

/// The key that a doctor with this session tries: another doctor at the same time has another.
pub fn lock_key(session: i32) -> i64 {
    DOCTOR_LOCK.wrapping_add(i64::from(session))
}

/// Bounds how long statements of this transaction wait for a lock.
pub async fn wait_at_most(connection: &mut PgConnection, time: Duration) -> sqlx::Result<()> {
    sqlx::query!("SELECT set_config('lock_timeout', $1, true)", time.as_millis().to_string())
        .fetch_one(connection)
        .await
        .map(drop)
}

/// Holds a row as an operation holds its run's: the schedule's, the one row that is always there
/// and that no run locks. False where it is not there.
pub async fn hold_fence(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT true AS "held!" FROM payment_monitor_schedule WHERE is_only FOR SHARE"#
    )
    .fetch_optional(connection)
    .await
    .map(|held| held.is_some())
}

/// Changes that row, to what it is, as the end of a run changes the run's: waits for whoever
/// holds it. The caller rolls back.
pub async fn pass_fence(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"UPDATE payment_monitor_schedule SET every = every WHERE is_only RETURNING true AS "it!""#
    )
    .fetch_optional(connection)
    .await
    .map(|changed| changed.is_some())
}

/// For how many months, this one first and without a gap, there are partitions of plan and
/// results.
pub async fn months_of_partitions(connection: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(min(n), $1) AS "months!"
        FROM generate_series(0, $1 - 1) n,
            unnest(ARRAY['payment_monitor_operations', 'payment_monitor_results']) parent
        WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass(parent)
            AND inhrelid = to_regclass(parent || to_char(
                date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month',
                '_YYYYMM')))"#,
        MONTHS_MAX
    )
    .fetch_one(connection)
    .await
}

/// The database's time.
pub async fn time(connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(connection).await
}
