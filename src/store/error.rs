//! What a database error means: for the operation that met it, and for the person who reads it.

use sqlx::error::DatabaseError as DriverError;
use std::borrow::Cow;

/// What an error means for the operation that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection, the server or another transaction got in the way: try again with the
    /// same id.
    Transient,
    /// Other transactions kept this one from its row: try again with the same id, and if that
    /// goes on for long, let it be.
    Contended(String),
    /// The operation's result exists already: an earlier attempt was committed.
    AlreadyRecorded,
    /// The database refused this change, and would refuse it again.
    Refused(String),
    /// Nothing can be written here at all: trying other operations makes no sense.
    Unwritable(String),
}

impl Fault {
    /// Whether the same may succeed a moment later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Transient | Self::Contended(_))
    }
}

/// Tells what an error means for the operation that met it.
///
/// Codes are PostgreSQL's (appendix A of its manual); class 40 includes the serialization
/// failures of engines that speak its language.
pub fn fault(error: &sqlx::Error) -> Fault {
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Fault::Transient,
            other => Fault::Unwritable(other.to_string()),
        };
    };
    let code = database.code().unwrap_or(Cow::Borrowed("XX000"));
    let table = database.table().unwrap_or_default();
    match &*code {
        "23505" if table.starts_with("payment_monitor_results") => Fault::AlreadyRecorded,
        "25006" => Fault::Unwritable("the database is read-only (25006)".to_owned()),
        // Lock and statement timeouts; serialization failures and deadlocks.
        "55P03" | "57014" => Fault::Contended(refusal(database)),
        code if code.starts_with("40") => Fault::Contended(refusal(database)),
        // A transaction ended by the server, for being idle.
        "25P03" => Fault::Transient,
        code if matches!(&code[..2], "08" | "53") || code.starts_with("57P") => Fault::Transient,
        _ => Fault::Refused(refusal(database)),
    }
}

/// SQLSTATE, constraint and table: what names the refusal, and never a row's values (which
/// PostgreSQL quotes in its messages and details).
fn refusal(error: &dyn DriverError) -> String {
    let code = error.code().unwrap_or(Cow::Borrowed("XX000"));
    let mut text = match condition(&code) {
        Some(name) => format!("{code} {name}"),
        None => code.into_owned(),
    };
    if let Some(constraint) = error.constraint() {
        text = format!("{text}: constraint {constraint}");
    }
    if let Some(table) = error.table() {
        text = format!("{text} of {table}");
    }
    text
}

/// The condition's name for the codes that people meet most.
fn condition(code: &str) -> Option<&'static str> {
    Some(match code {
        "22001" => "string_data_right_truncation",
        "22003" => "numeric_value_out_of_range",
        "22P02" => "invalid_text_representation",
        "23502" => "not_null_violation",
        "23503" => "foreign_key_violation",
        "23505" => "unique_violation",
        "23514" => "check_violation",
        "23P01" => "exclusion_violation",
        "40001" => "serialization_failure",
        "40P01" => "deadlock_detected",
        "42501" => "insufficient_privilege",
        "55P03" => "lock_not_available",
        "57014" => "query_canceled",
        "P0001" => "raise_exception",
        _ => return None,
    })
}

/// An error that ends a command or a run, told so that a person knows what to do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("DATABASE_URL can't be read: {0}; write postgres://user:password@host:5432/database")]
    Url(String),
    #[error("{place} can't be reached: {why}; is the server up, and is the address right?")]
    Unreachable { place: String, why: String },
    #[error("{place} refuses the login of user {user}: check the user's name and password")]
    Login { place: String, user: String },
    #[error(
        "{place} does not let user {user} in: {why}; this host may need a line in its pg_hba.conf, \
             or the URL another sslmode"
    )]
    NotAllowed { place: String, user: String, why: String },
    #[error("{place} has no database {name:?}: create it, then run `payment-monitor migrate`")]
    NoDatabase { place: String, name: String },
    #[error(
        "{place} has no connection left (SQLSTATE 53300): lower --concurrency, or raise \
             max_connections"
    )]
    TooManyConnections { place: String },
    #[error(
        "{place} is a read replica: connect to the primary, because only there can be \
             written and only there is it seen whether a run is going on"
    )]
    Replica { place: String },
    #[error(
        "{place} is read-only (default_transaction_read_only is on): this role or database \
             must be allowed to write"
    )]
    ReadOnly { place: String },
    #[error(
        "{place} goes through a pooler in transaction mode, where a session's lock means \
             nothing: connect to PostgreSQL itself, or to a pool in session mode"
    )]
    Pooler { place: String },
    #[error(
        "the database is not migrated (schema version {found}, this program needs {needed}): \
             run `payment-monitor migrate` with the owner's login"
    )]
    NotMigrated { found: i64, needed: i64 },
    #[error(
        "the database's schema is version {found}, newer than this program knows ({needed}): \
             install the newer payment-monitor"
    )]
    Newer { found: i64, needed: i64 },
    #[error(
        "migrating: {by} for longer than {seconds} s; what had been begun is rolled back: run \
             `payment-monitor migrate` again when that is over"
    )]
    Blocked { by: &'static str, seconds: u64 },
    #[error(
        "{doing} as {user}: {why}; log in as the owner of the database and of the company's \
             tables, who also has CREATEROLE"
    )]
    NotOwner { doing: &'static str, user: String, why: String },
    #[error(
        "role {user} may not {what}: grant it payment_monitor_writer \
             (`GRANT payment_monitor_writer TO {user}`)"
    )]
    Privilege { user: String, what: String },
    #[error(
        "the database has no space left (SQLSTATE 53100): free some, then run again; \
             nothing was left half-done"
    )]
    DiskFull,
    #[error("{doing}: {why}")]
    Query {
        doing: &'static str,
        why: String,
        // Not its source: `why` says the same in better words.
        cause: sqlx::Error,
    },
}

impl DatabaseError {
    /// Names what was being done when a query failed.
    pub fn query(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |cause| match cause.as_database_error().and_then(DriverError::code).as_deref() {
            Some("53100") => Self::DiskFull,
            _ => Self::Query { doing, why: brief(&cause), cause },
        }
    }
}

/// An error in a few words: PostgreSQL's own message with its code, or the driver's.
pub fn brief(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(e) => format!("{} (SQLSTATE {})", e.message(), e.code().unwrap_or_default()),
        None => error.to_string(),
    }
}
