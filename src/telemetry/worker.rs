//! Exports a queue, batch by batch, for as long as the process lives: tries again what may work
//! later, gives up waiting for a collector that is away, and counts what it says.

use super::client::Failure;
use super::exporters::Export;
use super::queue::Queue;
use std::sync::Arc;
use std::time::Duration;

/// After so many failed exports in a row the collector is taken for away.
const FAILURES_MAX: u32 = 3;
/// How long to wait after the first failure; twice as long after the second.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a collector that is away is tried again.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Why an item was dropped that the collector may even have.
const OUT_OF_TIME: &str = "no answer from the collector before the program had to end";

/// Exports until the queue is closed and empty, or its deadline has passed. Where there is no
/// way to the collector at all, `exporter` says why.
pub(super) async fn work<T: Send + Sync + 'static>(
    queue: Arc<Queue<T>>,
    exporter: Result<impl Export<T>, String>,
) {
    let exporter = match exporter {
        Ok(exporter) => exporter,
        Err(why) => return refuse_all(&queue, &why).await,
    };
    let mut failures = 0;
    loop {
        let batch = queue.next_batch().await;
        if batch.is_empty() {
            return;
        }
        let items = batch.len() as u64;
        if let Err(why) = deliver(&queue, &exporter, &batch, &mut failures).await {
            queue.tally.dropped(items, &why);
            queue.give_up(&why);
            return;
        }
    }
}

/// Nothing can be sent: nobody waits, and all is counted as dropped.
async fn refuse_all<T>(queue: &Queue<T>, why: &str) {
    queue.set_away(true);
    while !queue.next_batch_dropped(why).await {}
}

/// Delivers one batch; an error is the end: the reason why what is left is given up.
async fn deliver<T>(
    queue: &Queue<T>,
    exporter: &impl Export<T>,
    batch: &[T],
    failures: &mut u32,
) -> Result<(), String> {
    let items = batch.len() as u64;
    loop {
        let was_closed = queue.deadline().is_some();
        let answer = tokio::select! {
            biased;
            answer = exporter.export(batch) => answer,
            () = queue.deadline_passed() => return Err(OUT_OF_TIME.to_owned()),
        };
        let why = match answer {
            Ok(taken) => {
                let refused = taken.refused.min(items);
                let why = if taken.why.is_empty() { "no reason given" } else { &taken.why };
                queue.tally.acknowledged(items - refused);
                queue.tally.refused(refused, &format!("the collector refused part: {why}"));
                *failures = 0;
                queue.succeeded();
                return Ok(());
            }
            Err(Failure::Refused(why)) => {
                queue.tally.refused(items, &why);
                return Ok(());
            }
            Err(Failure::Away(why)) => why,
        };
        *failures += 1;
        // A collector that is away is tried once more when the program ends, no oftener.
        if was_closed && queue.is_away() {
            return Err(why);
        }
        if *failures >= FAILURES_MAX {
            queue.set_away(true);
        }
        let pause = if queue.is_away() { PROBE_EVERY } else { PAUSE * *failures };
        if was_closed {
            tokio::time::sleep(PAUSE * *failures).await;
        } else {
            queue.pause(pause).await;
        }
    }
}
