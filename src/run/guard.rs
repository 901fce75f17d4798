//! Decides whether the plan may be performed, and pins the ledger to what its statement is of.

use super::Request;
use super::begin::Run;
use super::error::RunError;
use super::plan::Plan;
use crate::reconcile::Pin;
use crate::store::events;
use sqlx::PgConnection;

/// Refuses a statement of another account or mode than the ledger's. Done before anything is
/// compared: what another account lists says nothing about this ledger, not even what is open.
///
/// # Errors
/// [`RunError::Pin`], or the database.
pub async fn admit(run: &Run, asked: &Pin, statement: &Pin) -> Result<(), RunError> {
    let mut connection = run.database.connect().await?;
    let pinned = events::pin(&mut connection)
        .await
        .map_err(RunError::query("reading the pinned account"))?;
    Ok(asked.or(&pinned).admits(statement)?)
}

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
    pin(run, &mut connection, statement).await?;
    Ok(None)
}

/// Pins the ledger to what is not pinned yet.
///
/// # Errors
/// The database.
pub async fn pin(
    run: &Run,
    connection: &mut PgConnection,
    statement: &Pin,
) -> Result<(), RunError> {
    let stamps = [run.clock.next_id(), run.clock.next_id()].map(|id| (id, run.clock.now()));
    events::set_pin(connection, stamps, run.id, statement)
        .await
        .map_err(RunError::query("pinning the account"))
}
