//! A replica takes the primary's place in the middle of a run: with all that was committed, or
//! without the last of it.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::proxy::{Moment, Point};
use crate::harness::{PATIENCE, Standby};
use crate::middle::BULK;
use crate::stage::Stage;
use std::time::Duration;

const CONCURRENCY: u32 = 4;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("a synchronous replica is promoted in the middle of a run", Needs::Nothing, complete),
        fault("a replica that lost commits is promoted", Needs::Nothing, behind),
    ]
}

/// The primary and its standby.
struct Pair {
    standby: Standby,
    primary: u16,
}

impl Pair {
    async fn of(stage: &mut Stage) -> Self {
        let primary = stage.ledger.server().port();
        let standby = Standby::of(stage.ledger.server()).await;
        let pair = Self { standby, primary };
        stage.reconnect(&pair.ports(), primary).await;
        let follows = "EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')";
        stage.until("the standby follows", PATIENCE, follows).await;
        pair
    }

    /// The standby comes first: the job has to find the primary.
    fn ports(&self) -> [u16; 2] {
        [self.standby.port(), self.primary]
    }

    /// Ends the primary as a crash does, and puts the standby in its place.
    async fn fail_over(&self, stages: &mut [&mut Stage]) {
        stages[0].ledger.server().stop_immediate().await.unwrap();
        self.standby.promote().await;
        for stage in stages {
            stage.reconnect(&self.ports(), self.standby.port()).await;
        }
    }
}

/// Nothing is lost. One run is in the middle of its operations; another one has staged its
/// statement and is about to compare it, with a staging that the promoted server lacks.
async fn complete(_: Campaign) -> Tried {
    let mut stage = Stage::on_its_own_server(BULK).await;
    let mut staged = stage.beside(0).await;
    let pair = Pair::of(&mut stage).await;
    staged.reconnect(&pair.ports(), pair.primary).await;
    stage.ledger.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await;
    stage.ledger.sql("SELECT pg_reload_conf()").await;
    let waits = "EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')";
    stage.until("commits wait for the standby", PATIENCE, waits).await;

    let refused_before = Point::Statement("payment_monitor_discrepancies", 1);
    let planning = staged.proxy.hold_at(refused_before, Moment::Answered);
    let comparing = staged.start_run(1, &["--retry-for", "1m"]);
    let held = tokio::time::timeout(PATIENCE, planning).await.unwrap().unwrap();
    stage.close_gates(&[4]).await;
    let performing = stage.start_direct_run(CONCURRENCY, &["--retry-for", "1m"]);
    stage.until_results(100).await;
    pair.fail_over(&mut [&mut stage, &mut staged]).await;
    staged.proxy.move_to(pair.standby.port());
    held.go_on();

    let output = performing.ends_within(PATIENCE).await;
    assert_eq!(output.code, 1, "1 for the refused operation: {}", output.all());
    stage.check().await;
    assert!(stage.is_in_line().await, "no operation is lost, none is done twice");
    stage.next_run_mends().await;

    let output = comparing.ends_within(PATIENCE).await;
    assert_eq!(output.code, 3, "{}", output.all());
    let error = output.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("staged payments holds 0 rows"), "{error}");
    let removed = "SELECT count(*) FROM payments WHERE removed_at IS NOT NULL";
    assert_eq!(staged.ledger.number(removed).await, 0, "an empty statement deletes nothing");
    staged.until_lock_is_free(PATIENCE).await;
    staged.check().await;
    staged.next_run_mends().await;
    Tried { times: 2, note: "while performing, before comparing".to_owned() }
}

/// The replica receives nothing any more from the moment when one run has done a part of its
/// operations, another one has begun and not planned, and a third has not begun.
async fn behind(_: Campaign) -> Tried {
    let mut partly = Stage::on_its_own_server(BULK).await;
    let mut unplanned = partly.beside(BULK).await;
    let mut unknown = partly.beside(BULK).await;
    let pair = Pair::of(&mut partly).await;
    unplanned.reconnect(&pair.ports(), pair.primary).await;
    unknown.reconnect(&pair.ports(), pair.primary).await;

    for (stage, gates) in [(&mut partly, &[1, 2][..]), (&mut unplanned, &[2]), (&mut unknown, &[2])]
    {
        stage.close_gates(gates).await;
    }
    // The planner reads this table first: until then the run waits.
    let table = "LOCK TABLE payment_monitor_discrepancies IN ACCESS EXCLUSIVE MODE";
    let planner = unplanned.ledger.hold(table).await;
    let more = &["--retry-for", "1m"];
    let second = unplanned.start_direct_run(CONCURRENCY, more);
    unplanned.ledger.until_sessions_wait(1).await;
    let first = partly.start_direct_run(CONCURRENCY, more);
    partly.until_held_up(1, 4).await;
    cut_off(&pair, &unplanned).await;
    partly.open_gate(1).await;
    planner.let_go().await;
    let third = unknown.start_direct_run(CONCURRENCY, more);
    for stage in [&mut partly, &mut unplanned, &mut unknown] {
        stage.until_held_up(2, 4).await;
    }
    pair.fail_over(&mut [&mut partly, &mut unplanned, &mut unknown]).await;

    let [first, second, third] = [
        first.ends_within(PATIENCE).await,
        second.ends_within(PATIENCE).await,
        third.ends_within(PATIENCE).await,
    ];
    for (output, stage, error) in [
        (first, &mut partly, "have no result"),
        (second, &mut unplanned, "plan"),
        (third, &mut unknown, "the record of this run is gone"),
    ] {
        assert_eq!(output.code, 3, "{}", output.all());
        let told = output.json();
        assert_eq!(told["status"], "failed", "{told}");
        assert!(told["error"].as_str().unwrap().contains(error), "{error}: {told}");
        stage.until_lock_is_free(PATIENCE).await;
        stage.check().await;
        stage.next_run_mends().await;
    }
    Tried { times: 3, note: "operations, the plan, or the whole run lost".to_owned() }
}

/// Makes the standby receive nothing any more.
async fn cut_off(pair: &Pair, stage: &Stage) {
    let mut standby = stage.ledger.connect_at(pair.standby.port()).await;
    for statement in ["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut standby).await.unwrap();
    }
    let receives = "SELECT current_setting('primary_conninfo') <> ''
        OR EXISTS (SELECT FROM pg_stat_wal_receiver)";
    let mut again = tokio::time::interval(Duration::from_millis(10));
    let cut_off = async {
        while sqlx::query_scalar::<_, bool>(receives).fetch_one(&mut standby).await.unwrap() {
            again.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, cut_off).await.expect("the standby goes on receiving");
}
