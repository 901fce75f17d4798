//! The private server with the ledgers that are measured, made by SQL: row n of the ledger is
//! row n of the statement.

use crate::job::Cores;
use payment_monitor::postgres::{Options, PrivateServer, SUPERUSER};
use payment_monitor::store::{Database, schema, seed};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The login that the job and pgbench run as: what it may do is part of what it costs.
pub const WRITER: &str = "job";
const TEMPLATE: &str = "bench_template";
/// A checkpoint in the middle of one side's turn would be counted against it.
const SETTINGS: [(&str, &str); 2] = [("max_wal_size", "8GB"), ("checkpoint_timeout", "1h")];

/// How many users a ledger of so many payments has.
pub fn users(payments: u64) -> u64 {
    (payments / 20).max(1)
}

/// A server with a migrated, empty ledger to copy, and a folder for statements.
pub struct Company {
    server: PrivateServer,
    folder: TempDir,
    maintenance: PgConnection,
}

impl Company {
    pub async fn start() -> anyhow::Result<Self> {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options { settings: settings.to_vec(), ..Options::default() };
        let server = PrivateServer::start(options).await?;
        let mut maintenance = connect(&server, "postgres").await?;
        seed::create_database(&mut maintenance, TEMPLATE).await?;
        let mut template = connect(&server, TEMPLATE).await?;
        let url = SecretString::from(server.url(SUPERUSER, TEMPLATE));
        schema::migrate(&mut template, &Database::new(&url)?).await?;
        seed::create_writer(&mut maintenance, WRITER, server.password()).await?;
        Ok(Self { server, folder: tempfile::tempdir()?, maintenance })
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.server.stop().await?)
    }

    pub fn server(&self) -> &PrivateServer {
        &self.server
    }

    /// Where statements are written.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the figures depend on: server, its settings, cores.
    pub async fn described(&mut self) -> anyhow::Result<String> {
        let settings = text(
            &mut self.maintenance,
            "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
                || string_agg(', ' || name || '=' || current_setting(name), '' ORDER BY name)
            FROM unnest(ARRAY['fsync', 'synchronous_commit', 'full_page_writes',
                'shared_buffers', 'autovacuum']) name",
        );
        Ok(format!("{}; {} cores", settings.await?, std::thread::available_parallelism()?))
    }

    /// Whether commits wait for the disk, as a company's do. The others of these benchmarks don't.
    pub async fn set_durable(&mut self, is_durable: bool) -> anyhow::Result<()> {
        let value = if is_durable { "on" } else { "off" };
        for setting in ["fsync", "full_page_writes"] {
            let set = format!("ALTER SYSTEM SET {setting} = {value}");
            sql(&mut self.maintenance, &set).await?;
        }
        sql(&mut self.maintenance, "SELECT pg_reload_conf()").await?;
        // The server's processes are told one after the other.
        while text(&mut self.maintenance, "current_setting('full_page_writes')").await? != value {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Keeps the server on certain cores: its processes, and those that it will start.
    pub async fn keep_on(&mut self, cores: &Cores) -> anyhow::Result<()> {
        let processes = "(SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)
            || string_agg(' ' || pid, '') FROM pg_stat_activity)";
        let processes = text(&mut self.maintenance, processes).await?;
        processes.split(' ').try_for_each(|pid| cores.keep(pid))
    }

    /// A new database with the schema and nothing in it, opened as its owner.
    pub async fn empty(&mut self, name: &str) -> anyhow::Result<PgConnection> {
        self.copy(TEMPLATE, name).await
    }

    /// A new database that is like another one, opened as its owner.
    pub async fn copy(&mut self, from: &str, to: &str) -> anyhow::Result<PgConnection> {
        let create = format!("CREATE DATABASE {to} TEMPLATE {from} STRATEGY file_copy");
        sql(&mut self.maintenance, &create).await?;
        connect(&self.server, to).await
    }

    pub async fn drop(&mut self, name: &str) -> anyhow::Result<()> {
        sql(&mut self.maintenance, &format!("DROP DATABASE {name} WITH (FORCE)")).await
    }

    /// The URL that the job connects to.
    pub fn url(&self, database: &str) -> String {
        self.server.url(WRITER, database)
    }
}

/// Fills a ledger with users, and with payments 1 to `rows`.
pub async fn fill(ledger: &mut PgConnection, rows: u64) -> anyhow::Result<()> {
    add_users(ledger, rows).await?;
    let users = users(rows);
    let insert = format!(
        "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor,
            amount_captured_minor, currency, payment_method_fingerprint, created_at, updated_at)
        SELECT 1 + n % {users}, 'ch_' || lpad(n::text, 24, '0'), 'succeeded', 1000 + n % 9000,
            1000 + n % 9000, 'USD', 'fp_' || n % {users}, at, at
        FROM (SELECT n, to_timestamp({} + n) AS at FROM generate_series(1, {rows}) n) numbered",
        crate::statement::EPOCH
    );
    sql(ledger, &insert).await?;
    sql(ledger, "VACUUM ANALYZE users, payments").await
}

/// The users that `rows` payments belong to.
pub async fn add_users(ledger: &mut PgConnection, rows: u64) -> anyhow::Result<()> {
    let insert = format!(
        "INSERT INTO users (id, provider_customer_id, email, created_at)
        SELECT n, 'cus_' || n, 'user' || n || '@example.com', '2024-01-01'
        FROM generate_series(1, {}) n",
        users(rows)
    );
    sql(ledger, &insert).await?;
    sql(ledger, "ANALYZE users").await
}

pub async fn sql(connection: &mut PgConnection, statements: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await?;
    Ok(())
}

/// One value, as text.
pub async fn text(connection: &mut PgConnection, query: &str) -> anyhow::Result<String> {
    let query = AssertSqlSafe(format!("SELECT ({query})::text"));
    Ok(sqlx::query(query).fetch_one(connection).await?.try_get(0)?)
}

async fn connect(server: &PrivateServer, database: &str) -> anyhow::Result<PgConnection> {
    let url = SecretString::from(server.url(SUPERUSER, database));
    let mut connection = Database::new(&url)?.named("company").connect().await?;
    // Filling a ledger takes longer than any statement of the job may.
    sql(&mut connection, "SET statement_timeout = 0").await?;
    Ok(connection)
}
