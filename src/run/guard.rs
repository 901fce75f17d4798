//! Decides whether the plan may be performed, and pins the ledger to its first statement.

use super::Request;
use super::begin::Run;
use super::error::RunError;
use super::plan::Plan;
use crate::reconcile::Pin;
use crate::store::events;

/// Why the plan is held; nothing where it may be performed.
///
/// # Errors
/// A statement of another account or mode than the ledger's, or the database.
pub async fn guard(
    run: &Run,
    plan: &Plan,
    request: &Request,
    statement: &Pin,
) -> Result<Option<String>, RunError> {
    let mut connection = run.database.connect().await?;
    let pinned = events::pin(&mut connection)
        .await
        .map_err(RunError::query("reading the pinned account"))?;
    request.pin.or(&pinned.clone().unwrap_or_default()).admits(statement)?;
    if let Some(why) = request.max_changes.holds(plan.operations, plan.ledger_rows) {
        return Ok(Some(why));
    }
    if pinned.is_none() && *statement != Pin::default() {
        let stamp = (run.clock.next_id(), run.clock.now());
        events::set_pin(&mut connection, stamp, run.id, statement)
            .await
            .map_err(RunError::query("pinning the account"))?;
    }
    Ok(None)
}
