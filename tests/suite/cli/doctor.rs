//! `doctor`: each wrong thing makes its own line wrong, and nothing is left behind.

use super::Program;
use super::servers::Pooler;
use crate::harness::{Charge, Ledger, Listing, PATIENCE, Standby};
use crate::telemetry::collector::{Behaviour, Collector};
use payment_monitor::postgres::{Options, PrivateServer, SUPERUSER};
use payment_monitor::store::{Database, doctor::NEEDED, lock::RUN_LOCK, schema};
use secrecy::SecretString;

/// What is told of each check.
struct Told {
    code: i32,
    checks: Vec<[String; 3]>,
}

impl Told {
    async fn by(program: &Program, more: &[&str]) -> Self {
        let output = program.run(&[&["doctor", "--output", "json"], more].concat()).await;
        let document = output.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let checks = document["checks"].as_array().unwrap().iter();
        let checks =
            checks.map(|c| [text(&c["check"]), text(&c["verdict"]), text(&c["told"])]).collect();
        let told = Self { code: output.code, checks };
        assert_eq!(document["wrong"], told.names("wrong").len());
        told
    }

    fn names(&self, verdict: &str) -> Vec<&str> {
        let checks = self.checks.iter().filter(|check| check[1] == verdict);
        checks.map(|[name, ..]| name.as_str()).collect()
    }

    fn of(&self, name: &str) -> &str {
        &self.checks.iter().find(|check| check[0] == name).unwrap()[2]
    }

    /// Asserts that one thing is wrong, and that its line has these words.
    fn assert_wrong(&self, name: &str, words: &str) {
        assert_eq!(self.names("wrong"), [name], "{:?}", self.checks);
        assert_eq!(self.code, 1);
        assert!(self.of(name).contains(words), "{}", self.of(name));
    }
}

/// Everything that the program could have left in a database.
const LEFT: &str = "SELECT concat_ws(' ', (SELECT count(*) FROM payment_monitor_events),
    (SELECT count(*) FROM payment_monitor_jobs), (SELECT count(*) FROM payment_monitor_results),
    (SELECT s::text FROM payment_monitor_schedule s),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))";

/// Waits until the server has ended all of the job's sessions: a moment after they were closed.
async fn until_gone(ledger: &mut Ledger) {
    let sessions = "SELECT count(*) FROM pg_stat_activity
        WHERE usename = 'job' AND datname = current_database()";
    let gone = async { while ledger.number(sessions).await > 0 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("sessions are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_wrong_all_is_ok_and_nothing_is_left_behind() {
    let mut ledger = Ledger::with_users(1).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = Program::on(&ledger).with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let statement = ["--statement", path.to_str().unwrap()];
    let before = ledger.text(LEFT).await;
    let told = Told::by(&program, &statement).await;
    assert_eq!((told.code, told.names("ok").len()), (0, 10), "{:?}", told.checks);
    for (name, words) in [
        ("database", "PostgreSQL 1"),
        ("schema", "as this program needs it"),
        ("grants", "role job may do what a run does"),
        ("run_lock", "no run is going on"),
        ("partitions", "there for 25 months"),
        ("clock", "the database's"),
        ("collector", "traces by 127.0.0.1"),
        ("statement", "1 payments, proven complete by manifest"),
        ("schedule", "every 1 hour 15 minutes; none has succeeded yet"),
    ] {
        assert!(told.of(name).contains(words), "{name}: {}", told.of(name));
    }
    assert!(collector.spans().is_empty() && collector.logs().is_empty());
    until_gone(&mut ledger).await;
    assert_eq!(ledger.text(LEFT).await, before);

    let run = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(run.code, 0, "{}", run.all());
    let people = program.run(&["doctor"]).await;
    assert_eq!(people.code, 0, "{}", people.all());
    assert_eq!(people.stdout.lines().count(), 10, "{}", people.stdout);
    assert!(people.stdout.starts_with("ok           database    PostgreSQL"), "{}", people.stdout);
    assert!(people.stdout.contains("\nnot checked  statement   none is given"));
    assert!(people.stdout.contains("the last one succeeded at"), "{}", people.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_run_is_told_with_the_last_success() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let run = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(run.code, 0, "{}", run.all());
    let told = Told::by(&program, &[]).await;
    assert!(!told.of("schedule").contains("missed"), "{}", told.of("schedule"));
    let earlier = "SET session_replication_role = replica;
        UPDATE payment_monitor_jobs SET started_at = started_at - interval '76 minutes';
        SET session_replication_role = origin";
    ledger.sql(earlier).await;
    let told = Told::by(&program, &[]).await;
    assert!(told.of("schedule").ends_with("UTC, and one was missed since"), "{:?}", told.checks);
    assert_eq!(told.code, 0, "an alert sees to it: {:?}", told.checks);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_database_and_no_answer_are_wrong_and_the_rest_goes_on() {
    let program = Program::new();
    let told = Told::by(&program, &[]).await;
    told.assert_wrong("database", "set DATABASE_URL");
    assert_eq!(told.names("not_checked").len(), 9);
    let program = program.with("DATABASE_URL", "postgres://job:secret@127.0.0.1:1/x");
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let told = Told::by(&program, &["--statement", path.to_str().unwrap()]).await;
    told.assert_wrong("database", "is the server up");
    assert_eq!(told.names("ok"), ["statement"]);
    assert!(!format!("{:?}", told.checks).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_and_a_newer_schema_are_told_apart() {
    let mut ledger = Ledger::empty().await;
    let program = Program::on(&ledger);
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum,
        execution_time) VALUES (999999, 'later', true, '', 0)";
    ledger.sql(later).await;
    let told = Told::by(&program, &[]).await;
    told.assert_wrong("schema", "install the newer payment-monitor");
    ledger.sql("DELETE FROM _sqlx_migrations WHERE version >= 10").await;
    let told = Told::by(&program, &[]).await;
    told.assert_wrong("schema", "payment-monitor migrate");
    assert_eq!(told.names("ok"), ["database", "run_lock", "clock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_with_whom_to_grant_it() {
    let mut ledger = Ledger::empty().await;
    let (port, name) = (ledger.server().port(), ledger.name().to_owned());
    ledger.sql(&format!("CREATE ROLE doctored_{name} LOGIN PASSWORD 'x'")).await;
    let url = format!("postgres://doctored_{name}:x@127.0.0.1:{port}/{name}");
    let told = Told::by(&Program::new().with("DATABASE_URL", &url), &[]).await;
    assert_eq!(told.code, 1);
    let grant = format!("GRANT payment_monitor_writer TO doctored_{name}");
    assert!(told.of("grants").contains(&grant), "{}", told.of("grants"));
    assert!(told.of("fence").contains("may not use table payment_monitor_schedule: grant"));
    ledger.sql("REVOKE INSERT ON payment_monitor_results FROM payment_monitor_writer").await;
    let told = Told::by(&Program::on(&ledger), &[]).await;
    told.assert_wrong("grants", "role job may not INSERT ON payment_monitor_results");
}

#[tokio::test]
async fn the_rights_that_are_looked_for_are_those_that_the_schema_grants_the_writer() {
    let mut ledger = Ledger::empty().await;
    let granted = "SELECT string_agg(DISTINCT table_name || ' ' || privilege_type, ', '
            ORDER BY table_name || ' ' || privilege_type)
        FROM information_schema.role_table_grants WHERE grantee = 'payment_monitor_writer'";
    let needed = NEEDED.iter().flat_map(|(name, rights)| rights.iter().map(move |r| (name, r)));
    let mut needed: Vec<String> = needed.map(|(name, right)| format!("{name} {right}")).collect();
    needed.sort();
    let granted = ledger.text(granted).await;
    let mut granted: Vec<&str> = granted.split(", ").collect();
    granted.sort_unstable();
    assert_eq!(needed, granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_partitions_are_wrong_before_a_run_fails() {
    let mut ledger = Ledger::empty().await;
    ledger
        .sql(
            "DO $$ BEGIN EXECUTE 'DROP TABLE payment_monitor_results' || to_char(
                (now() AT TIME ZONE 'UTC') + interval '1 month', '_YYYYMM'); END $$",
        )
        .await;
    let told = Told::by(&Program::on(&ledger), &[]).await;
    told.assert_wrong("partitions", "no partitions for the next month");
    assert!(told.of("partitions").contains("payment-monitor migrate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_going_on_is_seen_and_not_disturbed() {
    let mut ledger = Ledger::empty().await;
    ledger.sql(&format!("SELECT pg_advisory_lock({RUN_LOCK})")).await;
    let before = ledger.text(LEFT).await;
    let told = Told::by(&Program::on(&ledger), &[]).await;
    assert_eq!(told.code, 0, "{:?}", told.checks);
    assert!(told.of("run_lock").contains("a run is going on, and its lock is seen"));
    assert_eq!(ledger.text(LEFT).await, before, "it still holds its lock");
}

/// Makes the company's own functions come before PostgreSQL's, as an engine that only looks like
/// it would have others.
async fn shadow(ledger: &mut Ledger, function: &str) {
    let path = format!("ALTER DATABASE {} SET search_path = public, pg_catalog", ledger.name());
    ledger.sql(&format!("CREATE FUNCTION public.{function}; {path}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_lock_or_fence_keeps_nobody_out_is_found() {
    let mut ledger = Ledger::empty().await;
    let always = "pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'";
    shadow(&mut ledger, always).await;
    let told = Told::by(&Program::on(&ledger), &[]).await;
    told.assert_wrong("run_lock", "two runs could go on at once");

    let mut ledger = Ledger::empty().await;
    ledger
        .sql(
            "ALTER TABLE payment_monitor_schedule RENAME TO behind;
            CREATE VIEW payment_monitor_schedule AS SELECT * FROM behind;
            CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN RETURN NEW; END';
            CREATE TRIGGER nothing INSTEAD OF UPDATE ON payment_monitor_schedule
                FOR EACH ROW EXECUTE FUNCTION nothing();
            GRANT SELECT, UPDATE ON payment_monitor_schedule TO payment_monitor_writer",
        )
        .await;
    let told = Told::by(&Program::on(&ledger), &[]).await;
    told.assert_wrong("fence", "FOR SHARE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_the_databases_is_wrong_beyond_what_is_allowed() {
    let mut ledger = Ledger::empty().await;
    let ahead = "clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        'SELECT pg_catalog.clock_timestamp() + interval ''1 hour'''";
    shadow(&mut ledger, ahead).await;
    let program = Program::on(&ledger);
    Told::by(&program, &[]).await.assert_wrong("clock", "behind the database's");
    assert_eq!(Told::by(&program, &["--clock-skew", "2h"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_or_refuses_is_wrong() {
    let ledger = Ledger::empty().await;
    let url = "http://127.0.0.1:1";
    let program = Program::on(&ledger).with("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    Told::by(&program, &[]).await.assert_wrong("collector", "traces: collector 127.0.0.1:1:");
    let refusing = Collector::start(Behaviour::Refusing).await;
    let program = program.with("OTEL_EXPORTER_OTLP_ENDPOINT", &refusing.url());
    Told::by(&program, &[]).await.assert_wrong("collector", "not from here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_missing_or_none_is_wrong() {
    let ledger = Ledger::empty().await;
    let program = Program::on(&ledger);
    let prose = program.write("prose.txt", "Dear Sir or Madam,\nplease find attached\n");
    for (path, words) in [("missing.ndjson", "missing.ndjson"), ("prose.txt", "looks like")] {
        Told::by(&program, &["--statement", path]).await.assert_wrong("statement", words);
    }
    let empty = ["--since", "2026-02-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"];
    let window = [&["doctor", "--statement", prose.to_str().unwrap()][..], &empty].concat();
    assert_eq!(program.run(&window).await.code, 2, "wrong usage is no finding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_replica_is_wrong() {
    let server = PrivateServer::start(Options::default()).await.unwrap();
    let database = Database::new(&SecretString::from(server.url(SUPERUSER, "postgres"))).unwrap();
    let mut connection = database.connect().await.unwrap();
    schema::migrate(&mut connection, &database).await.unwrap();
    let standby = Standby::of(&server).await;
    let url = standby.url(&server, SUPERUSER, "postgres");
    let told = Told::by(&Program::new().with("DATABASE_URL", &url), &[]).await;
    told.assert_wrong("database", "is a read replica");
    assert_eq!(told.names("ok"), ["schema", "grants", "partitions", "clock", "schedule"]);
    server.stop_immediate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgbouncer"]
async fn a_pooler_in_transaction_mode_is_found_and_one_in_session_mode_is_not_wrong() {
    for mode in ["transaction", "session"] {
        let mut ledger = Ledger::empty().await;
        let before = ledger.text(LEFT).await;
        let pooler = Pooler::start(&ledger, mode).await;
        let told = Told::by(&Program::new().with("DATABASE_URL", &pooler.url), &[]).await;
        if mode == "transaction" {
            told.assert_wrong("database", "pooler in transaction mode");
            assert_eq!(told.names("not_checked").len(), 9, "{:?}", told.checks);
        } else {
            assert_eq!(told.code, 0, "{:?}", told.checks);
        }
        drop(pooler);
        until_gone(&mut ledger).await;
        assert_eq!(ledger.text(LEFT).await, before);
    }
}
