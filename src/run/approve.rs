//! A person's decision on a run: performs exactly its held plan, or what it withheld; or closes
//! it.

use super::begin::{self, Begun, Environment, Run};
use super::error::RunError;
use super::plan::{self, Plan, PlanWriter};
use super::report::{Conclusion, Report};
use super::{Clock, assess, finish, perform, pin, rescue};
use crate::domain::run::{RunId, Status};
use crate::reconcile::Pin;
use crate::store::connection;
use crate::store::{discrepancies, events, jobs, operations, runs, schema};
use crate::telemetry::names;
use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use std::pin::pin;
use std::sync::Arc;

/// How many operations of the approved plan are read at a time.
const BATCH: i64 = 1_000;

/// What a person decided.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The held run, or the one that withheld operations.
    pub run: RunId,
    pub by: String,
    pub reason: String,
}

/// Performs what a run held or withheld, in a new run of which it is the parent. Each operation
/// still refuses if its row has changed since.
///
/// # Errors
/// Nothing there to approve, decided already, or superseded: told before a run begins.
pub async fn approve(environment: &Environment, approval: Approval) -> Result<Report, RunError> {
    let parent = begin::answered(approvable(environment, &approval)).await?;
    let run = match begin::begin(environment, Some(approval.run)).await? {
        Begun::Started(run) => Arc::new(*run),
        Begun::Skipped(id, clock) => {
            return Ok(Report::skipped(environment, id, Some(approval.run), &clock));
        }
    };
    let mut conclusion = Conclusion::default();
    let ended = Box::pin(steps(&run, &approval, &parent, &mut conclusion)).await;
    Ok(Box::pin(finish::finish(run, conclusion, ended)).await)
}

async fn steps(
    run: &Arc<Run>,
    approval: &Approval,
    parent: &Parent,
    conclusion: &mut Conclusion,
) -> Result<(), RunError> {
    run.phase(names::RESCUE, rescue::rescue(run)).await?;
    conclusion.known_until = Some(parent.known_until);
    let (connection, plan) = run.phase(names::PLAN, adopt(run, approval, parent)).await?;
    // Not part of a phase, which a signal breaks off: a decision is recorded with its plan.
    plan::commit(run, connection, &plan.planned(None, conclusion.known_until)).await?;
    conclusion.plan = plan;
    let performed = perform::perform(run, parent.known_until, conclusion.plan.operations);
    conclusion.operations = run.phase(names::PERFORM, performed).await?;
    conclusion.assessment = Some(run.phase(names::ASSESS, assess::assess(run)).await?);
    Ok(())
}

/// Closes a run: what it held or withheld can't be approved any more.
///
/// # Errors
/// As for [`approve`].
pub async fn reject(environment: &Environment, rejection: &Approval) -> Result<(), RunError> {
    begin::answered(Box::pin(close(environment, rejection))).await
}

async fn close(environment: &Environment, rejection: &Approval) -> Result<(), RunError> {
    let mut connection = ready(environment).await?;
    require_approvable(&mut connection, rejection.run).await?;
    let newest = jobs::newest(&mut connection).await;
    let newest = newest.map_err(RunError::query("looking for the newest run"))?;
    let (clock, _) = Clock::start_after(newest);
    let stamp = (clock.next_id(), clock.now());
    decide(&mut connection, stamp, rejection, "rejection", serde_json::json!({})).await
}

/// What is adopted from the run that is approved.
struct Parent {
    is_held: bool,
    known_until: chrono::DateTime<chrono::Utc>,
    digest: Option<Vec<u8>>,
    pin: Pin,
}

async fn ready(environment: &Environment) -> Result<PgConnection, RunError> {
    let mut connection = environment.database.connect().await?;
    connection::require_writable(&mut connection, &environment.database).await?;
    schema::require_current(&mut connection, &environment.database).await?;
    Ok(connection)
}

async fn approvable(environment: &Environment, approval: &Approval) -> Result<Parent, RunError> {
    let mut connection = ready(environment).await?;
    require_approvable(&mut connection, approval.run).await
}

async fn require_approvable(connection: &mut PgConnection, id: RunId) -> Result<Parent, RunError> {
    let doing = || RunError::query("reading the run that is to be decided upon");
    let refused = |why: String| Err(RunError::Refused(why));
    let Some(parent) = jobs::parent(connection, id).await.map_err(doing())? else {
        return refused(format!("there is no run {id}: `payment-monitor runs` lists them"));
    };
    if let Some(decision) = events::decision(connection, id).await.map_err(doing())? {
        let (kind, at) = (decision.kind, decision.occurred_at.format("%Y-%m-%d %H:%M UTC"));
        return refused(format!(
            "run {id} has its {kind} already, by {} at {at}; what is still to be done, the next \
             run will find",
            decision.actor
        ));
    }
    let is_held = parent.status == Status::Held.as_str();
    if is_held && let Some(by) = jobs::superseding(connection, id).await.map_err(doing())? {
        return refused(format!(
            "run {id} is superseded by the newer run {by}, which has read a newer statement"
        ));
    }
    if !is_held && parent.status != Status::Succeeded.as_str() {
        return refused(format!(
            "run {id} is {}: only what a held or a succeeded run has left can be decided upon",
            parent.status
        ));
    }
    let withheld = discrepancies::count_approvable(connection, id).await.map_err(doing())?;
    if !is_held && withheld == 0 {
        return refused(format!(
            "run {id} ({}) holds nothing to decide upon; what it withheld may have been seen \
             again by a later run: `payment-monitor discrepancies` says by which",
            parent.status
        ));
    }
    let Some(known_until) = parent.known_until else {
        return refused(format!("run {id} ended before it had read a statement"));
    };
    let statement = runs::get(connection, id).await.map_err(doing())?.and_then(|s| s.statement);
    let pin = statement.and_then(|facts| serde_json::from_value(facts).ok()).unwrap_or_default();
    Ok(Parent { is_held, known_until, digest: parent.plan_digest, pin })
}

/// Stores the approved operations as this run's plan, and the approval, in one transaction that
/// is left open: of two approvals at once only one has a plan.
async fn adopt(
    run: &Run,
    approval: &Approval,
    parent: &Parent,
) -> Result<(PgConnection, Plan), RunError> {
    let mut writer = PlanWriter::open(run).await?;
    let mut reader = run.database.connect().await?;
    // Under the run lock, now: another run may have ended since the first look.
    require_approvable(&mut reader, approval.run).await?;
    pin::admit(run, &Pin::default(), &parent.pin).await?;
    if parent.is_held {
        adopt_held(run, approval.run, &mut reader, &mut writer).await?;
    } else {
        adopt_withheld(run, approval.run, &mut reader, &mut writer).await?;
    }
    let operations = writer.operations;
    let (digest, mut connection) = writer.finish().await?;
    if parent.is_held && parent.digest.as_ref() != Some(&digest) {
        return Err(RunError::Refused(format!(
            "the stored plan of run {} is not the one that was held: its digest differs",
            approval.run
        )));
    }
    let stamp = (run.clock.next_id(), run.clock.now());
    let details = serde_json::json!({
        "approved_by_run": run.id.to_string(),
        "plan_digest": hex::encode(&digest),
        "operations": operations,
    });
    decide(&mut connection, stamp, approval, "approval", details).await?;
    pin::set(run, &mut connection, &parent.pin).await?;
    Ok((connection, Plan { operations, digest: Some(digest), ..Plan::default() }))
}

async fn adopt_held(
    run: &Run,
    parent: RunId,
    reader: &mut PgConnection,
    writer: &mut PlanWriter,
) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let batch = operations::batch(reader, parent, after, BATCH)
            .await
            .map_err(RunError::query("reading the held plan"))?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = Some(last.id);
        for mut operation in batch {
            operation.id = run.clock.next_id();
            writer.push(run, &operation).await?;
        }
    }
}

async fn adopt_withheld(
    run: &Run,
    parent: RunId,
    reader: &mut PgConnection,
    writer: &mut PlanWriter,
) -> Result<(), RunError> {
    let reading = || RunError::query("reading what was withheld");
    let mut withheld = pin!(discrepancies::approvable(reader, parent));
    while let Some(mut operation) = withheld.try_next().await.map_err(reading())? {
        operation.id = run.clock.next_id();
        writer.push(run, &operation).await?;
    }
    Ok(())
}

async fn decide(
    connection: &mut PgConnection,
    stamp: (uuid::Uuid, chrono::DateTime<chrono::Utc>),
    decision: &Approval,
    kind: &'static str,
    details: serde_json::Value,
) -> Result<(), RunError> {
    let decided = events::Decided { by: &decision.by, reason: &decision.reason };
    let done = events::decide(connection, stamp, decision.run, kind, &decided, details).await;
    done.map_err(|error| {
        let is_second =
            error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
        if is_second {
            RunError::Refused(format!("run {} was decided upon a moment ago", decision.run))
        } else {
            RunError::query("recording the decision")(error)
        }
    })
}
