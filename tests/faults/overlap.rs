//! More than one run at a time: an over-eager cron, and a lock that is lost.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::going::Going;
use crate::harness::PATIENCE;
use crate::middle::BULK;
use crate::stage::Stage;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("cron starts two runs at once, then twenty", Needs::Nothing, cron),
        fault("the lock is lost while another run starts", Needs::Nothing, lock_lost),
    ]
}

/// The one that works waits for a lock, first in the middle of its operations and then before
/// its plan, until all others are through.
async fn cron(_: Campaign) -> Tried {
    let mut stage = Stage::small().await;
    for (runs, code, lock) in [
        (2, 1, "SELECT FROM payments WHERE provider_payment_id = 'ch_actor' FOR UPDATE"),
        (20, 0, "LOCK TABLE payment_monitor_discrepancies IN ACCESS EXCLUSIVE MODE"),
    ] {
        let skipped = "SELECT count(*) FROM payment_monitor_jobs
            WHERE execution_status = 'skipped'";
        let others = stage.ledger.number(skipped).await + runs - 1;
        let holder = stage.ledger.hold(lock).await;
        let going: Vec<Going> = (0..runs).map(|_| stage.start_direct_run(1, &[])).collect();
        let all_others = format!("({skipped}) = {others}");
        stage.until("the others are skipped", PATIENCE, &all_others).await;
        holder.let_go().await;
        let mut codes = Vec::new();
        for run in going {
            codes.push(run.ends_within(PATIENCE).await.code);
        }
        codes.sort_unstable();
        let expected: Vec<i32> = std::iter::once(code).chain((1..runs).map(|_| 5)).collect();
        assert_eq!(codes, expected, "one works, the others say that they were skipped");
        stage.check().await;
        assert!(stage.is_in_line().await);
    }
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 2, note: String::new() }
}

/// Of each recorded change, the transaction that made it and what was committed by then.
const ORDER: &str = "
ALTER TABLE recorded_changes ADD made_by xid8, ADD saw pg_snapshot;
ALTER TABLE recorded_changes ALTER made_by SET DEFAULT pg_current_xact_id(),
    ALTER saw SET DEFAULT pg_current_snapshot()";

/// Pairs of changes of which an earlier run's was not committed when a later run's was made.
const OUT_OF_ORDER: &str = "SELECT count(*) FROM recorded_changes first, recorded_changes second
    WHERE first.program LIKE 'payment-monitor%' AND second.program LIKE 'payment-monitor%'
        AND first.program < second.program
        AND NOT pg_visible_in_snapshot(first.made_by, second.saw)";

const RUNS_THAT_CHANGED: &str = "SELECT count(DISTINCT program) FROM recorded_changes
    WHERE program LIKE 'payment-monitor%' AND made_by IS NOT NULL";

async fn lock_lost(campaign: Campaign) -> Tried {
    let since = std::time::Instant::now();
    let (mut times, mut both) = (0, 0);
    while campaign.goes_on(times, [1, 20], since) {
        let mut stage = Stage::with_bulk(BULK).await;
        stage.ledger.sql(ORDER).await;
        let first = stage.start_direct_run(4, &["--retry-for", "5s"]);
        stage.until_results(10).await;
        let holder = "SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        stage.ledger.sql(holder).await;
        let second = stage.start_direct_run(4, &["--retry-for", "5s"]);
        let first = first.ends_within(PATIENCE).await;
        let second = second.ends_within(PATIENCE).await;
        match (first.code, second.code) {
            // The second took the lock, and ended the first; or came when it was done; or the
            // first had taken it again.
            (3, 0 | 1) | (1, 0 | 5) => {}
            codes => panic!("{codes:?}: {} {}", first.all(), second.all()),
        }
        let open = "SELECT count(*) FROM payment_monitor_jobs
            WHERE execution_status = 'running'";
        assert_eq!(stage.ledger.number(open).await, 0, "each run's end is recorded");
        assert_eq!(
            stage.ledger.number(OUT_OF_ORDER).await,
            0,
            "an operation of the first run \
            was committed after one of the second"
        );
        both += u64::from(stage.ledger.number(RUNS_THAT_CHANGED).await == 2);
        stage.check().await;
        stage.next_run_mends().await;
        stage.remove().await;
        times += 1;
    }
    Tried { times, note: format!("{both} times both runs changed rows") }
}
