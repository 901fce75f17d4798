//! The last phase: records how the run ended. From then on its row is immutable.

use super::begin::Run;
use super::error::RunError;
use super::report::{Conclusion, Report, blank, counts};
use super::retry;
use crate::domain::run::{Status, Summary};
use crate::store::jobs::{self, Ending, Totals};
use crate::store::{discrepancies, runs};
use crate::telemetry::{names, spans};
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
    let ending = ending(&run, &conclusion, &ended);
    let recorded = run.phase(names::FINISH, record(&run, &conclusion, &ending)).await;
    let mut summary = summarize(&run, &conclusion, &ending);
    match recorded {
        Ok(totals) => summary.operations = counts(&totals),
        Err(RunError::FencedOff) => fenced_off(&run, &mut summary).await,
        Err(error) => {
            summary.status = Status::Failed;
            let first = summary.error.take().map(|error| error + "; ").unwrap_or_default();
            summary.error = Some(format!(
                "{first}the run's end could not be recorded ({}): the record says running \
                 until the next run or `payment-monitor rescue` ends it",
                error.told()
            ));
        }
    }
    let report = Report { summary, operations: conclusion.operations, stopped_by };
    let error = report.summary.error.as_deref();
    spans::end_root(&run.root, report.summary.status, report.exit_code(), error);
    if let Some(run) = Arc::into_inner(run) {
        run.pool.close().await;
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
    let plan = &conclusion.plan;
    Ending {
        duration: run.clock.elapsed(),
        withheld_deletes: plan.withheld_deletes,
        discrepancies: serde_json::to_value(&plan.discrepancies).ok(),
        left: serde_json::to_value(&plan.left).ok(),
        statement: conclusion.statement.clone(),
        known_until: conclusion.known_until,
        plan_digest: plan.digest.clone(),
        phases: serde_json::to_value(&phases).ok(),
        error,
        ..Ending::of(status)
    }
}

async fn record(run: &Run, conclusion: &Conclusion, ending: &Ending) -> Result<Totals, RunError> {
    let totals = retry::while_transient(run, "recording the run's end", || {
        record_once(run, conclusion, ending)
    })
    .await?;
    totals.ok_or(RunError::FencedOff)
}

async fn record_once(
    run: &Run,
    conclusion: &Conclusion,
    ending: &Ending,
) -> sqlx::Result<Option<Totals>> {
    let mut connection = run.pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    if !jobs::lock_to_end(&mut transaction, run.id).await? {
        return already_recorded(&mut transaction, run, ending).await;
    }
    let totals = jobs::totals(&mut transaction, run.id).await?;
    let now = run.clock.now();
    discrepancies::note_unapplied(&mut transaction, run.id, now).await?;
    if ending.status == Status::Succeeded {
        let scopes = conclusion.scopes.as_ref();
        discrepancies::resolve_unseen(&mut transaction, run.id, scopes, now).await?;
    }
    jobs::end(&mut transaction, run.id, ending, &totals).await?;
    transaction.commit().await?;
    Ok(Some(totals))
}

/// The answer to an earlier COMMIT may have been lost: then the row says what was to be written.
async fn already_recorded(
    connection: &mut sqlx::PgConnection,
    run: &Run,
    ending: &Ending,
) -> sqlx::Result<Option<Totals>> {
    let recorded = runs::get(connection, run.id).await?;
    let is_ours = recorded.is_some_and(|recorded| {
        recorded.status == ending.status
            && recorded.duration_ms == u64::try_from(ending.duration.as_millis()).ok()
    });
    if is_ours { jobs::totals(connection, run.id).await.map(Some) } else { Ok(None) }
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
    summary.operations.planned = conclusion.plan.operations;
    summary.operations.not_done = conclusion.plan.operations;
    summary.withheld_deletes = conclusion.plan.withheld_deletes;
    summary.phases = phases;
    summary
}

async fn fenced_off(run: &Run, summary: &mut Summary) {
    summary.status = Status::Interrupted;
    summary.error = Some(RunError::FencedOff.to_string());
    if let Ok(mut connection) = run.database.connect().await
        && let Ok(Some(recorded)) = runs::get(&mut connection, run.id).await
    {
        summary.operations = recorded.operations;
    }
}
