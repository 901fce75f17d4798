//! A run, as a table of contents. Each phase is a file of its own.
//!
//! Nothing here prints: what happened is in the [`Report`], and in the database.

pub mod account;
mod approve;
mod assess;
mod begin;
mod clock;
mod compare;
pub mod doctor;
mod error;
mod fetch;
mod finish;
mod guard;
pub mod lock;
mod observe;
mod operation;
mod perform;
mod pin;
mod plan;
mod preview;
mod replay;
mod report;
mod rescue;
mod retry;
pub mod stop;

pub use approve::{Approval, approve, reject};
pub use begin::{Environment, Progress, answered};
pub use clock::Clock;
pub use error::{RunError, told};
pub use lock::refuse_pooler;
pub use preview::{Preview, preview};
pub use replay::replay;
pub use report::Report;
pub use rescue::rescue_only;
pub use retry::pauses;
pub use stop::{Signal, Stop};

use crate::reconcile::{Limit, Pin};
use crate::statement;
use crate::telemetry::names;
use begin::{Begun, Run};
use chrono::{DateTime, TimeDelta, Utc};
use report::Conclusion;
use std::sync::Arc;

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Request {
    pub statement: statement::Options,
    /// The account and mode that the settings pin; what is not given is pinned by the first run.
    pub pin: Pin,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Rows younger than this at the statement's time are left for the next run.
    pub settle: TimeDelta,
    /// How far the clocks of provider and ledger may be apart.
    pub clock_skew: TimeDelta,
    pub max_changes: Limit,
    pub max_deletes: Option<u64>,
}

/// Brings the ledger in line with a statement, and records all of it.
///
/// # Errors
/// Only what kept the run from beginning, and so from being recorded. From then on failures are
/// part of the report, and of the record.
pub async fn run(environment: &Environment, request: Request) -> Result<Report, RunError> {
    let run = match begin::begin(environment, None).await? {
        Begun::Started(run) => Arc::new(*run),
        Begun::Skipped(id, clock) => return Ok(Report::skipped(environment, id, None, &clock)),
    };
    let mut conclusion = Conclusion::default();
    let ended = Box::pin(steps(&run, request, &mut conclusion)).await;
    Ok(Box::pin(finish::finish(run, conclusion, ended)).await)
}

async fn steps(
    run: &Arc<Run>,
    request: Request,
    conclusion: &mut Conclusion,
) -> Result<(), RunError> {
    run.phase(names::RESCUE, rescue::rescue(run)).await?;
    let fetched = run.phase(names::FETCH, fetch::fetch(run, &request)).await;
    let staged = conclusion.note_statement(fetched)?;
    conclusion.plan = Box::pin(plan::from_statement(run, &staged, &request)).await?;
    let pin = staged.pin();
    conclusion.held =
        run.phase(names::GUARD, guard::guard(run, &conclusion.plan, &request, &pin)).await?;
    if conclusion.held.is_none() {
        let performed = perform::perform(run, staged.known_until, conclusion.plan.operations);
        conclusion.operations = run.phase(names::PERFORM, performed).await?;
    }
    conclusion.assessment = Some(run.phase(names::ASSESS, assess::assess(run)).await?);
    Ok(())
}
