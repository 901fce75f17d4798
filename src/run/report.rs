//! What a run did, for whoever asked for it.

use super::begin::Environment;
use super::clock::Clock;
use super::error::RunError;
use super::fetch::Staged;
use super::observe;
use super::plan::Plan;
use super::stop::Signal;
use crate::domain::Assessment;
use crate::domain::run::{Counts, PerformedOperation, Phase, RunId, Status, Summary};
use crate::exit;
use crate::reconcile::Scope;
use crate::store::ending::Totals;
use chrono::{DateTime, Utc};

/// What a run did.
#[derive(Debug)]
pub struct Report {
    pub summary: Summary,
    /// The first operations that were performed, in the order in which they ended.
    pub operations: Vec<PerformedOperation>,
    /// What asked the run to stop.
    pub stopped_by: Option<Signal>,
}

/// What the phases found, gathered as they went.
#[derive(Debug, Default)]
pub(super) struct Conclusion {
    pub statement: Option<serde_json::Value>,
    pub known_until: Option<DateTime<Utc>>,
    pub scopes: Option<[Scope; 2]>,
    pub plan: Plan,
    pub held: Option<String>,
    pub operations: Vec<PerformedOperation>,
    pub assessment: Option<Assessment>,
}

impl Conclusion {
    /// Keeps what is known of the statement, and hands it on.
    pub fn note_statement(
        &mut self,
        fetched: Result<Staged, RunError>,
    ) -> Result<Staged, RunError> {
        let staged = fetched?;
        self.statement = serde_json::to_value(&staged.facts).ok();
        self.known_until = Some(staged.known_until);
        self.scopes = Some([staged.payments, staged.subscriptions]);
        Ok(staged)
    }
}

impl Report {
    /// The exit code that tells how the run ended (see `exit`).
    pub fn exit_code(&self) -> u8 {
        let operations = self.summary.operations;
        match (self.stopped_by, self.summary.status) {
            (Some(signal), Status::Interrupted) => signal.exit_code(),
            (_, Status::Succeeded) if operations.failed + operations.conflict > 0 => exit::PARTLY,
            (_, Status::Succeeded) => exit::DONE,
            (_, Status::Held) => exit::HELD,
            (_, Status::Skipped) => exit::SKIPPED,
            (_, Status::Failed | Status::Interrupted | Status::Running) => exit::FAILED,
        }
    }

    pub(super) fn skipped(
        environment: &Environment,
        id: RunId,
        parent: Option<RunId>,
        clock: &Clock,
    ) -> Self {
        let mut summary = blank(environment, id, parent, clock);
        summary.status = Status::Skipped;
        summary.error = Some("another run was going on".to_owned());
        summary.duration_ms = Some(0);
        observe::skipped(environment, id, &summary);
        Self { summary, operations: Vec::new(), stopped_by: None }
    }
}

/// A summary of a run of which only the beginning is known.
pub(super) fn blank(
    environment: &Environment,
    id: RunId,
    parent: Option<RunId>,
    clock: &Clock,
) -> Summary {
    Summary {
        run_id: id.to_string(),
        trace_id: id.trace_id(),
        parent_id: parent.map(|parent| parent.to_string()),
        status: Status::Running,
        needs_rescue: Some(false),
        error: None,
        started_at: clock.started_at(),
        duration_ms: None,
        host: environment.host.clone(),
        version: environment.version.to_owned(),
        statement: None,
        discrepancies: std::collections::BTreeMap::new(),
        left: std::collections::BTreeMap::new(),
        operations: Counts::default(),
        withheld_deletes: 0,
        phases: Vec::<Phase>::new(),
        assessment: None,
        telemetry: None,
    }
}

/// How many operations of a run that has ended ended how.
pub(super) fn counts(totals: &Totals) -> Counts {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Counts {
        planned: count(totals.planned),
        applied: count(totals.applied),
        failed: count(totals.failed),
        conflict: count(totals.conflict),
        not_done: count(totals.planned - totals.results()),
        open: 0,
    }
}
