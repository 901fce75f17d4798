//! Connections to the ledger's database: to which of its hosts, as whom, with which limits, and
//! what it means when there is none.

use super::address;
use super::error::{DatabaseError, brief};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::io;
use std::time::Duration;

/// How long a statement may take, except those that read or stage a whole side.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a statement waits for a lock.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may be idle.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the server keeps a session whose end of the network is silent.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);
/// How long opening a connection to one host may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The ledger's database, as one program's name connects to it.
#[derive(Clone)]
pub struct Database {
    /// The server and its replicas; not empty.
    places: Vec<PgConnectOptions>,
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
        Ok(Self { places: address::places(url.expose_secret())? })
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
            // Or PostgreSQL keeps a session for two hours after the network to it has gone silent.
            ("tcp_keepalives_idle", "15".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "6".to_owned()),
            ("tcp_user_timeout", millis(SILENCE_TIMEOUT)),
            // Compiling a query takes longer than most of a run's do.
            ("jit", "off".to_owned()),
        ];
        self.with(|place| place.application_name(application_name).options(limits.clone()))
    }

    /// The same database for who sends the same few statements again and again, each of which
    /// has one good plan: planning them anew takes up to a third of their time, and PostgreSQL
    /// left alone does so.
    #[must_use]
    pub fn for_operations(&self) -> Self {
        self.with(|place| place.options([("plan_cache_mode", "force_generic_plan")]))
    }

    fn with(&self, change: impl Fn(PgConnectOptions) -> PgConnectOptions) -> Self {
        Self { places: self.places.iter().cloned().map(change).collect() }
    }

    /// Hosts, ports and database, without any secret.
    pub fn place(&self) -> String {
        let hosts: Vec<String> = self.places.iter().map(host).collect();
        format!("the database {} at {}", self.database(), hosts.join(","))
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        self.places[0].get_database().unwrap_or_else(|| self.user())
    }

    /// The first host and port, for span attributes.
    pub fn address(&self) -> (&str, u16) {
        (self.places[0].get_host(), self.places[0].get_port())
    }

    fn user(&self) -> &str {
        self.places[0].get_username()
    }

    /// Opens one connection.
    ///
    /// # Errors
    /// What stands in the way, told so that a person knows what to do.
    pub async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        self.open().await.map_err(|error| self.explain(&error))
    }

    /// Opens one connection; where there are several hosts, to the first that is a primary.
    ///
    /// # Errors
    /// The driver's, for who decides by it whether to try again.
    pub async fn open(&self) -> sqlx::Result<PgConnection> {
        if let [place] = &self.places[..] {
            return open_at(place).await;
        }
        let mut found = Vec::new();
        let mut refused = None;
        for place in &self.places {
            let opening = tokio::time::timeout(CONNECT_TIMEOUT, open_primary_at(place));
            match opening.await.unwrap_or_else(|_| Err(no_answer())) {
                Ok(Some(connection)) => return Ok(connection),
                Ok(None) => found.push(format!("{} is a read replica", host(place))),
                Err(error) => {
                    found.push(format!("{}: {}", host(place), brief(&error)));
                    // A login that is refused, or no connection left: that is to be told, unless
                    // another host is the primary.
                    refused = refused.or_else(|| is_answer(&error).then_some(error));
                }
            }
        }
        let none =
            || sqlx::Error::Io(io::Error::other(format!("no primary: {}", found.join("; "))));
        Err(refused.unwrap_or_else(none))
    }

    /// Tells what an error of this database means.
    pub fn explain(&self, error: &sqlx::Error) -> DatabaseError {
        let place = self.place();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some("28P01") => DatabaseError::Login { place, user: self.user().to_owned() },
            Some("28000") => {
                let why = brief(error);
                DatabaseError::NotAllowed { place, user: self.user().to_owned(), why }
            }
            Some("3D000") => DatabaseError::NoDatabase { place, name: self.database().to_owned() },
            // A prepared statement that is there already, or not: somebody else's session.
            Some("42P05" | "26000") => DatabaseError::Pooler { place },
            Some("53300") => DatabaseError::TooManyConnections { place },
            Some("42501") => {
                let told = error.as_database_error().map_or("", |e| e.message());
                let what = told.replace("permission denied for", "use");
                DatabaseError::Privilege { user: self.user().to_owned(), what }
            }
            Some("25006") => DatabaseError::ReadOnly { place },
            Some("53100") => DatabaseError::DiskFull,
            _ => self.unreachable(brief(error)),
        }
    }

    /// Tells why the schema was not changed.
    pub fn explain_change(&self, doing: &'static str, error: sqlx::Error) -> DatabaseError {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some("42501") {
            let (user, why) = (self.user().to_owned(), brief(&error));
            return DatabaseError::NotOwner { doing, user, why };
        }
        DatabaseError::query(doing)(error)
    }

    fn unreachable(&self, why: String) -> DatabaseError {
        DatabaseError::Unreachable { place: self.place(), why }
    }
}

/// Whether a server has answered, and not that it is starting or stopping (class 57).
fn is_answer(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("57"))
}

fn host(place: &PgConnectOptions) -> String {
    format!("{}:{}", place.get_host(), place.get_port())
}

async fn open_at(place: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let opening = PgConnection::connect_with(place);
    tokio::time::timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> sqlx::Error {
    let why = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, why))
}

async fn open_primary_at(place: &PgConnectOptions) -> sqlx::Result<Option<PgConnection>> {
    let mut connection = open_at(place).await?;
    let is_replica = sqlx::query_scalar!(r#"SELECT pg_is_in_recovery() AS "replica!""#)
        .fetch_one(&mut connection)
        .await?;
    Ok((!is_replica).then_some(connection))
}

/// The schema that names without one are looked up in.
///
/// # Errors
/// The database.
pub async fn current_schema(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<String, DatabaseError> {
    sqlx::query_scalar!(r#"SELECT coalesce(current_schema()::text, 'none') AS "schema!""#)
        .fetch_one(connection)
        .await
        .map_err(|e| database.explain(&e))
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
