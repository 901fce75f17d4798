//! Trying again while the database is away, for what may be repeated without harm.

use super::begin::Run;
use super::error::RunError;
use crate::store::error::{Fault, fault};
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

/// Repeats `work` until it succeeds, meets an error that will not pass, or the run's time for
/// retries is over.
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
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) if fault(&error) == Fault::Transient && Instant::now() < give_up_at => {
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
            Err(error) => return Err(RunError::query(doing)(error)),
        }
    }
}
