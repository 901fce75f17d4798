//! Waiting for the middle of a run, where most faults happen.

use crate::harness::PATIENCE;
use crate::stage::Stage;

/// How many rows to change are enough to have a middle.
pub const BULK: i64 = 400;

impl Stage {
    /// Waits until the run that is going on has left so many results.
    pub async fn until_results(&mut self, results: u64) {
        let enough = format!(
            "(SELECT count(*) FROM payment_monitor_results r
            JOIN payment_monitor_jobs j ON j.id = r.job_id
            WHERE execution_status = 'running') >= {results}"
        );
        self.until(&format!("a run has left {results} results"), PATIENCE, &enough).await;
    }

    /// How the newest run that is not skipped ended, and what it says of it.
    pub async fn newest_end(&mut self) -> String {
        let newest = "SELECT concat_ws(' ', execution_status, error) FROM payment_monitor_jobs
            WHERE execution_status <> 'skipped' ORDER BY id DESC LIMIT 1";
        self.ledger.text(newest).await
    }

    /// How many results with this outcome the newest run has left.
    pub async fn results(&mut self, outcome: &str) -> u64 {
        let count = format!(
            "SELECT count(*) FROM payment_monitor_results WHERE outcome = '{outcome}' AND
            job_id = (SELECT id FROM payment_monitor_jobs WHERE execution_status <> 'skipped'
                ORDER BY id DESC LIMIT 1)"
        );
        self.ledger.number(&count).await.try_into().unwrap()
    }
}
