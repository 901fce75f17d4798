//! Migrations while others are at work, and migrations that are killed.

use super::catalog::{assert_same, catalog};
use super::{Old, versions};
use crate::harness::{PATIENCE, finish};
use payment_monitor::store::{lock, schema};

/// Waits for a condition of the database's, asked from a connection of its own.
async fn until(old: &Old, what: &str, condition: &str) {
    let mut watcher = old.ledger.connect().await;
    let holds = async {
        let question = || sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(condition.to_owned()));
        while !question().fetch_one(&mut watcher).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("not {what}"));
}

fn waiting(old: &Old, sessions: i64) -> String {
    format!(
        "SELECT count(*) = {sessions} FROM pg_stat_activity
        WHERE usename = '{}' AND wait_event_type = 'Lock'",
        old.owner
    )
}

/// An old version whose next migration changes a table of the record.
fn old_version() -> i64 {
    let old = 4;
    assert!(versions().contains(&old));
    old
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrate_that_is_killed_leaves_the_old_schema_whole_and_goes_on_when_repeated() {
    let mut old = Old::of(old_version()).await;
    let before = catalog(&mut old.ledger, &old.owner).await;
    let in_the_way = "LOCK TABLE payment_monitor_jobs IN ACCESS SHARE MODE";
    let holder = old.ledger.hold(in_the_way).await;
    let mut migrate = old.owner().spawn(&["migrate"]);
    // It has changed another table already, in the same transaction.
    until(&old, "the migration waits", &waiting(&old, 1)).await;
    migrate.kill().unwrap();
    migrate.wait().unwrap();
    holder.let_go().await;
    let gone = format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = '{}'", old.owner);
    until(&old, "the killed session's end", &gone).await;
    assert_eq!(old.version().await, old_version());
    let after = catalog(&mut old.ledger, &old.owner).await;
    assert_same(&after, &before, "something of the killed migration is left");

    let again = old.owner().run(&["migrate"]).await;
    assert_eq!(again.code, 0, "{}", again.all());
    assert_eq!(old.version().await, schema::version_needed());
    old.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_migrates_at_once_one_waits_and_finds_nothing_to_do() {
    let mut old = Old::of(old_version()).await;
    let holder = old.ledger.hold("LOCK TABLE payment_monitor_jobs IN ACCESS SHARE MODE").await;
    let (program, other) = (old.owner(), old.owner());
    let both = [program.spawn(&["migrate"]), other.spawn(&["migrate"])];
    until(&old, "both wait, one for the other", &waiting(&old, 2)).await;
    holder.let_go().await;
    let mut said = Vec::new();
    for migrate in both {
        let output = finish(migrate).await;
        assert_eq!(output.code, 0, "{}", output.all());
        said.push(output.stdout);
    }
    said.sort_unstable();
    let needed = schema::version_needed();
    let went = format!("The schema went from version {} to {needed}.\n", old_version());
    assert_eq!(said, [format!("The schema is up to date (version {needed}).\n"), went]);
    assert_eq!(old.version().await, needed);
    old.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrate_waits_for_the_run_that_goes_on() {
    let mut old = Old::of(old_version()).await;
    let run = old.ledger.hold(&format!("SELECT pg_advisory_xact_lock({})", lock::RUN_LOCK)).await;
    let program = old.owner();
    let migrate = program.spawn(&["migrate"]);
    until(&old, "the migrate waits", &waiting(&old, 1)).await;
    assert_eq!(old.version().await, old_version());
    run.let_go().await;
    let output = finish(migrate).await;
    assert_eq!(output.code, 0, "{}", output.all());
    assert_eq!(old.version().await, schema::version_needed());
    old.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_others_have_locked_is_not_waited_for_for_long() {
    let mut old = Old::of(old_version()).await;
    let holder = old.ledger.hold("LOCK TABLE payment_monitor_jobs IN ACCESS SHARE MODE").await;
    let output = old.owner().run(&["migrate"]).await;
    assert_eq!(output.code, 3, "{}", output.all());
    assert!(output.stderr.contains("locked by others for longer than 10 s"), "{}", output.all());
    assert_eq!(old.version().await, old_version());
    holder.let_go().await;
    assert_eq!(old.owner().run(&["migrate"]).await.code, 0);
    old.remove().await;
}
