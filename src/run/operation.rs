//! The one door for writes: one operation, one transaction, one result, one span.

use super::begin::Run;
use super::error::RunError;
use super::retry;
use crate::domain::operation::{Operation, Outcome};
use crate::store::connection::STATEMENT_TIMEOUT;
use crate::store::error::{Fault, brief, fault};
use crate::store::results;
use crate::telemetry::spans;
use chrono::{DateTime, Utc};
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

/// How an operation ended, and after how many attempts.
#[derive(Debug, Clone)]
pub struct Performed {
    pub outcome: Outcome,
    pub attempts: u32,
    /// Why the database refused it.
    pub error: Option<String>,
}

/// A frozen network gives no error: an attempt that takes longer than the server lets any
/// statement take is given up, and resolved by the next.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(STATEMENT_TIMEOUT.as_secs() + 5);

/// A worker's connection, which it keeps from operation to operation: giving one back to the
/// pool costs a round trip and a task, about as much as an operation does. None until it is
/// needed, and after an error.
pub type Kept = Option<PoolConnection<Postgres>>;

/// Performs an operation. Attempts that the connection or another transaction got in the way
/// of are repeated with the same id, so that none can be applied twice: a repeated result is
/// refused by its primary key, and then the first one is looked up.
///
/// # Errors
/// No result was left: the run was fenced off, or the database stayed away.
pub async fn perform(
    run: &Run,
    kept: &mut Kept,
    parent: &Span,
    operation: &Operation,
    known_until: DateTime<Utc>,
) -> Result<Performed, RunError> {
    let span = spans::operation(parent, run.id, &run.server, operation);
    let ended = attempts(run, kept, operation, known_until).instrument(span.clone()).await;
    match &ended {
        Ok(done) => {
            spans::end_operation(&span, done.outcome, done.attempts, done.error.as_deref());
        }
        Err(error) => spans::end_unperformed(&span, &error.to_string()),
    }
    ended
}

async fn attempts(
    run: &Run,
    kept: &mut Kept,
    operation: &Operation,
    known_until: DateTime<Utc>,
) -> Result<Performed, RunError> {
    let give_up_at = Instant::now() + run.environment.retry_for;
    let mut pauses = retry::pauses();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match attempt(run, kept, operation, known_until).await {
            Ok(Some((outcome, error))) => return Ok(Performed { outcome, attempts, error }),
            Ok(None) => return Err(RunError::FencedOff),
            Err(error) => error,
        };
        match fault(&error) {
            Fault::Transient if Instant::now() < give_up_at => {
                tracing::warn!(operation = %operation.id, error = brief(&error), "trying again");
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            Fault::Unwritable(why) => return Err(RunError::Unwritable(why)),
            _ => return Err(RunError::query("performing an operation")(error)),
        }
    }
}

type Attempt = sqlx::Result<Option<(Outcome, Option<String>)>>;

async fn attempt(
    run: &Run,
    kept: &mut Kept,
    operation: &Operation,
    known_until: DateTime<Utc>,
) -> Attempt {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => run.pool.acquire().await?,
    };
    let now = run.clock.now();
    let work = async {
        match results::perform(&mut connection, run.id, operation, known_until, now).await {
            Ok(outcome) => Ok(outcome.map(|outcome| (outcome, None))),
            Err(error) => settle(&mut connection, run, operation, error).await,
        }
    };
    let done = tokio::time::timeout(ATTEMPT_TIMEOUT, work).await.unwrap_or_else(|_| {
        let why = "no answer from the database";
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
    });
    match &done {
        Ok(_) => *kept = Some(connection),
        // The pool finds out whether it is still good.
        Err(error) if error.as_database_error().is_some() => drop(connection),
        // What this connection does next is not known: nobody else may be given it.
        Err(_) => connection.close_on_drop(),
    }
    done
}

/// What an error leaves to be done: look the result up, record the refusal, or try again.
async fn settle(
    connection: &mut sqlx::PgConnection,
    run: &Run,
    operation: &Operation,
    error: sqlx::Error,
) -> Attempt {
    match fault(&error) {
        Fault::AlreadyRecorded => {
            let outcome = results::outcome(connection, operation.id).await?;
            outcome.map(|outcome| Some((outcome, None))).ok_or(error)
        }
        Fault::Refused(reason) => {
            let now = run.clock.now();
            let recorded =
                results::record_failure(connection, run.id, operation, &reason, now).await;
            match recorded {
                Ok(true) => Ok(Some((Outcome::Failed, Some(reason)))),
                Ok(false) => Ok(None),
                // An earlier attempt has recorded it already.
                Err(e) if fault(&e) == Fault::AlreadyRecorded => {
                    Ok(Some((Outcome::Failed, Some(reason))))
                }
                Err(e) => Err(e),
            }
        }
        Fault::Transient | Fault::Unwritable(_) => Err(error),
    }
}
