//! The connection cut at every message: of a run, of `approve`, of `rescue`; and only the answer
//! of an operation lost.

use crate::campaign::{Campaign, Tried};
use crate::going::Going;
use crate::harness::proxy::{Moment, OPERATION, Point};
use crate::harness::{Output, PATIENCE};
use crate::kills::dead_but_not_forgotten;
use crate::points::{self, Course};
use crate::stage::{Scene, Stage};
use tokio::sync::oneshot;

/// How long a program goes on trying: its connection is back at once.
const RETRY: [&str; 2] = ["--retry-for", "5s"];
const ENDING: &str = "UPDATE payment_monitor_jobs";

/// What is done to the program when it comes to a point.
#[derive(Debug, Clone, Copy)]
enum Act {
    Cut,
    Kill,
}

/// Cuts the connection that a run is talking on, at each of its messages.
pub async fn of_a_run(campaign: Campaign) -> Tried {
    points::each(&campaign.thinned(3), &[OPERATION, ENDING], |point, moment, turn| async move {
        let stage = Stage::of(Scene::Small).await;
        let reached = stage.proxy.hold_at(point, moment);
        let run = stage.start_run(1, &RETRY);
        let (mut stage, sql, output) = match course(stage, run, reached, Act::Cut).await {
            Ok(held) => held,
            Err(over) => return over,
        };
        is_honest(&mut stage, &output).await;
        dead_but_not_forgotten(&mut stage, turn).await;
        stage.remove().await;
        Course::Held(sql)
    })
    .await
}

/// Loses the answer of each operation in turn, and nothing else.
pub async fn of_an_answer(_campaign: Campaign) -> Tried {
    for operation in 1.. {
        let mut stage = Stage::of(Scene::Small).await;
        let point = Point::Statement(OPERATION, operation);
        let reached = stage.proxy.hold_at(point, Moment::Answered);
        let mut run = stage.start_run(1, &RETRY);
        let output = tokio::select! {
            Ok(held) = reached => {
                held.cut();
                run.ends_within(PATIENCE).await
            }
            output = run.output() => {
                assert_eq!(output.code, 1, "{}", output.all());
                stage.remove().await;
                return Tried { times: operation - 1, note: "every run succeeded".to_owned() };
            }
        };
        assert_eq!(output.code, 1, "the refused operation: {}", output.all());
        assert!(stage.is_in_line().await, "operation {operation}: {}", output.all());
        stage.check().await;
        stage.next_run_mends().await;
        stage.remove().await;
    }
    unreachable!("a plan ends")
}

/// Cuts the connection of an approval at each of its messages, or kills it there.
pub async fn of_an_approval(campaign: Campaign) -> Tried {
    points::each(
        &campaign.thinned(3),
        &["payment_monitor_events"],
        |point, moment, turn| async move {
            let mut stage = Stage::of(Scene::Held).await;
            let held = stage.newest_run().await;
            let approve = ["approve", &held, "--by", "Ada", "--reason", "expected"];
            let reached = stage.proxy.hold_at(point, moment);
            let approval = stage.start(&[&approve[..], &RETRY, &["--concurrency", "1"]].concat());
            let act = if turn.is_multiple_of(2) { Act::Cut } else { Act::Kill };
            let (mut stage, sql, output) = match course(stage, approval, reached, act).await {
                Ok(held) => held,
                Err(over) => return over,
            };
            stage.until_lock_is_free(PATIENCE).await;
            stage.check().await;
            // It was recorded with its plan, or can be made again.
            let decided = "SELECT count(*) FROM payment_monitor_events WHERE kind = 'approval'";
            let is_decided = stage.ledger.number(decided).await == 1;
            let again = stage.command(&approve).await;
            let allowed: &[i32] = if is_decided { &[2] } else { &[0, 1] };
            assert!(
                allowed.contains(&again.code),
                "{is_decided}, {}: {}",
                output.all(),
                again.all()
            );
            assert_eq!(stage.ledger.number(decided).await, 1, "one approval: {}", again.all());
            stage.check().await;
            stage.next_run_is_in_line().await;
            stage.remove().await;
            Course::Held(sql)
        },
    )
    .await
}

/// Cuts the connection of a rescue at each of its messages, or kills it there.
pub async fn of_a_rescue(campaign: Campaign) -> Tried {
    points::each(&campaign.thinned(3), &[ENDING], |point, moment, turn| async move {
        let stage = Stage::of(Scene::Killed).await;
        let reached = stage.proxy.hold_at(point, moment);
        let rescue = stage.start(&["rescue"]);
        let act = if turn.is_multiple_of(2) { Act::Cut } else { Act::Kill };
        let (mut stage, sql, _) = match course(stage, rescue, reached, act).await {
            Ok(held) => held,
            Err(over) => return over,
        };
        dead_but_not_forgotten(&mut stage, turn).await;
        stage.remove().await;
        Course::Held(sql)
    })
    .await
}

/// Waits until the program comes to its point, does something to it there, and waits for its
/// end; or for its end, where it does not come there.
async fn course(
    stage: Stage,
    mut program: Going,
    reached: oneshot::Receiver<crate::harness::proxy::Reached>,
    act: Act,
) -> Result<(Stage, String, Output), Course> {
    let held = tokio::select! {
        Ok(held) = reached => held,
        output = program.output() => {
            assert!(matches!(output.code, 0 | 1), "nothing was done to it: {}", output.all());
            return Err(Course::over(stage).await);
        }
    };
    let sql = held.sql.clone();
    let output = match act {
        Act::Cut => {
            held.cut();
            program.ends_within(PATIENCE).await
        }
        Act::Kill => {
            let output = program.kill().await;
            held.cut();
            output
        }
    };
    Ok((stage, sql, output))
}

/// What a program says of its run is what the record says, or it says that it failed.
async fn is_honest(stage: &mut Stage, output: &Output) {
    assert!(matches!(output.code, 0 | 1 | 3), "{}", output.all());
    if output.code == 3 {
        assert!(output.all().contains("error") || output.all().contains("failed"), "says nothing");
        return;
    }
    assert_eq!(output.json()["status"], "succeeded", "{}", output.all());
    assert_eq!(stage.count_runs("running").await, 0, "{}", output.all());
    assert!(stage.is_in_line().await, "{}", output.all());
}
