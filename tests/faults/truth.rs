//! What must be true after any fault, and is asserted after each: docs/faults.md says it in words.

use crate::stage::Stage;
use serde_json::Value;

/// The fate of every operation of a run, from the tables themselves.
const FATES: &str = "string_agg(fate || ' ' || id, E'\\n' ORDER BY fate, id) FROM (
    SELECT o.id, coalesce(r.outcome, CASE j.execution_status WHEN 'running' THEN 'open'
        WHEN 'held' THEN CASE WHEN EXISTS (SELECT FROM payment_monitor_events e
            WHERE e.job_id = j.id AND e.kind IN ('approval', 'rejection'))
            THEN 'not_done' ELSE 'held' END
        ELSE 'not_done' END) AS fate
    FROM payment_monitor_operations o JOIN payment_monitor_jobs j ON j.id = o.job_id
    LEFT JOIN payment_monitor_results r ON r.id = o.id AND r.job_id = o.job_id";

/// The same from the view that people are given.
const VIEW: &str = "string_agg(fate || ' ' || operation_id, E'\\n' ORDER BY fate, operation_id)
    FROM run_operations";

const STATUSES: &str = "string_agg(id || ' ' || execution_status, E'\\n' ORDER BY id DESC)
    FROM payment_monitor_jobs";

const LOCK_IS_HELD: &str = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

impl Stage {
    /// Asserts it all. No run may be at work meanwhile, unless it is paused.
    pub async fn check(&mut self) {
        self.ledger.assert_invariants().await;
        let recorded = self.ledger.text(&format!("SELECT {STATUSES}")).await;
        let told = self.command(&["--output", "json", "runs", "--limit", "1000"]).await.json();
        let runs = told["runs"].as_array().unwrap();
        let status = |run| format!("{} {}", text(run, "run_id"), text(run, "status"));
        let statuses: Vec<String> = runs.iter().map(status).collect();
        assert_eq!(statuses.join("\n"), recorded.replace("NULL", ""), "what `runs` says");
        for run in runs {
            if !self.told.contains(text(run, "run_id")) {
                self.check_run(run).await;
            }
        }
    }

    async fn check_run(&mut self, run: &Value) {
        let (id, status) = (text(run, "run_id"), text(run, "status"));
        let fates = self.ledger.text(&format!("SELECT {FATES} WHERE j.id = '{id}') AS own")).await;
        let fates = fates.replace("NULL", "");
        let view = self.ledger.text(&format!("SELECT {VIEW} WHERE run_id = '{id}'")).await;
        assert_eq!(view.replace("NULL", ""), fates, "the view of run {id}");

        let show = self.command(&["--output", "json", "show", id, "--limit", "100000"]).await;
        let show = show.json();
        assert_eq!(listed(&show), fates, "the lists that `show` gives of run {id}");
        assert_eq!(text(&show, "status"), status);
        let is_dead = status == "running" && self.ledger.text(LOCK_IS_HELD).await == "false";
        for (command, told) in [("runs", run), ("show", &show)] {
            assert_eq!(told["needs_rescue"], is_dead, "needs_rescue by `{command}`: {told}");
            check_counts(command, told, &fates);
        }
        // A held run's operations are held until somebody has decided.
        if !matches!(status, "running" | "held") {
            self.told.insert(id.to_owned());
        }
    }
}

/// Compares a summary's counts with the operations' fates.
fn check_counts(command: &str, run: &Value, fates: &str) {
    let count = |fate: &str| fates.lines().filter(|line| line.starts_with(fate)).count();
    let told = |key: &str| {
        let number = run["operations"][key].as_u64();
        number.unwrap_or_else(|| panic!("`{command}` gives no operations.{key}: {run}"))
    };
    for fate in ["applied", "failed", "conflict", "open"] {
        assert_eq!(told(fate), count(fate) as u64, "{fate} by `{command}`: {run}");
    }
    assert_eq!(told("not_done"), (count("not_done") + count("held")) as u64, "{command}: {run}");
    assert_eq!(told("planned"), fates.lines().count() as u64, "planned by `{command}`: {run}");
}

/// The operations of `show`, each with its fate, in the order of [`FATES`].
fn listed(show: &Value) -> String {
    let lists = show["operations_by_fate"].as_object().unwrap();
    let operations = lists.iter().flat_map(|(fate, list)| {
        let operations = list.as_array().unwrap().iter();
        operations.map(move |operation| format!("{fate} {}", text(operation, "operation_id")))
    });
    let mut operations: Vec<String> = operations.collect();
    operations.sort();
    operations.join("\n")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}
