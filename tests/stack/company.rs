//! The ledger of a company on a private PostgreSQL, which logs as a deployment's would, and the
//! job as cron runs it.

use crate::network::Host;
use crate::servers::{Hosts, repository};
use crate::statement::{Charge, Listing};
use payment_monitor::postgres::{Options, PrivateServer, SUPERUSER};
use payment_monitor::store::{Database, schema, seed};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Child;

const DATABASE: &str = "shop";
const JOB: &str = "job";
const MONITOR: &str = "payment_monitor_metrics";
pub const USERS: i64 = 10;

pub struct Company {
    pub server: PrivateServer,
    pub admin: PgConnection,
    /// Where the job runs, and the database.
    job: Host,
    database: Host,
}

impl Company {
    /// The schema, ten users, and a rule that refuses a charge of nothing.
    pub async fn found(hosts: &Hosts, folder: &Path) -> Self {
        let Hosts { job, database, .. } = hosts;
        let server = start_server(database, folder).await;
        let at = |name| url(&server, database, SUPERUSER, name);
        let mut maintenance = connect(&at("postgres")).await;
        seed::create_database(&mut maintenance, DATABASE).await.unwrap();
        let mut admin = connect(&at(DATABASE)).await;
        schema::migrate(&mut admin, &Database::new(&at(DATABASE)).unwrap()).await.unwrap();
        seed::create_writer(&mut maintenance, JOB, server.password()).await.unwrap();
        let (job, database) = (job.clone(), database.clone());
        let mut company = Self { server, admin, job, database };
        let role = std::fs::read_to_string(repository("otel/monitoring-role.sql")).unwrap();
        company.sql(&role).await;
        let password = company.server.password().to_owned();
        company.sql(&format!("ALTER ROLE {MONITOR} PASSWORD '{password}'")).await;
        let users = format!(
            "INSERT INTO users (id, provider_customer_id, email, created_at)
            SELECT n, 'cus_' || n, 'user' || n || '@example.com', '2026-01-01'
            FROM generate_series(1, {USERS}) n;
            ALTER TABLE payments ADD CONSTRAINT no_charge_of_nothing CHECK (amount_minor > 0)"
        );
        company.sql(&users).await;
        company
    }

    pub async fn sql(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.admin).await.unwrap();
    }

    pub async fn text(&mut self, query: &str) -> String {
        let query = AssertSqlSafe(format!("SELECT ({query})::text"));
        sqlx::query(query).fetch_one(&mut self.admin).await.unwrap().get(0)
    }

    pub async fn number(&mut self, query: &str) -> u64 {
        self.text(query).await.parse().unwrap()
    }

    /// How the collector on the database's host connects.
    pub fn monitored_by(&self) -> String {
        let (port, password) = (self.server.port(), self.server.password());
        format!(
            "host=127.0.0.1 port={port} dbname={DATABASE} user={MONITOR} password={password} \
             sslmode=disable"
        )
    }

    pub fn log(&self) -> PathBuf {
        self.server.data_dir().join("log/postgresql.json")
    }

    /// Starts a command of the job on its host.
    pub fn start(&self, arguments: &[&str], endpoint: &str) -> Going {
        let program = assert_cmd::cargo::cargo_bin!("payment-monitor");
        let mut command = self.job.command(Path::new(program));
        command
            .args(["--output", "json"])
            .args(arguments)
            .env("DATABASE_URL", self.url(JOB).expose_secret())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        Going(command.kill_on_drop(true).spawn().unwrap())
    }

    fn url(&self, user: &str) -> SecretString {
        url(&self.server, &self.database, user, DATABASE)
    }
}

/// A statement of `charges` charges, of which the seventh is refused and the eighth has failed;
/// `prefix` makes them others than those of the last run.
pub fn statement(prefix: &str, charges: i64, folder: &Path) -> PathBuf {
    let charge = |n: i64| {
        let charge = Charge::new(&format!("ch_{prefix}_{n}"), n % 700)
            .with("customer", format!("cus_{}", n % USERS + 1));
        match n {
            7 => charge.with("amount", 0),
            8 => charge.failed("card_declined"),
            _ => charge,
        }
    };
    let folder = folder.join(prefix);
    std::fs::create_dir(&folder).unwrap();
    Listing::of((1..=charges).map(charge)).write(&folder)
}

async fn start_server(host: &Host, folder: &Path) -> PrivateServer {
    let mut settings = vec![
        ("logging_collector", "on".to_owned()),
        ("log_destination", "jsonlog".to_owned()),
        ("log_filename", "postgresql.log".to_owned()), // .json is put in its place
    ];
    if host.is_apart() {
        let rules = folder.join("pg_hba.conf");
        std::fs::write(&rules, "host all all 0.0.0.0/0 scram-sha-256\n").unwrap();
        settings.push(("listen_addresses", "*".to_owned()));
        settings.push(("hba_file", rules.display().to_string()));
    }
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let options = Options { settings, ..Options::default() };
    host.does(async || PrivateServer::start(options).await.unwrap()).await
}

fn url(server: &PrivateServer, host: &Host, user: &str, database: &str) -> SecretString {
    let (password, address, port) = (server.password(), host.address, server.port());
    SecretString::from(format!("postgres://{user}:{password}@{address}:{port}/{database}"))
}

async fn connect(url: &SecretString) -> PgConnection {
    Database::new(url).unwrap().named("company").connect().await.unwrap()
}

/// A command of the job that goes on.
pub struct Going(Child);

impl Going {
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Waits for its end; gives what it printed for machines.
    pub async fn ends(self) -> Run {
        let output = self.0.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Run {
            document: serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}")),
            code: output.status.code().expect("no signal"),
            said,
        }
    }
}

/// What the job said of its run.
pub struct Run {
    pub document: Value,
    pub code: i32,
    /// On standard error.
    pub said: String,
}

impl Run {
    pub fn id(&self) -> &str {
        self.document["run_id"].as_str().unwrap()
    }

    pub fn trace(&self) -> &str {
        self.document["trace_id"].as_str().unwrap()
    }

    pub fn spans_made(&self) -> u64 {
        self.document["telemetry"]["traces"]["made"].as_u64().unwrap()
    }

    /// All of its spans are with the agent, on disk from then on.
    pub fn assert_delivered(&self) {
        for signal in ["traces", "metrics", "logs"] {
            let account = &self.document["telemetry"][signal];
            assert_eq!(account["made"], account["acknowledged"], "{signal}: {account}");
        }
    }
}
