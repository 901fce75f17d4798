//! Whose ledger it is: the account and mode that it is pinned to by the first statement that
//! says so.

use super::begin::Run;
use super::error::RunError;
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

/// Pins the ledger to what is not pinned yet.
///
/// # Errors
/// The database.
pub async fn set(
    run: &Run,
    connection: &mut PgConnection,
    statement: &Pin,
) -> Result<(), RunError> {
    let stamps = [run.clock.next_id(), run.clock.next_id()].map(|id| (id, run.clock.now()));
    events::set_pin(connection, stamps, run.id, statement)
        .await
        .map_err(RunError::query("pinning the account"))
}
