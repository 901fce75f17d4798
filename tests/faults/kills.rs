//! SIGKILL: at every message of a run, and at random times.

use crate::campaign::{Campaign, Tried};
use crate::harness::PATIENCE;
use crate::harness::proxy::{Moment, OPERATION, Point};
use crate::points::{self, Course};
use crate::stage::{Scene, Stage};
use rand_chacha::rand_core::RngCore as _;
use std::time::Instant;

/// How many rows are changed by the runs that are killed at random times.
const BULK: i64 = 400;

/// Kills a run at each of its messages, until one ends before it comes to its n-th.
pub async fn at_every_message(campaign: Campaign) -> Tried {
    points::each(&campaign.thinned(2), &[OPERATION, "UPDATE payment_monitor_jobs"], kill_at).await
}

async fn kill_at(point: Point, moment: Moment, turn: u64) -> Course {
    let mut stage = Stage::of(Scene::Small).await;
    let reached = stage.proxy.hold_at(point, moment);
    let mut run = stage.start_run(1, &[]);
    let held = tokio::select! {
        Ok(held) = reached => held,
        output = run.output() => {
            assert_eq!(output.code, 1, "the refused operation: {}", output.all());
            return Course::over(stage).await;
        }
    };
    run.kill().await;
    let course = Course::Held(held.sql.clone());
    held.cut();
    dead_but_not_forgotten(&mut stage, turn).await;
    stage.remove().await;
    course
}

/// What holds of a dead run before anything else happens, after its rescue (by the command at
/// every second turn, else by the next run), and after the next run. At every third turn yet
/// another run finds nothing left to do.
pub async fn dead_but_not_forgotten(stage: &mut Stage, turn: u64) {
    stage.until_lock_is_free(PATIENCE).await;
    // Before any rescue: the process is gone, and that is told.
    stage.check().await;
    if turn.is_multiple_of(2) {
        let rescue = stage.command(&["rescue"]).await;
        assert_eq!(rescue.code, 0, "{}", rescue.all());
        assert_eq!(stage.count_runs("running").await, 0, "{}", rescue.all());
        stage.check().await;
    }
    if turn.is_multiple_of(3) {
        stage.next_run_mends().await;
    } else {
        stage.next_run_is_in_line().await;
    }
}

/// Kills runs of many operations, one, eight and 32 at a time, whenever chance says.
pub async fn at_random_times(campaign: Campaign) -> Tried {
    let (since, mut random) = (Instant::now(), campaign.random());
    let (mut times, mut in_the_middle) = (0, 0);
    while campaign.goes_on(times, [12, 200], since) {
        let mut stage = Stage::of(Scene::Bulk(BULK)).await;
        let concurrency = [1, 8, 32][usize::try_from(times % 3).unwrap()];
        let at = i64::try_from(random.next_u64() % u64::try_from(BULK).unwrap()).unwrap();
        let run = stage.start_run(concurrency, &[]);
        let results = "SELECT count(*) FROM payment_monitor_results";
        let before = stage.ledger.number(results).await;
        while !run.is_over() && stage.ledger.number(results).await < before + at {
            tokio::task::yield_now().await;
        }
        run.kill().await;
        in_the_middle += stage.count_runs("running").await;
        dead_but_not_forgotten(&mut stage, random.next_u64()).await;
        stage.remove().await;
        times += 1;
    }
    Tried { times, note: format!("{in_the_middle} in the middle of a run") }
}
