//! The last phase: records how the run ended. From then on its row is immutable.

use super::begin::Run;
use super::error::RunError;
use super::observe;
use super::plan::Plan;
use super::report::{Conclusion, Report, blank, counts};
use super::retry;
use crate::domain::run::{Status, Summary};
use crate::store::ending::{self, Ending, Totals};
use crate::store::{discrepancies, runs};
use crate::telemetry::names;
use sqlx::Connection as _;
use std::sync::Arc;

/// Records the run's end and gives its report. That it could not be recorded is part of the
/// report too: the run then stays `running` in the record, and the next one rescues it.
pub(super) async fn finish(
    run: Arc<Run>,
    conclusion: Conclusion,
    ended: Result<(), RunError>,
) -> Report {
    let stopped_by = match &ended {
        Err(RunError::Stopped(signal)) => Some(*signal),
        _ => None,
    };
    let mut ending = ending(&run, &conclusion, &ended);
    let recorded = run.phase(names::FINISH, record(&run, &conclusion, &ending)).await;
    if let Ok(Recorded { lost: Some(lost), .. }) = &recorded {
        ending = lost.blame(ending);
    }
    let mut summary = summarize(&run, &conclusion, &ending);
    match recorded {
        Ok(recorded) => summary.operations = counts(&recorded.totals),
        Err(RunError::FencedOff) => fenced_off(&run, &mut summary).await,
        Err(error) => {
            summary.status = Status::Failed;
            summary.needs_rescue = Some(true);
            let first = summary.error.take().map(|error| error + "; ").unwrap_or_default();
            summary.error = Some(format!(
                "{first}the run's end could not be recorded ({}): the record says running \
                 until the next run or `payment-monitor rescue` ends it, and what has no result \
                 yet is open until then",
                error.told()
            ));
        }
    }
    let report = Report { summary, operations: conclusion.operations, stopped_by };
    observe::ended(&run, &report);
    observe::measure(&run, &report.summary).await;
    if let Some(run) = Arc::into_inner(run) {
        run.lock.release().await;
    }
    report
}

fn ending(run: &Run, conclusion: &Conclusion, ended: &Result<(), RunError>) -> Ending {
    let (status, error) = match (ended, &conclusion.held) {
        (Ok(()), None) => (Status::Succeeded, None),
        (Ok(()), Some(why)) => (Status::Held, Some(why.clone())),
        (Err(error @ (RunError::Stopped(_) | RunError::LockLost(_))), _) => {
            (Status::Interrupted, Some(error.told()))
        }
        (Err(RunError::FencedOff), _) => (Status::Interrupted, None),
        (Err(error), _) => (Status::Failed, Some(error.told())),
    };
    let phases = run.phases.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let planned = conclusion.plan.planned(conclusion.statement.clone(), conclusion.known_until);
    Ending {
        duration: run.clock.elapsed(),
        phases: serde_json::to_value(&phases).ok(),
        resource_use: run.resource_use(),
        error,
        ..Ending::of(status).with(planned)
    }
}

/// An end that is in the record.
struct Recorded {
    totals: Totals,
    lost: Option<Lost>,
}

/// Results that were committed and are not there: the server that has them now never had them.
#[derive(Clone, Copy)]
struct Lost {
    missing: i64,
    planned: i64,
}

impl Lost {
    /// What a run that performed its whole plan has lost.
    fn of(ending: &Ending, plan: &Plan, totals: &Totals) -> Option<Self> {
        let planned = totals.planned.max(i64::try_from(plan.operations).unwrap_or(i64::MAX));
        let missing = planned - totals.results();
        (ending.status == Status::Succeeded && missing > 0).then_some(Self { missing, planned })
    }

    fn blame(self, ending: Ending) -> Ending {
        let error = RunError::LostResults { missing: self.missing, planned: self.planned };
        Ending { status: Status::Failed, error: Some(error.told()), ..ending }
    }
}

async fn record(run: &Run, conclusion: &Conclusion, ending: &Ending) -> Result<Recorded, RunError> {
    note_unapplied(run).await?;
    let recorded = retry::while_transient(run, "recording the run's end", || {
        record_once(run, conclusion, ending)
    })
    .await?;
    recorded.ok_or(RunError::FencedOff)
}

/// Before the end itself, which must not depend on how much was refused.
async fn note_unapplied(run: &Run) -> Result<(), RunError> {
    let now = run.clock.now();
    let mut after = run.id.0;
    loop {
        let noted = retry::while_transient(run, "noting what was attempted in vain", || async {
            let mut connection = run.database.open().await?;
            discrepancies::note_unapplied(&mut connection, run.id, after, now).await
        });
        match noted.await? {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

async fn record_once(
    run: &Run,
    conclusion: &Conclusion,
    ending: &Ending,
) -> sqlx::Result<Option<Recorded>> {
    let mut connection = run.database.open().await?;
    let mut transaction = connection.begin().await?;
    if !ending::lock_to_end(&mut transaction, run.id).await? {
        return already_recorded(&mut transaction, run, conclusion, ending).await;
    }
    let totals = ending::totals(&mut transaction, run.id).await?;
    let lost = Lost::of(ending, &conclusion.plan, &totals);
    let now = run.clock.now();
    if ending.status == Status::Succeeded && lost.is_none() {
        let scopes = conclusion.scopes.as_ref();
        discrepancies::resolve_unseen(&mut transaction, run.id, scopes, now).await?;
    }
    match lost {
        Some(lost) => {
            let ending = lost.blame(ending.clone());
            ending::end(&mut transaction, run.id, &ending, &totals).await?;
        }
        None => ending::end(&mut transaction, run.id, ending, &totals).await?,
    }
    transaction.commit().await?;
    Ok(Some(Recorded { totals, lost }))
}

/// The answer to an earlier COMMIT may have been lost: then the row says what was to be written.
async fn already_recorded(
    connection: &mut sqlx::PgConnection,
    run: &Run,
    conclusion: &Conclusion,
    ending: &Ending,
) -> sqlx::Result<Option<Recorded>> {
    let totals = ending::totals(connection, run.id).await?;
    let lost = Lost::of(ending, &conclusion.plan, &totals);
    let status = if lost.is_some() { Status::Failed } else { ending.status };
    let recorded = runs::get(connection, run.id).await?;
    let is_ours = recorded.is_some_and(|recorded| {
        recorded.status == status
            && recorded.duration_ms == u64::try_from(ending.duration.as_millis()).ok()
    });
    Ok(is_ours.then_some(Recorded { totals, lost }))
}

fn summarize(run: &Run, conclusion: &Conclusion, ending: &Ending) -> Summary {
    let phases = run.phases.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let mut summary = blank(&run.environment, run.id, run.parent, &run.clock);
    summary.status = ending.status;
    summary.error.clone_from(&ending.error);
    summary.duration_ms = u64::try_from(ending.duration.as_millis()).ok();
    summary.statement.clone_from(&conclusion.statement);
    summary.discrepancies.clone_from(&conclusion.plan.discrepancies);
    summary.left.clone_from(&conclusion.plan.left);
    summary.operations = run.outcomes.of(conclusion.plan.operations);
    summary.withheld_deletes = conclusion.plan.withheld_deletes;
    summary.phases = phases;
    summary.assessment.clone_from(&conclusion.assessment);
    summary
}

async fn fenced_off(run: &Run, summary: &mut Summary) {
    let recorded = retry::while_transient(run, "looking for the run", || async {
        runs::get(&mut run.database.open().await?, run.id).await
    });
    match recorded.await {
        Ok(None) => {
            summary.status = Status::Failed;
            let what = "the record of this run is";
            summary.error = Some(RunError::Lost { what }.to_string());
        }
        recorded => {
            summary.status = Status::Interrupted;
            summary.error = Some(RunError::FencedOff.to_string());
            if let Ok(Some(recorded)) = recorded {
                summary.operations = recorded.operations;
            }
        }
    }
}
