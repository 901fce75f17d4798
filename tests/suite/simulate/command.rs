//! The command from outside: what it says, how it ends, and what it survives.

use super::{owners_url, place};
use crate::harness::{Ledger, PATIENCE, Program, finish, signal};
use payment_monitor::postgres::SUPERUSER;
use payment_monitor::store::seed;
use std::time::{Duration, Instant};

fn program(ledger: &Ledger) -> Program {
    Program::new().with("DATABASE_URL", &owners_url(ledger))
}

fn arguments<'a>(statement: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["simulate", "--every", "50ms", "--statement", statement], more].concat()
}

/// Waits until so many steps were made.
async fn until_steps(ledger: &mut Ledger, steps: i64) {
    let made = "SELECT CASE WHEN to_regclass('simulated_provider.state') IS NULL THEN 0 ELSE
        (xpath('/row/steps/text()', query_to_xml('SELECT steps FROM simulated_provider.state',
            false, true, '')))[1]::text::bigint END";
    let enough = async {
        while ledger.number(made).await < steps {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.expect("too few steps");
}

#[tokio::test]
async fn it_steps_beside_runs_of_the_job_until_a_signal_and_ends_with_0_at_once() {
    let mut ledger = Ledger::empty().await;
    let program = program(&ledger);
    let path = place(program.folder.path());
    let statement = path.to_str().unwrap();
    let child = program.spawn(&arguments(statement, &[]));
    until_steps(&mut ledger, 2).await;
    let run = Program::on(&ledger).run(&["run", "--statement", statement]).await;
    assert_eq!(run.code, 1, "{}", run.all());
    let asked = Instant::now();
    signal(&child, "TERM");
    let ended = finish(child).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(ended.code, 0, "{}", ended.all());
    assert!(ended.stdout.contains("a made-up company begins"), "{}", ended.stdout);

    let before = ledger.number("SELECT steps FROM simulated_provider.state").await;
    let child = program.spawn(&arguments(statement, &["--output", "json"]));
    until_steps(&mut ledger, before + 2).await;
    signal(&child, "INT");
    let ended = finish(child).await;
    assert_eq!(ended.code, 0, "{}", ended.all());
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["kind"], "begin");
    assert_eq!(lines[0]["step"], before);
    assert!(lines.iter().all(|line| line["kind"].is_string()), "{}", ended.stdout);
}

#[tokio::test]
async fn a_server_that_goes_away_is_told_of_and_awaited() {
    let mut ledger = Ledger::on_its_own_server().await;
    let program = program(&ledger);
    let path = place(program.folder.path());
    let child = program.spawn(&arguments(path.to_str().unwrap(), &[]));
    until_steps(&mut ledger, 2).await;
    ledger.server().stop_immediate().await.unwrap();
    ledger.server().start_again().await.unwrap();
    let port = ledger.server().port();
    ledger.reconnect(port).await;
    let made = ledger.number("SELECT steps FROM simulated_provider.state").await;
    until_steps(&mut ledger, made + 2).await;
    signal(&child, "TERM");
    let ended = finish(child).await;
    assert_eq!(ended.code, 0, "{}", ended.all());
    assert!(ended.stderr.contains("is away, and is tried again"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_it_can_not_work_on_is_named_and_left() {
    let mut ledger = Ledger::with_users(1).await;
    let foreign = program(&ledger);
    let path = place(foreign.folder.path());
    let refused = foreign.run(&arguments(path.to_str().unwrap(), &[])).await;
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("did not make"), "{}", refused.stderr);
    assert!(!path.exists());

    let empty = Ledger::empty().await;
    let refused = Program::on(&empty).run(&arguments(path.to_str().unwrap(), &[])).await;
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("needs the login that owns"), "{}", refused.stderr);

    seed::create_database(&mut ledger.admin, "simulate_not_migrated").await.unwrap();
    let url = ledger.server().url(SUPERUSER, "simulate_not_migrated");
    let bare = Program::new().with("DATABASE_URL", &url);
    let refused = bare.run(&arguments(path.to_str().unwrap(), &[])).await;
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("payment-monitor migrate"), "{}", refused.stderr);

    let zero = foreign.run(&["simulate", "--statement", "x", "--every", "0s"]).await;
    assert_eq!(zero.code, 2);
    assert!(zero.stderr.contains("it must be above 0"), "{}", zero.stderr);
}
