//! Connections to the ledger's database: where, as whom, with which limits, and what it means
//! when there is none. A password never leaves this file.

use super::error::{DatabaseError, brief};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

/// How long a statement may take, except those that read or stage a whole side.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a statement waits for a lock.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may be idle.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long opening a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The ledger's database, as one program's name connects to it.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place())
    }
}

impl Database {
    /// Reads a `DATABASE_URL`.
    ///
    /// # Errors
    /// [`DatabaseError::Url`], which never quotes the URL: it holds a password.
    pub fn new(url: &SecretString) -> Result<Self, DatabaseError> {
        let text = url.expose_secret();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseError::Url("it is not a postgres:// URL".to_owned()));
        }
        if let Some(why) = misread(text) {
            return Err(DatabaseError::Url(why));
        }
        let options = PgConnectOptions::from_str(text)
            .map_err(|e| DatabaseError::Url(without_url(&e, text)))?
            .application_name("payment-monitor")
            .options([("timezone", "UTC"), ("client_min_messages", "warning")])
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// The same database under the name by which the server knows a run's connections, with the
    /// limits that keep a process that is paused from holding anything for ever.
    #[must_use]
    pub fn named(&self, application_name: &str) -> Self {
        let millis = |limit: Duration| limit.as_millis().to_string();
        let limits = [
            ("statement_timeout", millis(STATEMENT_TIMEOUT)),
            ("lock_timeout", millis(LOCK_TIMEOUT)),
            // Below the 30 s after which a paused process loses the run lock.
            ("idle_in_transaction_session_timeout", millis(IDLE_TIMEOUT)),
        ];
        let options = self.options.clone().application_name(application_name);
        Self { options: options.options(limits) }
    }

    /// Host, port and database, without any secret.
    pub fn place(&self) -> String {
        let host = self.options.get_host();
        let (port, name) = (self.options.get_port(), self.database());
        format!("the database {name} at {host}:{port}")
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.user())
    }

    /// The host and port, for span attributes.
    pub fn address(&self) -> (&str, u16) {
        (self.options.get_host(), self.options.get_port())
    }

    fn user(&self) -> &str {
        self.options.get_username()
    }

    /// Opens one connection.
    ///
    /// # Errors
    /// What stands in the way, told so that a person knows what to do.
    pub async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        let opening = PgConnection::connect_with(&self.options);
        match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => Err(self.unreachable("no answer within 10 s".to_owned())),
        }
    }

    /// A pool that opens at most `size` connections. It sends the same few statements again and
    /// again, each of which has one good plan: planning them anew takes up to a third of their
    /// time, and PostgreSQL left alone does so.
    pub fn pool(&self, size: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .connect_lazy_with(
                self.options.clone().options([("plan_cache_mode", "force_generic_plan")]),
            )
    }

    /// Tells what an error of this database means.
    pub fn explain(&self, error: &sqlx::Error) -> DatabaseError {
        let place = self.place();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some("28P01" | "28000") => DatabaseError::Login { place, user: self.user().to_owned() },
            Some("3D000") => DatabaseError::NoDatabase { place, name: self.database().to_owned() },
            // A prepared statement that is there already, or not: somebody else's session.
            Some("42P05" | "26000") => DatabaseError::Pooler { place },
            Some("53300") => DatabaseError::TooManyConnections { place },
            Some("42501") => {
                let what = error.as_database_error().map_or("", |e| e.message()).to_owned();
                DatabaseError::Privilege { user: self.user().to_owned(), what }
            }
            Some("25006") => DatabaseError::ReadOnly { place },
            Some("53100") => DatabaseError::DiskFull,
            _ => self.unreachable(brief(error)),
        }
    }

    fn unreachable(&self, why: String) -> DatabaseError {
        DatabaseError::Unreachable { place: self.place(), why }
    }
}

/// Why a URL would be read otherwise than it was meant: an unencoded `/`, `?` or `#` in the
/// password ends what the URL takes for the address, and the rest of the password is taken for
/// a database's name, which errors quote.
fn misread(url: &str) -> Option<String> {
    let (_, url) = url.split_once("://")?;
    let end = url.find(['/', '?', '#'])?;
    url[end..].contains('@').then(|| {
        "an @ follows a /, ? or #, as if it were part of the password: write them as %40, %2F, \
         %3F and %23 there"
            .to_owned()
    })
}

/// The driver's words about a bad URL, with the URL itself taken out should it be quoted.
fn without_url(error: &sqlx::Error, url: &str) -> String {
    error.to_string().replace(url, "<url>")
}

/// Refuses a server on which a run can't be made: a replica, or one that is read-only. Gives
/// the schema that names without one are looked up in.
///
/// # Errors
/// [`DatabaseError::Replica`] or [`DatabaseError::ReadOnly`].
pub async fn require_writable(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<String, DatabaseError> {
    let row = sqlx::query!(
        r#"SELECT pg_is_in_recovery() AS "replica!",
            coalesce(current_schema()::text, 'none') AS "schema!",
            current_setting('transaction_read_only') AS "read_only!""#
    )
    .fetch_one(connection)
    .await
    .map_err(|e| database.explain(&e))?;
    if row.replica {
        return Err(DatabaseError::Replica { place: database.place() });
    }
    if row.read_only == "on" {
        return Err(DatabaseError::ReadOnly { place: database.place() });
    }
    Ok(row.schema)
}
