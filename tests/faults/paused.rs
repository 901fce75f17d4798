//! SIGSTOP: the process is paused, loses its run lock and is fenced off; when it goes on, not
//! one of its operations commits, and it says why.

use crate::campaign::{Campaign, Tried};
use crate::going::Going;
use crate::harness::PATIENCE;
use crate::harness::proxy::{Moment, OPERATION, Point};
use crate::stage::{Scene, Stage};
use std::time::{Duration, Instant};

/// The run lock's timeout is 30 s; the rest is for a busy machine.
const LOCK_GOES_WITHIN: Duration = Duration::from_secs(45);
/// From there on, until another run has rescued and done all that was left.
const OTHER_RUN_WITHIN: Duration = Duration::from_mins(1);

/// Pauses a run of many operations in the middle of performing.
pub async fn in_the_middle(_campaign: Campaign) -> Tried {
    let mut stage = Stage::of(Scene::Bulk(400)).await;
    let run = stage.start_run(8, &[]);
    stage.until_performed(100).await;
    run.signal("STOP");
    let took = is_fenced_off(stage, run, || {}).await;
    Tried { times: 1, note: format!("another run was through {took:.0?} after the pause") }
}

/// Pauses a run when a statement of its has been executed and its transaction has not ended.
pub async fn before_the_end_of_an_operation(_campaign: Campaign) -> Tried {
    let stage = Stage::of(Scene::Small).await;
    let point = Point::Statement(OPERATION, 3);
    let reached = stage.proxy.hold_at(point, Moment::Executed);
    let run = stage.start_run(1, &[]);
    let held = tokio::time::timeout(PATIENCE, reached).await.expect("no operation").unwrap();
    run.signal("STOP");
    let took = is_fenced_off(stage, run, || held.go_on()).await;
    Tried { times: 1, note: format!("another run was through {took:.0?} after the pause") }
}

/// Waits until another run has ended the paused one and finished its work; then lets it go on.
/// Gives how long it took from the pause.
async fn is_fenced_off(mut stage: Stage, run: Going, release: impl FnOnce()) -> Duration {
    let paused_at = Instant::now();
    let zombie = stage.newest_run().await;
    stage.until_lock_is_free(LOCK_GOES_WITHIN).await;
    let other = tokio::time::timeout(OTHER_RUN_WITHIN, stage.run(8)).await;
    let other = other.expect("the other run does not end");
    assert!(matches!(other.code, 0 | 1), "the other run: {}", other.all());
    let took = paused_at.elapsed();
    stage.check().await;
    let results = format!("SELECT count(*) FROM payment_monitor_results WHERE job_id = '{zombie}'");
    let status = format!("SELECT execution_status FROM payment_monitor_jobs WHERE id = '{zombie}'");
    assert_eq!(stage.ledger.text(&status).await, "interrupted");
    let before = stage.ledger.number(&results).await;

    release();
    run.signal("CONT");
    let output = run.ends_within(PATIENCE).await;
    assert_eq!(output.code, 3, "the paused run: {}", output.all());
    let told = "another run found this one's lock gone and ended it";
    assert!(output.all().contains(told), "it does not say that it is fenced: {}", output.all());
    assert_eq!(stage.ledger.number(&results).await, before, "operations of the fenced run");
    assert!(stage.is_in_line().await, "{}", output.all());
    stage.check().await;
    stage.next_run_mends().await;
    stage.remove().await;
    took
}
