//! A company after some days with the program: runs that ended in every way there is, conflicts,
//! refusals, findings, decisions, and what waits for a person.
//!
//! Made once, by the program itself; each test looks at a copy.

use crate::harness::{Ledger, Output, Program, finish, signal};
use crate::telemetry::collector::{Behaviour, Collector};
use payment_monitor::demo::{self, Demo};
use payment_monitor::store::{Database, seed};
use secrecy::SecretString;
use sqlx::PgConnection;
use std::path::PathBuf;
use tokio::sync::OnceCell;

static WORLD: OnceCell<World> = OnceCell::const_new();

/// The login that Grafana has: it may read the views.
const READER: &str = "dashboards";

/// What is known of the scenario, and not asked of it.
pub struct World {
    template: String,
    pub demo: Demo,
    /// Runs, by what became of them.
    pub first: String,
    pub failed: String,
    pub held: String,
    pub conflicting: String,
    pub interrupted: String,
    pub dead: String,
}

/// A copy of the scenario for one test, and a connection of the reader's to it.
pub async fn world() -> (&'static World, Ledger, PgConnection) {
    let world = WORLD.get_or_init(build).await;
    let ledger = Ledger::copy_of(&world.template).await;
    let url = ledger.url().replace("//job:", &format!("//{READER}:"));
    let database = Database::new(&SecretString::from(url)).unwrap().named("grafana");
    let reader = database.connect().await.unwrap();
    (world, ledger, reader)
}

struct Stage {
    ledger: Ledger,
    program: Program,
    statement: PathBuf,
}

impl Stage {
    async fn new(demo: &Demo) -> Self {
        let mut ledger = Ledger::empty().await;
        seed::load(&mut ledger.admin, &demo.company).await.unwrap();
        seed::add_rule(&mut ledger.admin).await.unwrap();
        let program = Program::on(&ledger);
        let statement = program.folder.path().join("statement");
        std::fs::create_dir(&statement).unwrap();
        for file in &demo.statement.files {
            std::fs::write(statement.join(&file.name), &file.bytes).unwrap();
        }
        Self { ledger, program, statement }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let statement = self.statement.to_str().unwrap();
        let all = ["run", "--settle", "5m", "--concurrency", "2", "--statement", statement];
        all.iter().chain(more).copied().collect()
    }

    /// Does a run of the same statement, which ends with this code; gives its id.
    async fn run(&mut self, code: i32, more: &[&str]) -> String {
        let output = self.program.run(&self.arguments(more)).await;
        self.ended(&output, code).await
    }

    async fn ended(&mut self, output: &Output, code: i32) -> String {
        assert_eq!(output.code, code, "{}", output.all());
        self.latest().await
    }

    async fn latest(&mut self) -> String {
        self.ledger.text("SELECT run_id FROM run_summary ORDER BY run_id DESC LIMIT 1").await
    }

    /// Makes the ledger differ from the statement in so many payments, and names them.
    async fn spoil(&mut self, payments: u32) {
        let spoil = format!(
            "DROP TABLE IF EXISTS spoilt;
            CREATE TABLE spoilt AS SELECT id FROM payments WHERE status = 'failed'
                AND failure_code = 'do_not_honor' AND removed_at IS NULL AND user_id IS NOT NULL
                AND updated_at < now() - interval '2 days'
                ORDER BY created_at, id LIMIT {payments};
            UPDATE payments SET failure_code = 'expired_card' WHERE id IN (SELECT id FROM spoilt)"
        );
        self.ledger.sql(&spoil).await;
        let spoilt = self.ledger.number("SELECT count(*) FROM spoilt").await;
        assert_eq!(spoilt, i64::from(payments));
    }

    /// A run that waits for rows that somebody else holds, while `others` happens.
    async fn waiting(&mut self, hold: &str) -> std::process::Child {
        self.ledger.sql(hold).await;
        let child = self.program.spawn(&self.arguments(&[]));
        self.ledger.until_sessions_wait(2).await;
        child
    }
}

const HOLD: &str = "BEGIN; SELECT FROM payments WHERE id IN (SELECT id FROM spoilt) FOR UPDATE";

async fn build() -> World {
    let demo = demo::generate(11, chrono::Utc::now());
    let mut stage = Stage::new(&demo).await;
    let first = seen_run(&mut stage).await;
    decide(&mut stage, &demo).await;
    let failed = stage.run(3, &["--account", "acct_another"]).await;

    let double = |factor: &str| {
        format!(
            "UPDATE payments SET amount_minor = amount_minor {factor},
                amount_captured_minor = amount_captured_minor {factor} WHERE id IN (
                SELECT id FROM many)"
        )
    };
    stage
        .ledger
        .sql(
            "CREATE TABLE many AS SELECT id FROM payments WHERE status = 'succeeded'
                AND amount_captured_minor = amount_minor AND removed_at IS NULL
                AND updated_at < now() - interval '2 days' ORDER BY id LIMIT 1500",
        )
        .await;
    stage.ledger.sql(&double("* 2")).await;
    let rejected = stage.run(4, &[]).await;
    let reject = ["reject", &rejected, "--by", "Ada", "--reason", "amounts were doubled by us"];
    assert_eq!(stage.program.run(&reject).await.code, 0);
    // Held again, and superseded by the run after it.
    stage.run(4, &[]).await;
    stage.ledger.sql(&double("/ 2")).await;
    let conflicting = conflict(&mut stage).await;

    stage.ledger.sql(&double("* 2")).await;
    let held = stage.run(4, &[]).await;
    stage.ledger.sql(&double("/ 2")).await;
    let interrupted = interrupt(&mut stage).await;
    let dead = die(&mut stage).await;
    let password = stage.ledger.server().password().to_owned();
    let reader =
        format!("CREATE ROLE {READER} LOGIN PASSWORD '{password}' IN ROLE payment_monitor_reader");
    stage.ledger.sql(&reader).await;
    let template = stage.ledger.into_template().await;
    World { template, demo, first, failed, held, conflicting, interrupted, dead }
}

/// The one run of which a collector gets everything.
async fn seen_run(stage: &mut Stage) -> String {
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = Program::on(&stage.ledger).with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    let output = program.run(&stage.arguments(&["--max-deletes", "0"])).await;
    stage.ended(&output, 1).await
}

/// What people do about findings.
async fn decide(stage: &mut Stage, demo: &Demo) {
    let user = demo.planted[1].user_id.unwrap().to_string();
    let rule = demo.planted[1].pattern;
    let snooze = ["suspicious", "snooze", &user, "--rule", rule, "--until", "7d", "--by", "Ada"];
    let snooze = [&snooze[..], &["--reason", "a colleague who tests"]].concat();
    let set = ["suspicious", "set", "unlike_own_past", "--threshold", "5", "--by", "Ada"];
    let set = [&set[..], &["--reason", "too many"]].concat();
    for arguments in [snooze, set] {
        let output = stage.program.run(&arguments).await;
        assert_eq!(output.code, 0, "{}", output.all());
    }
}

/// Somebody changes a row while a run waits for it; another run is started meanwhile.
async fn conflict(stage: &mut Stage) -> String {
    stage.spoil(4).await;
    let child = stage.waiting(HOLD).await;
    let conflicting = stage.latest().await;
    stage.run(5, &[]).await;
    let change = "UPDATE payments SET disputed = true WHERE id = (SELECT min(id) FROM spoilt)";
    stage.ledger.sql(&format!("{change}; COMMIT")).await;
    let output = finish(child).await;
    assert_eq!(output.code, 1, "{}", output.all());
    // As the provider has it again, in all: it is of no later run.
    let mended = "disputed = false, failure_code = 'do_not_honor'";
    stage.ledger.sql(&change.replace("disputed = true", mended)).await;
    conflicting
}

async fn interrupt(stage: &mut Stage) -> String {
    stage.spoil(6).await;
    let child = stage.waiting(HOLD).await;
    signal(&child, "INT");
    stage.ledger.sql("COMMIT").await;
    let output = finish(child).await;
    stage.ended(&output, 130).await
}

async fn die(stage: &mut Stage) -> String {
    let mut child = stage.waiting(HOLD).await;
    child.kill().unwrap();
    finish(child).await;
    // Else what its sessions wait to do would be done once they need not wait any more.
    let end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'job'";
    sqlx::raw_sql(end).execute(&mut stage.ledger.connect().await).await.unwrap();
    stage.ledger.sql("COMMIT").await;
    let dead = "SELECT count(*) FROM run_summary WHERE needs_rescue";
    let gone = async {
        while stage.ledger.number(dead).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, gone).await.expect("its sessions are gone");
    stage.latest().await
}
