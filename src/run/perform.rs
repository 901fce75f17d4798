//! Performs the plan, several operations at once.

use super::begin::Run;
use super::error::RunError;
use super::operation;
use crate::domain::operation::Operation;
use crate::domain::run::PerformedOperation;
use crate::store::operations;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tracing::Span;

/// How many operations are read from the stored plan at a time.
const BATCH: i64 = 1_000;
/// How many performed operations are kept for whoever watches; the record has all.
const KEPT_MAX: usize = 1_000;

struct Work {
    run: Arc<Run>,
    span: Span,
    known_until: DateTime<Utc>,
    queue: Mutex<mpsc::Receiver<Operation>>,
    kept: std::sync::Mutex<Vec<PerformedOperation>>,
    done: AtomicU64,
    total: u64,
}

/// Performs every operation of the stored plan; gives the first that were performed.
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
        span: Span::current(),
        known_until,
        queue: Mutex::new(queue),
        kept: std::sync::Mutex::default(),
        done: AtomicU64::new(0),
        total,
    });
    let mut workers = JoinSet::new();
    for _ in 0..run.environment.concurrency {
        workers.spawn(work_off(Arc::clone(&work)));
    }
    let fed = feed(run, sender).await;
    let mut ended = Ok(());
    while let Some(worker) = workers.join_next().await {
        ended = ended.and(worker.map_err(RunError::from).flatten());
    }
    // What a worker met is the cause; that nobody took the rest is only its effect.
    ended.and(fed)?;
    let mut kept = work.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(std::mem::take(&mut *kept))
}

/// Reads the plan batch by batch: the plan that is performed is the one that was stored.
async fn feed(run: &Run, queue: mpsc::Sender<Operation>) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let batch = next_batch(run, after).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = Some(last.id);
        for operation in batch {
            tokio::select! {
                sent = queue.send(operation) => if sent.is_err() { return Ok(()) },
                signal = run.environment.stop.wait() => return Err(RunError::Stopped(signal)),
            }
        }
    }
}

async fn next_batch(run: &Run, after: Option<uuid::Uuid>) -> Result<Vec<Operation>, RunError> {
    super::retry::while_transient(run, "reading the plan", || async {
        let mut connection = run.pool.acquire().await?;
        operations::batch(&mut connection, run.id, after, BATCH).await
    })
    .await
}

async fn work_off(work: Arc<Work>) -> Result<(), RunError> {
    let mut connection = None;
    loop {
        let next = work.queue.lock().await.recv().await;
        let Some(operation) = next else { return Ok(()) };
        if let Err(error) = perform_one(&work, &mut connection, &operation).await {
            // The others end at their next operation: the queue is closed for all.
            work.queue.lock().await.close();
            return Err(error);
        }
    }
}

async fn perform_one(
    work: &Work,
    connection: &mut operation::Kept,
    operation: &Operation,
) -> Result<(), RunError> {
    let run = &work.run;
    if let Some(signal) = run.environment.stop.requested() {
        return Err(RunError::Stopped(signal));
    }
    if !run.lock.is_held().await {
        return Err(RunError::LockLost(run.environment.retry_for.as_secs()));
    }
    let offset = run.clock.elapsed();
    let done = operation::perform(run, connection, &work.span, operation, work.known_until).await?;
    run.progress(work.done.fetch_add(1, Ordering::Relaxed) + 1, work.total);
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
