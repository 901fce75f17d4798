//! The network between program and PostgreSQL: frozen without a reset, or slow.

use crate::campaign::{Campaign, Tried, caught};
use crate::harness::proxy::{Moment, Point};
use crate::harness::{Output, PATIENCE};
use crate::kills::dead_but_not_forgotten;
use crate::stage::{Scene, Stage};
use std::time::{Duration, Instant};

/// Longer than the run lock, a statement or an idle transaction may last.
const FROZEN: Duration = Duration::from_secs(45);
const EACH_WAY: Duration = Duration::from_millis(100);
/// With `--retry-for 10s`: a ping and its timeout (15 s), an attempt's timeout (35 s), retries,
/// and as much again for recording the end.
const ENDS_WITHIN: Duration = Duration::from_secs(150);
/// A beginning has a minute; the rest is for a busy machine.
const BEGINS_WITHIN: Duration = Duration::from_secs(90);

const RETRY: [&str; 2] = ["--retry-for", "10s"];

/// Freezes the network while a run performs, and thaws it.
pub async fn frozen_in_perform(_campaign: Campaign) -> Tried {
    let mut stage = Stage::of(Scene::Bulk(400)).await;
    let run = stage.start_run(8, &[]);
    stage.until_performed(100).await;
    stage.proxy.freeze_for(FROZEN).await;
    let thawed_at = Instant::now();
    let output = run.ends_within(ENDS_WITHIN).await;
    let note = told(&output, thawed_at);
    ended_honestly(&mut stage, &output).await;
    stage.remove().await;
    Tried { times: 1, note }
}

/// Freezes the network at a statement, for ever: the program ends all the same.
async fn frozen_for_ever(point: Point, moment: Moment, within: Duration) -> String {
    let mut stage = Stage::of(Scene::Small).await;
    let reached = stage.proxy.hold_at(point, moment);
    let run = stage.start_run(4, &RETRY);
    let held = tokio::time::timeout(PATIENCE, reached).await.expect("not reached").unwrap();
    stage.proxy.freeze();
    held.go_on();
    let frozen_at = Instant::now();
    let output = run.ends_within(within).await;
    assert_eq!(output.code, 3, "{}", output.all());
    let note = told(&output, frozen_at);
    stage.proxy.thaw();
    stage.proxy.cut_all();
    ended_honestly(&mut stage, &output).await;
    stage.remove().await;
    note
}

pub async fn frozen_for_ever_in_fetch(_campaign: Campaign) -> Tried {
    let point = Point::Statement("COPY payment_monitor_staged_payments", 1);
    let note = frozen_for_ever(point, Moment::Before, ENDS_WITHIN).await;
    Tried { times: 1, note }
}

pub async fn frozen_for_ever_in_compare(_campaign: Campaign) -> Tried {
    let point = Point::Statement("WITH links AS", 1);
    let note = frozen_for_ever(point, Moment::Sent, ENDS_WITHIN).await;
    Tried { times: 1, note }
}

pub async fn frozen_for_ever_in_perform(_campaign: Campaign) -> Tried {
    let point = Point::Statement(crate::harness::proxy::OPERATION, 3);
    let note = frozen_for_ever(point, Moment::Sent, ENDS_WITHIN).await;
    Tried { times: 1, note }
}

/// Freezes the network before a run begins, and at each of its first questions.
pub async fn frozen_at_begin(_campaign: Campaign) -> Tried {
    let stage = Stage::of(Scene::Small).await;
    stage.proxy.freeze();
    let output = stage.start_run(4, &RETRY).ends_within(BEGINS_WITHIN).await;
    assert_eq!(output.code, 3, "{}", output.all());
    assert!(output.stderr.contains("can't be reached"), "{}", output.all());
    stage.remove().await;
    let flushes = 1..=8;
    let freezing = flushes.map(|flush| async move {
        let point = Point::Flush(flush);
        caught(frozen_for_ever(point, Moment::Before, BEGINS_WITHIN))
            .await
            .map_err(|why| (flush, why))
    });
    let ended = futures_util::future::join_all(freezing).await;
    let failures: Vec<String> = ended
        .into_iter()
        .filter_map(Result::err)
        .map(|(flush, why)| format!("at message {flush}: {why}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n  "));
    Tried { times: 9, note: String::new() }
}

/// Takes 200 ms for each round trip.
pub async fn slow(_campaign: Campaign) -> Tried {
    let mut stage = Stage::of(Scene::Small).await;
    stage.proxy.delay(EACH_WAY);
    let started = Instant::now();
    let output = stage.start_run(4, &[]).ends_within(ENDS_WITHIN).await;
    assert_eq!(output.code, 1, "the refused operation: {}", output.all());
    let note = told(&output, started);
    assert!(stage.is_in_line().await, "{}", output.all());
    stage.check().await;
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 1, note }
}

/// Either it went on and brought the ledger in line, or it says that it failed.
async fn ended_honestly(stage: &mut Stage, output: &Output) {
    assert!(matches!(output.code, 0 | 1 | 3), "{}", output.all());
    if output.code != 3 {
        assert!(stage.is_in_line().await, "{}", output.all());
    }
    dead_but_not_forgotten(stage, 0).await;
}

fn told(output: &Output, since: Instant) -> String {
    format!("exit code {} after {:.0?}", output.code, since.elapsed())
}
