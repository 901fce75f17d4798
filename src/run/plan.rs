//! Makes the plan and stores all of it, before any of it is performed.

use super::Request;
use super::begin::Run;
use super::compare::compare;
use super::error::RunError;
use super::fetch::Staged;
use super::retry;
use crate::domain::discrepancy::{Discrepancy, Reason};
use crate::domain::operation::{Action, Operation, canonical};
use crate::reconcile::{Decision, Planner, Policy};
use crate::store::copy::Rows;
use crate::store::events::{self, Planned};
use crate::store::{discrepancies, jobs, operations};
use crate::telemetry::names;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// How many discrepancies may wait to be planned.
const DISCREPANCIES_MAX: usize = 1_024;

/// A plan that has been stored: how much it is, and what was left out of it.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    pub operations: u64,
    /// Over the operations without their ids, in their order.
    pub digest: Option<Vec<u8>>,
    pub discrepancies: BTreeMap<String, u64>,
    pub left: BTreeMap<String, u64>,
    pub withheld_deletes: u64,
    /// Rows of the ledger in the window.
    pub ledger_rows: u64,
}

impl Plan {
    /// The plan as the record keeps it.
    pub(super) fn planned(
        &self,
        statement: Option<serde_json::Value>,
        known_until: Option<DateTime<Utc>>,
    ) -> Planned {
        Planned {
            operations: self.operations,
            plan_digest: self.digest.as_ref().map(hex::encode),
            statement,
            known_until,
            discrepancies: serde_json::to_value(&self.discrepancies).ok(),
            left_alone: serde_json::to_value(&self.left).ok(),
            withheld_deletes: self.withheld_deletes,
        }
    }

    pub(super) fn count(&mut self, decision: &Decision) {
        let (Decision::Perform(kind, _) | Decision::Leave(kind, ..)) = decision;
        *self.discrepancies.entry(kind.to_string()).or_default() += 1;
        if let Decision::Leave(_, reason, proposal) = decision {
            *self.left.entry(reason.to_string()).or_default() += 1;
            let is_withheld = matches!(reason, Reason::MaxDeletes | Reason::Unproven);
            self.withheld_deletes += u64::from(is_withheld && proposal.action == Action::Delete);
        }
    }
}

/// A planner for what is known of a statement, and of what was refused before.
pub(super) async fn planner(
    run: &Run,
    staged: &Staged,
    request: &Request,
) -> Result<Planner, RunError> {
    let mut connection = run.database.connect().await?;
    let refused = discrepancies::refused(&mut connection)
        .try_collect()
        .await
        .map_err(RunError::query("reading what was refused before"))?;
    Ok(Planner::new(Policy {
        known_until: staged.known_until,
        payments_proven: staged.facts.payments_listing.is_proven(),
        subscriptions_proven: staged.facts.subscriptions_listing.is_proven(),
        max_deletes: request.max_deletes,
        refused,
    }))
}

/// Compares and plans, at the same time: what one finds the other stores.
///
/// # Errors
/// What either met; a run that was fenced off.
pub async fn from_statement(
    run: &Run,
    staged: &Staged,
    request: &Request,
) -> Result<Plan, RunError> {
    let (found, discrepancies) = mpsc::channel(DISCREPANCIES_MAX);
    let decider = run.while_locked(planner(run, staged, request)).await?;
    let comparing = run.phase(names::COMPARE, compare(run, staged, found));
    let planning = run.phase(names::PLAN, store(run, decider, discrepancies));
    let (rows, stored) = tokio::join!(comparing, planning);
    // A comparison that broke off is the reason for whatever the plan then lacks.
    let ledger_rows = rows?;
    let (plan, connection) = stored?;
    let facts = serde_json::to_value(&staged.facts).ok();
    commit(run, connection, &plan.planned(facts, Some(staged.known_until))).await?;
    Ok(Plan { ledger_rows, ..plan })
}

/// Stores the plan in an open transaction: a comparison that fails leaves none of it.
async fn store(
    run: &Run,
    mut planner: Planner,
    mut found: mpsc::Receiver<Discrepancy>,
) -> Result<(Plan, PgConnection), RunError> {
    let mut writer = PlanWriter::open(run).await?;
    let mut left = LeftWriter::open(run).await?;
    let mut plan = Plan::default();
    while let Some(discrepancy) = found.recv().await {
        let decision = planner.decide(discrepancy);
        plan.count(&decision);
        match decision {
            Decision::Perform(kind, proposal) => {
                let id = run.clock.next_id();
                writer.push(run, &Operation::planned(id, kind, proposal)).await?;
            }
            Decision::Leave(kind, reason, proposal) => {
                let id = run.clock.next_id();
                discrepancies::push(&mut left.rows, (run.id, id), kind, reason, &proposal);
                left.flush_when_full().await?;
            }
        }
        run.progress(writer.operations, 0);
    }
    left.finish().await?;
    plan.operations = writer.operations;
    let (digest, mut connection) = writer.finish().await?;
    plan.digest = Some(digest);
    discrepancies::note_left(&mut connection, run.id, run.clock.now())
        .await
        .map_err(RunError::query("noting what is left"))?;
    Ok((plan, connection))
}

/// Commits a plan, with what is known of it: should the run die, this is what is known.
pub(super) async fn commit(
    run: &Run,
    mut connection: PgConnection,
    planned: &Planned,
) -> Result<(), RunError> {
    let stamp = (run.clock.next_id(), run.clock.now());
    retry::once("storing the plan", async {
        events::note_planned(&mut connection, stamp, run.id, planned).await?;
        operations::commit(&mut connection).await
    })
    .await
}

/// Writes operations by COPY, in a transaction in which the run is proven to be live.
pub(super) struct PlanWriter {
    connection: PgConnection,
    rows: Rows,
    digest: Sha256,
    pub operations: u64,
}

impl PlanWriter {
    pub async fn open(run: &Run) -> Result<Self, RunError> {
        let storing = || RunError::query("storing the plan");
        let mut connection = run.database.connect().await?;
        operations::begin(&mut connection).await.map_err(storing())?;
        operations::wait_for_comparison(&mut connection).await.map_err(storing())?;
        if !jobs::hold_running(&mut connection, run.id).await.map_err(storing())? {
            return Err(RunError::FencedOff);
        }
        Ok(Self { connection, rows: Rows::new(), digest: Sha256::new(), operations: 0 })
    }

    pub async fn push(&mut self, run: &Run, operation: &Operation) -> Result<(), RunError> {
        self.digest.update(digest_line(operation));
        self.operations += 1;
        operations::push(&mut self.rows, run.id, operation);
        if self.rows.is_full() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), RunError> {
        let rows = self.rows.take();
        copy(&mut self.connection, operations::COPY, &rows).await
    }

    /// Gives the plan's digest and the connection, whose transaction is still open.
    pub async fn finish(mut self) -> Result<(Vec<u8>, PgConnection), RunError> {
        if !self.rows.is_empty() {
            self.flush().await?;
        }
        Ok((self.digest.finalize().to_vec(), self.connection))
    }
}

/// One operation as the plan's digest sees it: everything but its id, length before text.
fn digest_line(operation: &Operation) -> Vec<u8> {
    let number = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
    let fields = [
        operation.kind.as_str(),
        operation.subject.as_str(),
        operation.action.as_str(),
        &number(operation.target_id),
        &number(operation.user_id),
        &operation.provider_id,
        &canonical(operation.previous_state.as_deref()),
        &canonical(operation.new_state.as_deref()),
        &operation.description,
    ];
    fields.iter().flat_map(|f| format!("{}:{f},", f.len()).into_bytes()).collect()
}

struct LeftWriter {
    connection: PgConnection,
    rows: Rows,
}

impl LeftWriter {
    async fn open(run: &Run) -> Result<Self, RunError> {
        Ok(Self { connection: run.database.connect().await?, rows: Rows::new() })
    }

    async fn flush_when_full(&mut self) -> Result<(), RunError> {
        if self.rows.is_full() {
            let rows = self.rows.take();
            copy(&mut self.connection, discrepancies::COPY, &rows).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), RunError> {
        let rows = self.rows.take();
        copy(&mut self.connection, discrepancies::COPY, &rows).await?;
        let _ = self.connection.close().await;
        Ok(())
    }
}

async fn copy(
    connection: &mut PgConnection,
    statement: &'static str,
    rows: &[u8],
) -> Result<(), RunError> {
    let storing = || RunError::query("storing the plan");
    let mut copy = connection.copy_in_raw(statement).await.map_err(storing())?;
    copy.send(rows).await.map_err(storing())?;
    copy.finish().await.map(drop).map_err(storing())
}
