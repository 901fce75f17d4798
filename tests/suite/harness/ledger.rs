//! A ledger of a test's own, on the one server, with an independent record of its changes.

use super::record;
use payment_monitor::postgres::{HOST, Options, PrivateServer, SUPERUSER};
use payment_monitor::run::{Report, Request, run};
use payment_monitor::store::{Database, schema, seed};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

static SERVER: OnceCell<Arc<PrivateServer>> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

const TEMPLATE: &str = "ledger_template";
/// How long a test waits for a condition before it gives up.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
/// The login that the job runs as: never the owner.
pub const WRITER: &str = "job";

/// A database with the schema, and nothing in it.
pub struct Ledger {
    name: String,
    pub admin: PgConnection,
    server: Arc<PrivateServer>,
    /// Where its primary listens.
    port: u16,
}

impl Ledger {
    /// Makes one.
    pub async fn empty() -> Self {
        Self::copy_of(TEMPLATE).await
    }

    /// Makes one like another that nobody is connected to (see [`Ledger::into_template`]).
    pub async fn copy_of(template: &str) -> Self {
        let server = SERVER.get_or_init(start).await;
        Self::copy_on(Arc::clone(server), template).await
    }

    /// Makes one on a server of its own.
    pub async fn on_its_own_server() -> Self {
        Self::copy_on(start().await, TEMPLATE).await
    }

    /// Makes another one on the same server.
    pub async fn beside(&self) -> Self {
        Self::copy_on(Arc::clone(&self.server), TEMPLATE).await
    }

    async fn copy_on(server: Arc<PrivateServer>, template: &str) -> Self {
        let name = format!("ledger_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let port = server.port();
        let mut maintenance = connect(&server, port, "postgres").await;
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        // Another test may be copying the template at this very moment.
        while let Err(error) =
            sqlx::raw_sql(AssertSqlSafe(create.clone())).execute(&mut maintenance).await
        {
            assert!(error.to_string().contains("being accessed"), "{error}");
            tokio::task::yield_now().await;
        }
        let admin = connect(&server, port, &name).await;
        Self { name, admin, server, port }
    }

    /// Closes it, so that it can be copied; gives its name.
    pub async fn into_template(self) -> String {
        self.admin.close().await.unwrap();
        self.name
    }

    /// Removes it, whoever is still connected.
    pub async fn remove(self) {
        self.admin.close().await.unwrap();
        let mut maintenance = connect(&self.server, self.port, "postgres").await;
        let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        sqlx::raw_sql(drop).execute(&mut maintenance).await.unwrap();
    }

    /// Makes one with users 1 to `users`, of whom user n is customer `cus_n`.
    pub async fn with_users(users: i64) -> Self {
        let mut ledger = Self::empty().await;
        ledger.add_users(users).await;
        ledger
    }

    /// Adds users 1 to `users`, of whom user n is customer `cus_n`.
    pub async fn add_users(&mut self, users: i64) {
        let insert = format!(
            "INSERT INTO users (id, provider_customer_id, email, created_at)
            SELECT n, 'cus_' || n, 'user' || n || '@example.com', '2026-01-01'
            FROM generate_series(1, {users}) n"
        );
        self.sql(&insert).await;
    }

    /// Asks nobody for a password any more, on the whole server. A login by SCRAM takes most of
    /// the time that an unoptimized program needs.
    pub async fn trust_logins(&mut self) {
        let rules = self.server.data_dir().join("pg_hba.conf");
        let trust = |database| format!("host {database} all {HOST}/32 trust\n");
        std::fs::write(rules, trust("all") + &trust("replication")).unwrap();
        self.sql("SELECT pg_reload_conf()").await;
    }

    pub fn server(&self) -> &PrivateServer {
        &self.server
    }

    /// Connects again, to the port where its primary is now.
    pub async fn reconnect(&mut self, port: u16) {
        self.port = port;
        self.admin = self.connect().await;
    }

    /// One more connection of the superuser's.
    pub async fn connect(&self) -> PgConnection {
        self.connect_at(self.port).await
    }

    /// One to a server that is not the primary.
    pub async fn connect_at(&self, port: u16) -> PgConnection {
        connect(&self.server, port, &self.name).await
    }

    /// Does something that holds a lock, in a transaction that stays open.
    pub async fn hold(&self, statement: &str) -> Holder {
        let mut holder = Holder(self.connect().await);
        holder.does("SET idle_in_transaction_session_timeout = 0").await;
        holder.does("BEGIN").await;
        holder.does(statement).await;
        holder
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL that the job connects to.
    pub fn url(&self) -> String {
        self.url_at(&[self.port])
    }

    /// The same with several hosts, of which the job finds the primary.
    pub fn url_at(&self, ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("{HOST}:{port}")).collect();
        let (password, name) = (self.server.password(), &self.name);
        format!("postgres://{WRITER}:{password}@{}/{name}", hosts.join(","))
    }

    pub fn database(&self) -> Database {
        Database::new(&SecretString::from(self.url())).unwrap()
    }

    /// Executes statements as the superuser, that is, as the company.
    pub async fn sql(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.admin).await.unwrap();
    }

    /// One text value, as the superuser sees it.
    pub async fn text(&mut self, query: &str) -> String {
        let query = AssertSqlSafe(format!("SELECT ({query})::text"));
        let row = sqlx::query(query).fetch_one(&mut self.admin).await.unwrap();
        row.get::<Option<String>, _>(0).unwrap_or_else(|| "NULL".to_owned())
    }

    /// One number, as the superuser sees it.
    pub async fn number(&mut self, query: &str) -> i64 {
        self.text(query).await.parse().unwrap()
    }

    /// Waits until so many of the job's sessions wait for a lock. Watched from a connection of
    /// its own: inside a transaction PostgreSQL shows the same sessions for ever.
    pub async fn until_sessions_wait(&self, sessions: i64) {
        let mut watcher = self.connect().await;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND usename = 'job' AND wait_event_type = 'Lock'";
        let enough = async {
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap()
                < sessions
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("no session waits for a lock");
    }

    /// Does a run of its own environment.
    pub async fn run(&self, request: Request) -> Report {
        let (environment, _stopper) = super::environment(self);
        run(&environment, request).await.unwrap()
    }

    /// What must hold whatever has happened: every change in the ledger has exactly one
    /// `applied` result and every such result exactly one change; totals are counts.
    pub async fn assert_invariants(&mut self) {
        for (query, what) in record::VIOLATIONS {
            assert_eq!(self.number(query).await, 0, "{what}");
        }
    }

    /// The part of it that needs no record but the program's.
    pub async fn assert_counts(&mut self) {
        for (query, what) in &record::VIOLATIONS[1..] {
            assert_eq!(self.number(query).await, 0, "{what}");
        }
    }
}

/// Somebody else, in the middle of a transaction.
pub struct Holder(PgConnection);

impl Holder {
    pub async fn does(&mut self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut self.0).await.unwrap();
    }

    /// Commits.
    pub async fn let_go(mut self) {
        self.does("COMMIT").await;
    }
}

async fn connect(server: &PrivateServer, port: u16, database: &str) -> PgConnection {
    let password = server.password();
    let url = format!("postgres://{SUPERUSER}:{password}@{HOST}:{port}/{database}");
    Database::new(&SecretString::from(url)).unwrap().named("company").connect().await.unwrap()
}

async fn start() -> Arc<PrivateServer> {
    let server = PrivateServer::start(Options::default()).await.unwrap();
    let mut maintenance = connect(&server, server.port(), "postgres").await;
    seed::create_database(&mut maintenance, TEMPLATE).await.unwrap();
    let mut template = connect(&server, server.port(), TEMPLATE).await;
    let url = SecretString::from(server.url(SUPERUSER, TEMPLATE));
    schema::migrate(&mut template, &Database::new(&url).unwrap()).await.unwrap();
    sqlx::raw_sql(record::INDEPENDENT_RECORD).execute(&mut template).await.unwrap();
    seed::create_writer(&mut maintenance, WRITER, server.password()).await.unwrap();
    Arc::new(server)
}
