//! Performs the plan, several operations at once.

use super::begin::Run;
use super::error::RunError;
use super::operation;
use super::retry;
use crate::domain::operation::Operation;
use crate::domain::run::PerformedOperation;
use crate::store::error::brief;
use crate::store::operations;
use crate::telemetry::{Parts, Place};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// How many operations are read from the stored plan at a time.
const BATCH: i64 = 1_000;
/// How many performed operations are kept for whoever watches; the record has all.
const KEPT_MAX: usize = 1_000;

struct Work {
    run: Arc<Run>,
    known_until: DateTime<Utc>,
    queue: Mutex<mpsc::Receiver<(Arc<Operation>, Place)>>,
    kept: std::sync::Mutex<Vec<PerformedOperation>>,
    total: u64,
}

/// Performs every operation of the stored plan; gives the first that were performed.
///
/// Each worker has a connection of its own. The first one's and the feed's must be had; where the
/// server has no more of them, the run goes on with fewer workers.
///
/// # Errors
/// What kept the rest from being performed. Those in flight came to their end before.
pub async fn perform(
    run: &Arc<Run>,
    known_until: DateTime<Utc>,
    total: u64,
) -> Result<Vec<PerformedOperation>, RunError> {
    let (sender, queue) = mpsc::channel(run.environment.concurrency as usize);
    let work = Arc::new(Work {
        run: Arc::clone(run),
        known_until,
        queue: Mutex::new(queue),
        kept: std::sync::Mutex::default(),
        total,
    });
    let plan = open(run).await?;
    let mut workers = JoinSet::new();
    let first = if total > 0 { Some(open(run).await?) } else { None };
    workers.spawn(work_off(Arc::clone(&work), first));
    for _ in 1..u64::from(run.environment.concurrency).min(total) {
        workers.spawn(join_in(Arc::clone(&work)));
    }
    // A task of its own: here the phase's span, the run's and what they wait for would be gone
    // through for each operation.
    let mut feeder = JoinSet::new();
    feeder.spawn(feed(Arc::clone(run), plan, sender));
    // What a worker met is the cause; that nobody took the rest is only its effect.
    all(workers).await.and(all(feeder).await)?;
    let mut kept = work.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(std::mem::take(&mut *kept))
}

/// Waits for all tasks; gives the first error.
async fn all(mut tasks: JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
    let mut ended = Ok(());
    while let Some(task) = tasks.join_next().await {
        ended = ended.and(task.map_err(RunError::from).flatten());
    }
    ended
}

/// Reads the plan batch by batch: the plan that is performed is the one that was stored.
async fn feed(
    run: Arc<Run>,
    plan: PgConnection,
    queue: mpsc::Sender<(Arc<Operation>, Place)>,
) -> Result<(), RunError> {
    let mut plan = Some(plan);
    let mut parts = Parts::new(&run.environment.telemetry, run.id);
    let mut after = None;
    loop {
        let batch = next_batch(&run, &mut plan, after).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = Some(last.id);
        for operation in batch {
            let work = (Arc::new(operation), run.place(&mut parts));
            tokio::select! {
                sent = queue.send(work) => if sent.is_err() { return Ok(()) },
                signal = run.environment.stop.wait() => return Err(RunError::Stopped(signal)),
            }
        }
    }
}

async fn open(run: &Run) -> Result<PgConnection, RunError> {
    let database = run.database.for_operations();
    retry::while_transient(run, "connecting", || database.open()).await
}

async fn next_batch(
    run: &Run,
    plan: &mut operation::Kept,
    after: Option<uuid::Uuid>,
) -> Result<Vec<Operation>, RunError> {
    let kept = Mutex::new(plan);
    retry::while_transient(run, "reading the plan", || async {
        let mut kept = kept.lock().await;
        // Only a connection that has answered is kept.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => run.database.open().await?,
        };
        let batch = operations::batch(&mut connection, run.id, after, BATCH).await?;
        **kept = Some(connection);
        Ok(batch)
    })
    .await
}

/// A worker beyond the first: it helps if it can be had.
async fn join_in(work: Arc<Work>) -> Result<(), RunError> {
    match work.run.database.for_operations().open().await {
        Ok(connection) => work_off(work, Some(connection)).await,
        Err(error) => {
            tracing::warn!(error = brief(&error), "one worker less: it has no connection");
            Ok(())
        }
    }
}

async fn work_off(work: Arc<Work>, mut connection: operation::Kept) -> Result<(), RunError> {
    loop {
        let next = work.queue.lock().await.recv().await;
        let Some((operation, place)) = next else { return Ok(()) };
        if let Err(error) = perform_one(&work, &mut connection, &operation, &place).await {
            // The others end at their next operation: the queue is closed for all.
            work.queue.lock().await.close();
            return Err(error);
        }
    }
}

async fn perform_one(
    work: &Work,
    connection: &mut operation::Kept,
    operation: &Arc<Operation>,
    place: &Place,
) -> Result<(), RunError> {
    let run = &work.run;
    if let Some(signal) = run.environment.stop.requested() {
        return Err(RunError::Stopped(signal));
    }
    if !run.lock.is_held().await {
        return Err(run.lock_lost());
    }
    let offset = run.clock.elapsed();
    let done = operation::perform(run, connection, place, operation, work.known_until).await?;
    run.progress(run.outcomes.add(done.outcome), work.total);
    let mut kept = work.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if kept.len() < KEPT_MAX {
        kept.push(PerformedOperation {
            span_name: operation.span_name().to_owned(),
            description: format!("{} {}", operation.provider_id, operation.description),
            outcome: done.outcome,
            offset,
            duration: run.clock.elapsed().saturating_sub(offset),
            error: done.error,
        });
    }
    Ok(())
}
