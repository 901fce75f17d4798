//! Waiting for the middle of a run, where most faults happen.

use crate::harness::PATIENCE;
use crate::stage::Stage;

/// How many rows to change are enough to have a middle.
pub const BULK: i64 = 400;

/// Each fifty of the bulk's rows wait at a gate of their own while the company holds it.
const GATES: &str = "
CREATE OR REPLACE FUNCTION company_takes_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared(substr(NEW.provider_payment_id, 8)::bigint / 50);
    RETURN NEW;
END $$;";

impl Stage {
    /// Closes gates: the first holds up the 50th row of the bulk, the second the 100th.
    pub async fn close_gates(&mut self, gates: &[i64]) {
        self.ledger.sql(GATES).await;
        for gate in gates {
            self.ledger.sql(&format!("SELECT pg_advisory_lock({gate})")).await;
        }
    }

    /// Opens a gate.
    pub async fn open_gate(&mut self, gate: i64) {
        self.ledger.sql(&format!("SELECT pg_advisory_unlock({gate})")).await;
    }

    /// Waits until so many operations of the run are held up at a gate, and so all others
    /// before it are done.
    pub async fn until_held_up(&mut self, gate: i64, operations: i64) {
        let waiting = format!(
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND objid = {gate} AND database = (SELECT oid FROM pg_database
                    WHERE datname = current_database())) >= {operations}"
        );
        self.until("operations wait at a gate", PATIENCE, &waiting).await;
    }

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
