//! A dry run: the plan without the perform, and without a record.

use super::Request;
use super::begin::{Environment, Prepared, Run, prepare};
use super::compare::compare;
use super::error::RunError;
use super::fetch::fetch;
use super::plan::{Plan, planner};
use crate::domain::operation::Operation;
use crate::domain::run::RunId;
use crate::reconcile::Decision;
use crate::statement::Facts;
use crate::telemetry::names;
use tokio::sync::mpsc;

/// How many discrepancies may wait to be decided upon.
const DISCREPANCIES_MAX: usize = 1_024;

/// What a run would do.
#[derive(Debug)]
pub struct Preview {
    pub id: RunId,
    pub statement: Facts,
    pub plan: Plan,
    /// Why the plan would be held.
    pub held: Option<String>,
}

/// Does everything up to the guard and hands each planned operation to `shown`. The same code
/// finds, decides and builds the operations as in a run; nothing is kept of them.
///
/// # Errors
/// What would fail a run; [`RunError::Busy`] while one is going on.
pub async fn preview(
    environment: &Environment,
    request: &Request,
    shown: mpsc::Sender<Operation>,
) -> Result<Preview, RunError> {
    match prepare(environment, None).await? {
        Prepared::Busy(..) => Err(RunError::Busy),
        Prepared::Free(run, _) => {
            let previewed = Box::pin(steps(&run, request, shown)).await;
            run.lock.release().await;
            previewed
        }
    }
}

async fn steps(
    run: &Run,
    request: &Request,
    shown: mpsc::Sender<Operation>,
) -> Result<Preview, RunError> {
    let staged = run.phase(names::FETCH, fetch(run, request)).await?;
    let (found, mut discrepancies) = mpsc::channel(DISCREPANCIES_MAX);
    let comparing = run.phase(names::COMPARE, compare(run, &staged, found));
    let mut planner = run.while_locked(planner(run, &staged, request)).await?;
    let planning = run.phase(names::PLAN, async {
        let mut plan = Plan::default();
        while let Some(discrepancy) = discrepancies.recv().await {
            let decision = planner.decide(discrepancy);
            plan.count(&decision);
            if let Decision::Perform(kind, proposal) = decision {
                plan.operations += 1;
                let operation = Operation::planned(run.clock.next_id(), kind, proposal);
                let _ = shown.send(operation).await;
            }
        }
        Ok(plan)
    });
    let (rows, decided) = tokio::join!(comparing, planning);
    let ledger_rows = rows?;
    let plan = Plan { ledger_rows, ..decided? };
    let held = request.max_changes.holds(plan.operations, plan.ledger_rows);
    Ok(Preview { id: run.id, statement: staged.facts, plan, held })
}
