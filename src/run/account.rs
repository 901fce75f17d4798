//! Records what is known of a run only after its row has become immutable: what became of its
//! telemetry, and how the database's host was loaded meanwhile.

use super::begin::Environment;
use super::clock::Clock;
use super::error::RunError;
use crate::domain::Account;
use crate::domain::run::{Phase, RunId};
use crate::store::telemetry;

/// The events' kinds.
const TELEMETRY: &str = "telemetry";
const DATABASE_HOST: &str = "database_host";

/// The end of a run, as its event has it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct End {
    #[serde(flatten)]
    pub account: Account,
    pub exit_code: u8,
    /// The last phase, which the run's row can't have.
    pub finish: Option<Phase>,
    /// Whether this is of a trace that was made again.
    #[serde(default)]
    pub replay: bool,
}

/// Records what became of a run's telemetry.
///
/// # Errors
/// The database.
pub async fn record(environment: &Environment, run: RunId, end: &End) -> Result<(), RunError> {
    let details = serde_json::to_value(end).unwrap_or_default();
    note(environment, run, (TELEMETRY, "what became of the run's telemetry"), details).await
}

/// Records how the database's host was loaded during a run.
///
/// # Errors
/// The database.
pub async fn record_database_host(
    environment: &Environment,
    run: RunId,
    load: serde_json::Value,
) -> Result<(), RunError> {
    note(environment, run, (DATABASE_HOST, "the database host's load during the run"), load).await
}

async fn note(
    environment: &Environment,
    run: RunId,
    what: (&'static str, &str),
    details: serde_json::Value,
) -> Result<(), RunError> {
    let mut connection = environment.database.connect().await?;
    let (clock, _) = Clock::start_after(Some(run));
    let stamp = (clock.next_id(), clock.now());
    telemetry::note(&mut connection, stamp, run, what, details)
        .await
        .map_err(RunError::query("recording an event of the run"))
}
