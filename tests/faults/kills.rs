//! SIGKILL: at every message of a run, and at random times.

use crate::campaign::{Campaign, Tried};
use crate::harness::PATIENCE;
use crate::harness::proxy::{Moment, OPERATION, Point};
use crate::stage::Stage;

/// Kills a run at each of its flushes until one ends before it comes to its n-th.
pub async fn at_every_message(campaign: Campaign) -> Tried {
    let mut times = 0;
    for flush in 1.. {
        let mut is_over = false;
        for moment in moments(&campaign, flush) {
            println!("{flush} {moment:?}");
            is_over = !kill_at(Point::Flush(flush), moment).await;
            if is_over {
                break;
            }
            times += 1;
        }
        if is_over {
            return Tried { times, note: format!("{} messages", flush - 1) };
        }
    }
    unreachable!("a run ends")
}

/// In the short form one moment of each flush.
fn moments(campaign: &Campaign, flush: u64) -> Vec<Moment> {
    if campaign.is_long() {
        return Moment::ALL.to_vec();
    }
    let turn = (flush + campaign.seed) % Moment::ALL.len() as u64;
    vec![Moment::ALL[usize::try_from(turn).unwrap()]]
}

/// False where the run was over before.
async fn kill_at(point: Point, moment: Moment) -> bool {
    let mut stage = Stage::small().await;
    let reached = stage.proxy.hold_at(point, moment);
    let mut run = stage.start_run(1, &[]);
    tokio::select! {
        Ok(held) = reached => {
            let _ = OPERATION;
            run.kill().await;
            held.cut();
        }
        output = run.output() => {
            assert_eq!(output.code, 1, "{}", output.all());
            stage.check().await;
            stage.remove().await;
            return false;
        }
    }
    stage.until_lock_is_free(PATIENCE).await;
    stage.check().await;
    stage.next_run_mends().await;
    stage.remove().await;
    true
}
