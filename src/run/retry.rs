//! Trying again while the database is away, for what may be repeated without harm.

use super::begin::Run;
use super::error::RunError;
use crate::store::connection::STATEMENT_TIMEOUT;
use crate::store::error::fault;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The pauses between attempts: exponential with jitter, 2 s at most, without an end of their
/// own.
pub fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .build()
}

/// How long one attempt may take: longer than the server lets any statement take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(STATEMENT_TIMEOUT.as_secs() + 5);

/// What a frozen network amounts to.
pub fn no_answer() -> sqlx::Error {
    let why = "no answer from the database";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

/// Does something once, within the time of one attempt.
///
/// # Errors
/// What it met.
pub async fn once<T>(
    doing: &'static str,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, RunError> {
    let done = tokio::time::timeout(ATTEMPT_TIMEOUT, work).await;
    done.unwrap_or_else(|_| Err(no_answer())).map_err(RunError::query(doing))
}

/// Repeats `work` until it succeeds, meets an error that will not pass, or the run's time for
/// retries is over. A frozen network gives no error: an attempt that takes longer than the server
/// lets any statement take is given up.
///
/// # Errors
/// The last one met.
pub async fn while_transient<T, Work>(
    run: &Run,
    doing: &'static str,
    work: impl Fn() -> Work,
) -> Result<T, RunError>
where
    Work: Future<Output = sqlx::Result<T>>,
{
    let give_up_at = Instant::now() + run.environment.retry_for;
    let mut pauses = pauses();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, work()).await;
        match attempt.unwrap_or_else(|_| Err(no_answer())) {
            Ok(done) => return Ok(done),
            Err(error) if fault(&error).may_pass() && Instant::now() < give_up_at => {
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            Err(error) => return Err(RunError::query(doing)(error)),
        }
    }
}
