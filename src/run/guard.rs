//! Decides whether the plan may be performed, and pins the ledger to what its statement is of.

use super::Request;
use super::begin::Run;
use super::error::RunError;
use super::pin;
use super::plan::Plan;
use crate::reconcile::Pin;

/// Why the plan is held; nothing where it may be performed, and then the ledger is pinned to
/// what the statement says of itself and was not known yet.
///
/// # Errors
/// The database.
pub async fn guard(
    run: &Run,
    plan: &Plan,
    request: &Request,
    statement: &Pin,
) -> Result<Option<String>, RunError> {
    if let Some(why) = request.max_changes.holds(plan.operations, plan.ledger_rows) {
        return Ok(Some(why));
    }
    let mut connection = run.database.connect().await?;
    pin::set(run, &mut connection, statement).await?;
    Ok(None)
}
