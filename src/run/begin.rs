//! The first phase: takes the run lock and records that the run began; and what a run carries
//! from there on.

use super::clock::Clock;
use super::error::RunError;
use super::lock::RunLock;
use super::observe;
use super::stop::Stop;
use crate::domain::run::{Outcomes, Phase, RunId};
use crate::store::connection::{self, Database};
use crate::store::{DatabaseError, jobs, lock, schema};
use crate::telemetry::{Handle, LiveSpan, Parts, Place, Sampler, names, spans};
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument as _;

/// How long a beginning may take: several connections, and a statement or two on each.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// What a run is given by the program around it.
#[derive(Debug, Clone)]
pub struct Environment {
    pub database: Database,
    pub host: String,
    pub version: &'static str,
    pub stop: Stop,
    pub progress: watch::Sender<Progress>,
    /// How many operations are in flight at once.
    pub concurrency: u32,
    /// How long to go on trying when the database goes away.
    pub retry_for: Duration,
    /// Where spans, metrics and logs go; the default leads nowhere.
    pub telemetry: Handle,
}

/// How far a run has come, for whoever watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub phase: &'static str,
    pub done: u64,
    /// 0 where it is not known.
    pub total: u64,
}

/// A run that has begun.
pub struct Run {
    pub id: RunId,
    pub parent: Option<RunId>,
    pub clock: Clock,
    pub database: Database,
    pub lock: RunLock,
    pub environment: Environment,
    pub root: LiveSpan,
    pub sampler: Mutex<Option<Sampler>>,
    /// The span of the phase that performs, while it goes on.
    pub performing: Mutex<Arc<LiveSpan>>,
    pub operations: Arc<spans::Operations>,
    pub phases: Mutex<Vec<Phase>>,
    /// What this process knows of its operations, should the record not be to be had.
    pub outcomes: Outcomes,
    /// Whether the record knows of this run: of a dry run it does not.
    pub is_recorded: bool,
}

/// How a beginning ended.
pub enum Begun {
    Started(Box<Run>),
    /// Another run is going on; that is recorded under this id.
    Skipped(RunId, Clock),
}

/// Takes the lock and records the run's beginning.
///
/// # Errors
/// Whatever keeps the run from being recorded: no connection, no schema, no rights.
pub async fn begin(environment: &Environment, parent: Option<RunId>) -> Result<Begun, RunError> {
    answered(Box::pin(record(environment, parent))).await
}

/// Does what comes before a run, or instead of one, within a bounded time: a frozen network gives
/// no error, and there is no run lock yet by whose loss it would be noticed.
///
/// # Errors
/// What the work meets, or [`RunError::NoAnswer`].
pub async fn answered<T, E: From<RunError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let done = tokio::time::timeout(ANSWER_TIMEOUT, work).await;
    done.unwrap_or_else(|_| Err(RunError::NoAnswer(ANSWER_TIMEOUT.as_secs()).into()))
}

async fn record(environment: &Environment, parent: Option<RunId>) -> Result<Begun, RunError> {
    let (mut run, mut connection) = match prepare(environment, parent).await? {
        Prepared::Free(run, connection) => (run, connection),
        Prepared::Busy(id, clock, mut connection) => {
            let beginning = beginning(environment, id, parent, &clock);
            jobs::skip(&mut connection, &beginning)
                .await
                .map_err(|e| environment.database.explain(&e))?;
            return Ok(Begun::Skipped(id, clock));
        }
    };
    let beginning = beginning(environment, run.id, parent, &run.clock);
    let begun = jobs::begin(&mut connection, &beginning, run.lock.session()).await;
    if !begun.map_err(|e| run.database.explain(&e))? {
        return Err(RunError::Paused);
    }
    run.is_recorded = true;
    observe::began(&mut run);
    Ok(Begun::Started(run))
}

/// A run whose lock was asked for, before anything is recorded.
pub enum Prepared {
    Free(Box<Run>, PgConnection),
    Busy(RunId, Clock, PgConnection),
}

/// Checks the database and takes the lock.
///
/// # Errors
/// A database that can't be used, told so that a person knows what to do.
pub async fn prepare(
    environment: &Environment,
    parent: Option<RunId>,
) -> Result<Prepared, RunError> {
    answered(Box::pin(take(environment, parent))).await
}

async fn take(environment: &Environment, parent: Option<RunId>) -> Result<Prepared, RunError> {
    let checked = check(&environment.database).await;
    let (clock, id) = Clock::start_after(checked.as_ref().ok().and_then(|found| found.newest));
    let Checked { schema: schema_name, .. } = checked.inspect_err(|error| {
        observe::not_begun(environment, (id, parent), &clock, &super::told(error));
    })?;
    let database = environment.database.named(&lock::application_name(id.0));
    let connection = database.connect().await?;
    let Some(lock) = RunLock::take(&database, environment.retry_for).await? else {
        return Ok(Prepared::Busy(id, clock, connection));
    };
    let server = spans::Server::new(database.address(), database.database(), &schema_name);
    let run = Run {
        id,
        parent,
        clock,
        lock,
        environment: environment.clone(),
        root: LiveSpan::default(),
        sampler: Mutex::new(Sampler::start()),
        performing: Mutex::default(),
        operations: Arc::new(spans::Operations::new(id, server)),
        phases: Mutex::default(),
        outcomes: Outcomes::default(),
        is_recorded: false,
        database,
    };
    Ok(Prepared::Free(Box::new(run), connection))
}

struct Checked {
    schema: String,
    newest: Option<RunId>,
}

/// Whether a run can be made on this database, before it has an id.
async fn check(database: &Database) -> Result<Checked, DatabaseError> {
    let mut connection = database.connect().await?;
    let schema = connection::require_writable(&mut connection, database).await?;
    schema::require_current(&mut connection, database).await?;
    let newest = jobs::newest(&mut connection).await.map_err(|e| database.explain(&e))?;
    let _ = connection.close().await;
    Ok(Checked { schema, newest })
}

fn beginning<'a>(
    environment: &'a Environment,
    id: RunId,
    parent: Option<RunId>,
    clock: &Clock,
) -> jobs::Beginning<'a> {
    jobs::Beginning {
        id,
        parent,
        started_at: clock.started_at(),
        host: &environment.host,
        version: environment.version,
    }
}

impl Run {
    /// Does a phase: in its span, with its time noted, and broken off when the run is to stop or
    /// its lock is gone, which is also how a frozen network ends. Operations in flight are not
    /// broken off (`perform` sees to them itself), nor is the finish.
    pub async fn phase<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        self.environment.progress.send_replace(Progress { phase: name, done: 0, total: 0 });
        let _room = self.environment.telemetry.admit().await;
        let offset = self.clock.elapsed();
        let span = Arc::new(observe::phase(self, name));
        if name == names::PERFORM {
            self.perform_in(Arc::clone(&span));
        }
        let work = work.instrument(span.span());
        let done = if matches!(name, names::PERFORM | names::FINISH) {
            work.await
        } else {
            tokio::select! {
                done = work => done,
                signal = self.environment.stop.wait() => Err(RunError::Stopped(signal)),
                () = self.lock.until_gone() => Err(self.lock_lost()),
            }
        };
        self.perform_in(Arc::default());
        let error = done.as_ref().err().map(RunError::told);
        if let Some(error) = &error {
            span.note(|span| spans::end_unperformed(span, error));
        }
        span.end(self.note_phase(name, offset, error));
        done
    }

    fn perform_in(&self, span: Arc<LiveSpan>) {
        *self.performing.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = span;
    }

    /// How the host was loaded up to now; asked once.
    pub fn resource_use(&self) -> Option<serde_json::Value> {
        let mut sampler = self.sampler.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sampler.take().and_then(Sampler::finish)
    }

    /// Where the next operation's span belongs.
    pub fn place(&self, parts: &mut Parts) -> Place {
        let performing = self.performing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        parts.next(&performing, || self.clock.now())
    }

    /// Gives when the phase ended.
    fn note_phase(&self, name: &str, offset: Duration, error: Option<String>) -> DateTime<Utc> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let duration = self.clock.elapsed().saturating_sub(offset);
        let phase = Phase {
            name: name.to_owned(),
            offset_us: micros(offset),
            duration_us: micros(duration),
            error,
        };
        let end = observe::end_of(&self.clock, &phase);
        self.phases.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(phase);
        end
    }

    /// Does something that is broken off when the run lock is gone.
    pub async fn while_locked<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        tokio::select! {
            done = work => done,
            () = self.lock.until_gone() => Err(self.lock_lost()),
        }
    }

    /// The run lock is gone for good.
    pub fn lock_lost(&self) -> RunError {
        RunError::LockLost(self.environment.retry_for.as_secs())
    }

    /// Tells whoever watches how far the phase has come.
    pub fn progress(&self, done: u64, total: u64) {
        self.environment.progress.send_modify(|progress| {
            progress.done = done;
            progress.total = total;
        });
    }
}
