//! The one door for writes: one operation, one transaction, one result, one span.

use super::begin::Run;
use super::error::RunError;
use super::observe;
use super::retry::{self, ATTEMPT_TIMEOUT};
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::Status;
use crate::store::error::{Fault, brief, fault};
use crate::store::{jobs, operations, refusals, results};
use crate::telemetry::{OperationSpan, Place};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::sync::Arc;
use tokio::time::Instant;

/// How an operation ended, and after how many attempts.
#[derive(Debug, Clone)]
pub struct Performed {
    pub outcome: Outcome,
    pub attempts: u32,
    /// Why the database refused it.
    pub error: Option<String>,
}

/// A worker's connection, which it keeps from operation to operation. None until it is needed,
/// and after an error that leaves it unclear what the connection does next.
pub type Kept = Option<PgConnection>;

/// What one attempt came to.
enum Attempted {
    Ended(Outcome, Option<String>),
    /// The run is not live any more, or its plan is not there: nothing was changed.
    NotLive,
}

/// Performs an operation. Attempts that the connection or another transaction got in the way
/// of are repeated with the same id, so that none can be applied twice: a repeated result is
/// refused by its primary key, and then the first one is looked up. What other transactions got
/// in the way of for all of that time is recorded as failed.
///
/// # Errors
/// No result was left: the run was fenced off, or the database stayed away.
pub async fn perform(
    run: &Run,
    kept: &mut Kept,
    place: &Place,
    operation: &Arc<Operation>,
    known_until: DateTime<Utc>,
) -> Result<Performed, RunError> {
    let _room = run.environment.telemetry.admit().await;
    let began = Instant::now();
    let span = observe::operation(run, place, operation, began.into_std());
    let ended = attempts(run, kept, operation, known_until, &span).await;
    match &ended {
        Ok(done) => observe::performed(run, span, operation, done, began.elapsed()),
        Err(error) => observe::unperformed(run, span, &error.to_string()),
    }
    ended
}

async fn attempts(
    run: &Run,
    kept: &mut Kept,
    operation: &Operation,
    known_until: DateTime<Utc>,
    span: &OperationSpan,
) -> Result<Performed, RunError> {
    let give_up_at = Instant::now() + run.environment.retry_for;
    let mut pauses = retry::pauses();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let is_last = Instant::now() >= give_up_at;
        let error = match attempt(run, kept, operation, known_until, is_last).await {
            Ok(Attempted::Ended(outcome, error)) => {
                return Ok(Performed { outcome, attempts, error });
            }
            Ok(Attempted::NotLive) => return Err(why_not_live(run).await),
            Err(error) => error,
        };
        match fault(&error) {
            met if met.may_pass() && !is_last => {
                observe::retrying(run, span, operation, &brief(&error));
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            Fault::Unwritable(why) => return Err(RunError::Unwritable(why)),
            _ => return Err(RunError::query("performing an operation")(error)),
        }
    }
}

/// Whether the run was ended by another, or is not in the record any more.
async fn why_not_live(run: &Run) -> RunError {
    let looking = retry::while_transient(run, "looking for the run", || async {
        jobs::status(&mut run.database.open().await?, run.id).await
    });
    match looking.await {
        Ok(None) => RunError::Lost { what: "the record of this run is" },
        Ok(Some(Status::Running)) => RunError::Lost { what: "the plan of this run is" },
        Ok(Some(_)) => RunError::FencedOff,
        Err(error) => error,
    }
}

async fn attempt(
    run: &Run,
    kept: &mut Kept,
    operation: &Operation,
    known_until: DateTime<Utc>,
    is_last: bool,
) -> sqlx::Result<Attempted> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => match reconnect(run, operation).await? {
            Some(connection) => connection,
            None => return Ok(Attempted::NotLive),
        },
    };
    let now = run.clock.now();
    let work = async {
        match results::perform(&mut connection, run.id, operation, known_until, now).await {
            Ok(Some(outcome)) => Ok(Attempted::Ended(outcome, None)),
            Ok(None) => Ok(Attempted::NotLive),
            Err(error) => settle(&mut connection, run, operation, error, is_last).await,
        }
    };
    let done = tokio::time::timeout(ATTEMPT_TIMEOUT, work).await;
    let done = done.unwrap_or_else(|_| Err(retry::no_answer()));
    if done.is_ok() {
        *kept = Some(connection);
    }
    done
}

/// A new connection, if the server behind it has the plan: after a failover to a replica that was
/// behind it may not, and an operation without a plan must not be performed.
async fn reconnect(run: &Run, operation: &Operation) -> sqlx::Result<Option<PgConnection>> {
    observe::reconnecting(run);
    let mut connection = run.database.for_operations().open().await?;
    let is_planned = operations::is_planned(&mut connection, operation.id).await?;
    Ok(is_planned.then_some(connection))
}

/// What an error leaves to be done: look the result up, record the refusal, or try again.
async fn settle(
    connection: &mut PgConnection,
    run: &Run,
    operation: &Operation,
    error: sqlx::Error,
    is_last: bool,
) -> sqlx::Result<Attempted> {
    match fault(&error) {
        Fault::AlreadyRecorded => recorded_before(connection, operation, error).await,
        // Not this row is the matter, but a right that every operation needs.
        Fault::Refused(_) if is_forbidden(&error) && !refusals::may_write(connection).await? => {
            Err(error)
        }
        Fault::Refused(reason) if operation.action == Action::New && is_duplicate(&error) => {
            record_duplicate(connection, run, operation, reason, is_last).await
        }
        Fault::Refused(reason) => record_failure(connection, run, operation, reason).await,
        Fault::Contended(reason) if is_last => {
            record_failure(connection, run, &unlinked(operation), reason).await
        }
        Fault::Contended(_) | Fault::Transient | Fault::Unwritable(_) => Err(error),
    }
}

async fn record_failure(
    connection: &mut PgConnection,
    run: &Run,
    operation: &Operation,
    reason: String,
) -> sqlx::Result<Attempted> {
    let now = run.clock.now();
    match refusals::record_failure(connection, run.id, operation, &reason, now).await {
        Ok(true) => Ok(Attempted::Ended(Outcome::Failed, Some(reason))),
        Ok(false) => Ok(Attempted::NotLive),
        Err(error) if fault(&error) == Fault::AlreadyRecorded => {
            recorded_before(connection, operation, error).await
        }
        Err(error) => Err(error),
    }
}

/// Linked to its row the record would wait for the same lock as the operation, through the foreign
/// key; the plan has the link.
fn unlinked(operation: &Operation) -> Operation {
    Operation { target_id: None, ..operation.clone() }
}

/// An earlier attempt, whose answer was lost, has come to an end: the record says to which.
async fn recorded_before(
    connection: &mut PgConnection,
    operation: &Operation,
    error: sqlx::Error,
) -> sqlx::Result<Attempted> {
    let recorded = refusals::recorded(connection, operation.id).await?;
    recorded.map(|(outcome, why)| Attempted::Ended(outcome, why)).ok_or(error)
}

/// A row that was to be made is there already: by an earlier attempt, whose answer was lost; or by
/// somebody else, which is a conflict. Or another unique index than the provider id's has refused
/// it.
async fn record_duplicate(
    connection: &mut PgConnection,
    run: &Run,
    operation: &Operation,
    reason: String,
    is_last: bool,
) -> sqlx::Result<Attempted> {
    let now = run.clock.now();
    match refusals::record_existing(connection, run.id, operation, now).await {
        Ok(true) => Ok(Attempted::Ended(Outcome::Conflict, None)),
        Ok(false) => record_failure(connection, run, operation, reason).await,
        Err(error) => match fault(&error) {
            Fault::AlreadyRecorded => recorded_before(connection, operation, error).await,
            Fault::Contended(reason) if is_last => {
                record_failure(connection, run, &unlinked(operation), reason).await
            }
            _ => Err(error),
        },
    }
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "42501")
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
