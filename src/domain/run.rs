//! A run: one execution of the job.

use super::account::Account;
use super::assessment::Assessment;
use super::operation::{Outcome, named};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// A run's id: a UUIDv7, and the same 16 bytes are the id of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub Uuid);

impl RunId {
    /// The trace id: the same bytes as lowercase hexadecimal digits.
    pub fn trace_id(self) -> String {
        self.0.simple().to_string()
    }

    /// The moment in the id, to the millisecond; none in an id that is no UUIDv7.
    pub fn moment(self) -> Option<DateTime<Utc>> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;
    /// Takes the hyphenated form and the trace id's.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// The span id of an operation, and of its result: the low 8 bytes of its id.
pub fn span_id(operation: Uuid) -> u64 {
    operation.as_u64_pair().1
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    Interrupted,
    Held,
    Skipped,
}

named!(Status {
    Running => "running",
    Succeeded => "succeeded",
    Failed => "failed",
    Interrupted => "interrupted",
    Held => "held",
    Skipped => "skipped",
});

/// What a run did, as people and machines are told: the same from the process that ran it and
/// from the database years later. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    pub run_id: String,
    pub trace_id: String,
    /// The held run, or the one with withheld operations, that this run was approved from.
    pub parent_id: Option<String>,
    pub status: Status,
    /// Whether the run has not ended although its process is gone, or has lost the run lock;
    /// none on a replica, where that is not seen.
    pub needs_rescue: Option<bool>,
    /// Why the run failed, was interrupted or held: one line.
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    /// Time spent running; none while it runs.
    pub duration_ms: Option<u64>,
    pub host: String,
    pub version: String,
    /// What was read and whether it is proven complete (`statement::Facts`).
    pub statement: Option<serde_json::Value>,
    /// Discrepancies found, by kind.
    pub discrepancies: BTreeMap<String, u64>,
    /// Discrepancies left as they are, by reason.
    pub left: BTreeMap<String, u64>,
    pub operations: Counts,
    pub withheld_deletes: u64,
    pub phases: Vec<Phase>,
    /// What the rules of suspicious activity found; none where the run did not come that far, and
    /// where runs are listed.
    pub assessment: Option<Assessment>,
    /// What became of the telemetry; none where no endpoint is configured, and where runs are
    /// listed.
    pub telemetry: Option<Account>,
}

/// Operations of a run, by how they ended.
/// `planned = applied + failed + conflict + not_done + open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub planned: u64,
    pub applied: u64,
    pub failed: u64,
    pub conflict: u64,
    /// Planned, and without any effect: never attempted, or attempted and rolled back.
    pub not_done: u64,
    /// Without a result, while the record does not say yet that the run has ended.
    pub open: u64,
}

/// Operations as the process that performs them counts them, from all its workers.
#[derive(Debug, Default)]
pub struct Outcomes {
    applied: AtomicU64,
    failed: AtomicU64,
    conflict: AtomicU64,
}

impl Outcomes {
    /// Counts one more; gives how many there are.
    pub fn add(&self, outcome: Outcome) -> u64 {
        let counter = match outcome {
            Outcome::Applied => &self.applied,
            Outcome::Failed => &self.failed,
            Outcome::Conflict => &self.conflict,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let counts = self.of(0);
        counts.applied + counts.failed + counts.conflict
    }

    /// What is known of so many planned operations; the rest is open.
    pub fn of(&self, planned: u64) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (applied, failed) = (count(&self.applied), count(&self.failed));
        let conflict = count(&self.conflict);
        let open = planned.saturating_sub(applied + failed + conflict);
        Counts { planned, applied, failed, conflict, not_done: 0, open }
    }
}

/// When a phase ran, measured by a monotonic clock from the run's start.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Phase {
    pub name: String,
    pub offset_us: u64,
    pub duration_us: u64,
    /// Why it came to no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An operation as it was performed, for people who watch: which, how it ended, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerformedOperation {
    pub span_name: String,
    pub description: String,
    pub outcome: super::Outcome,
    /// From the run's start.
    pub offset: std::time::Duration,
    pub duration: std::time::Duration,
    /// Why the database refused it.
    pub error: Option<String>,
}
