//! Finds runs whose process died, and ends them: from then on nothing of theirs can commit.

use super::begin::{Environment, Prepared, Run, prepare};
use super::error::RunError;
use super::observe;
use super::replay::replay;
use crate::domain::run::{RunId, Status};
use crate::store::ending::{self, Ending};
use crate::store::error::fault;
use crate::store::jobs;
use crate::store::{discrepancies, events, lock};
use sqlx::{Connection as _, PgConnection};

/// How often the fence is tried before the rescue gives up. Each try waits for the lock
/// timeout and ends the dead run's sessions first.
const TRIES_MAX: u32 = 5;

/// Ends every dead run. Whoever holds the run lock is the only one alive.
///
/// # Errors
/// The database; or a session of a dead run that can't be ended.
pub async fn rescue(run: &Run) -> Result<Vec<RunId>, RunError> {
    let mut connection = run.database.connect().await?;
    rescue_all(&mut connection, run).await
}

/// Ends every dead run without making a run of its own.
///
/// # Errors
/// [`RunError::Busy`] while a run is going on: then nothing needs rescue.
pub async fn rescue_only(environment: &Environment) -> Result<Vec<RunId>, RunError> {
    match prepare(environment, None).await? {
        Prepared::Busy(..) => Err(RunError::Busy),
        Prepared::Free(run, mut connection) => {
            let rescued = run.while_locked(rescue_all(&mut connection, &run)).await;
            run.lock.release().await;
            rescued
        }
    }
}

async fn rescue_all(connection: &mut PgConnection, own: &Run) -> Result<Vec<RunId>, RunError> {
    let open = jobs::open(connection).await.map_err(RunError::query("looking for dead runs"))?;
    let mut rescued = Vec::new();
    for dead in open.into_iter().filter(|open| open.id != own.id.0) {
        let id = RunId(dead.id);
        fence_off(connection, own, &dead).await?;
        observe::rescued(id);
        retell(connection, own, id).await;
        rescued.push(id);
    }
    Ok(rescued)
}

/// The trace of a run whose process died is made again: what it had sent is completed.
async fn retell(connection: &mut PgConnection, own: &Run, dead: RunId) {
    let telemetry = &own.environment.telemetry;
    if telemetry.is_enabled()
        && let Err(error) = replay(connection, telemetry, &own.operations.server, dead).await
    {
        let why = error.told();
        tracing::warn!(payment_monitor.run.id = %dead, "its trace was not made again: {why}");
    }
}

async fn fence_off(
    connection: &mut PgConnection,
    own: &Run,
    dead: &jobs::Open,
) -> Result<(), RunError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let held = lock::is_held_by(connection, own.lock.session()).await;
        if !held.map_err(RunError::query("proving the run lock"))? {
            return Err(RunError::Paused);
        }
        lock::terminate_sessions(connection, dead.id)
            .await
            .map_err(RunError::query("ending a dead run's sessions"))?;
        match end(connection, own, dead).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(RunError::Paused),
            Err(error) if tries < TRIES_MAX && fault(&error).may_pass() => {}
            Err(error) => {
                tracing::warn!(run = %dead.id, "a run whose process had died can't be ended");
                return Err(RunError::query("ending a dead run")(error));
            }
        }
    }
}

/// Notes what a run that is to be ended has attempted in vain, so many at a time: its end must not
/// depend on how much that is.
pub(super) async fn note_unapplied(
    connection: &mut PgConnection,
    own: &Run,
    run: RunId,
) -> sqlx::Result<()> {
    let (mut after, now) = (run.0, own.clock.now());
    while let Some(last) = discrepancies::note_unapplied(connection, run, after, now).await? {
        after = last;
    }
    Ok(())
}

/// Ends a dead run; false where the run lock is not held any more. The proof and the end are
/// one transaction, which the server ends sooner than it gives up the lock of a paused process.
async fn end(connection: &mut PgConnection, own: &Run, dead: &jobs::Open) -> sqlx::Result<bool> {
    let id = RunId(dead.id);
    // What a person has to look at stays visible, as after any other end.
    note_unapplied(connection, own, id).await?;
    let mut transaction = connection.begin().await?;
    ending::wait_shortly(&mut transaction).await?;
    if ending::lock_to_end(&mut transaction, id).await? {
        if !lock::is_held_by(&mut transaction, own.lock.session()).await? {
            return Ok(false);
        }
        let totals = ending::totals(&mut transaction, id).await?;
        let last_sign = totals.last_result_at.unwrap_or(dead.started_at);
        let planned = events::planned(&mut transaction, id).await?.unwrap_or_default();
        let ending = Ending {
            duration: (last_sign - dead.started_at).to_std().unwrap_or_default(),
            error: Some("its process was gone, or had lost the run lock".to_owned()),
            ..Ending::of(Status::Interrupted).with(planned)
        };
        ending::end(&mut transaction, id, &ending, &totals).await?;
    }
    transaction.commit().await?;
    Ok(true)
}
