//! The ledger of a company on a private PostgreSQL, which logs as a deployment's would, and the
//! job as cron runs it.

use crate::servers::repository;
use crate::statement::{Charge, Listing};
use payment_monitor::postgres::{Options, PrivateServer, SUPERUSER};
use payment_monitor::store::{Database, schema, seed};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::path::{Path, PathBuf};

const DATABASE: &str = "shop";
const JOB: &str = "job";
const MONITOR: &str = "payment_monitor_metrics";
pub const USERS: i64 = 10;

pub struct Company {
    pub server: PrivateServer,
    pub admin: PgConnection,
}

impl Company {
    /// The schema, ten users, and a rule that refuses a charge of nothing.
    pub async fn found() -> Self {
        let settings = [
            ("logging_collector", "on"),
            ("log_destination", "jsonlog"),
            ("log_filename", "postgresql.log"), // .json is put in its place
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        let server =
            PrivateServer::start(Options { settings, ..Options::default() }).await.unwrap();
        let mut maintenance = connect(&server, "postgres").await;
        seed::create_database(&mut maintenance, DATABASE).await.unwrap();
        let mut admin = connect(&server, DATABASE).await;
        let url = SecretString::from(server.url(SUPERUSER, DATABASE));
        schema::migrate(&mut admin, &Database::new(&url).unwrap()).await.unwrap();
        seed::create_writer(&mut maintenance, JOB, server.password()).await.unwrap();
        let mut company = Self { server, admin };
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

    /// One run on a statement of `charges` charges, of which the seventh is refused and the eighth
    /// has failed; `prefix` makes them others than those of the last run.
    pub async fn run(&self, prefix: &str, charges: i64, endpoint: &str, folder: &Path) -> Run {
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
        let statement = Listing::of((1..=charges).map(charge)).write(&folder);
        let statement = statement.to_str().unwrap();
        let run = ["run", "--settle", "0s", "--max-changes", "none", "--statement", statement];
        Run { document: self.job(&run, endpoint).await }
    }

    /// A command of the job; gives what it prints for machines.
    pub async fn job(&self, arguments: &[&str], endpoint: &str) -> Value {
        let mut command =
            tokio::process::Command::new(assert_cmd::cargo::cargo_bin!("payment-monitor"));
        command
            .args(["--output", "json"])
            .args(arguments)
            .env("DATABASE_URL", self.server.url(JOB, DATABASE))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .kill_on_drop(true);
        let output = command.output().await.unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }
}

async fn connect(server: &PrivateServer, database: &str) -> PgConnection {
    let url = SecretString::from(server.url(SUPERUSER, database));
    Database::new(&url).unwrap().named("company").connect().await.unwrap()
}

/// What the job said of its run.
pub struct Run {
    pub document: Value,
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
