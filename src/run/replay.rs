//! Makes a run's trace again from the database, with the ids that it had: after an outage of the
//! collector, for a run whose process died, or for another backend.
//!
//! Times: root and phases have theirs from the run's row. An operation's span begins and ends
//! when its result says that it occurred, because how long it took is not recorded. Memory is
//! constant: the plan is read stretch by stretch, and the queue is waited for.

use super::error::RunError;
use super::report::Report;
use super::stop::Signal;
use crate::domain::run::{Phase, RunId, Status, Summary};
use crate::store::telemetry::{Attempted, span_of_results, stretch};
use crate::store::{runs, telemetry as stored};
use crate::telemetry::parts::{parent, part_of};
use crate::telemetry::spans::{self, Ending, OperationEnd, Operations, Server};
use crate::telemetry::{Handle, SpanItem, names};
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry_sdk::trace::SpanData;
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;

/// How many planned operations are read at a time.
const STRETCH: i64 = 1_000;

/// Makes the trace of a run again and hands it to telemetry; gives how many spans it has.
///
/// # Errors
/// No such run, one that has not ended, or the database.
pub async fn replay(
    connection: &mut PgConnection,
    telemetry: &Handle,
    server: &Server,
    id: RunId,
) -> Result<u64, RunError> {
    let reading = || RunError::query("reading the run whose trace is made again");
    let Some(run) = runs::get(connection, id).await.map_err(reading())? else {
        let why = format!("there is no run {id}: `payment-monitor runs` lists them");
        return Err(RunError::Refused(why));
    };
    if run.status == Status::Running {
        let why = format!("run {id} has not ended: if its process is gone, `rescue` ends it");
        return Err(RunError::Refused(why));
    }
    let end = stored::account(connection, id).await.map_err(reading())?;
    let end: Option<super::account::End> = end.and_then(|end| serde_json::from_value(end).ok());
    let operations = Arc::new(Operations::new(id, server.clone()));
    let mut replayer = Replayer { telemetry, operations, id, run: &run, spans: 0 };
    replayer.all(connection, end).await?;
    Ok(replayer.spans)
}

struct Replayer<'a> {
    telemetry: &'a Handle,
    operations: Arc<Operations>,
    id: RunId,
    run: &'a Summary,
    spans: u64,
}

/// A part trace while its operations are being read.
struct OpenPart {
    number: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Replayer<'_> {
    async fn all(
        &mut self,
        connection: &mut PgConnection,
        end: Option<super::account::End>,
    ) -> Result<(), RunError> {
        let reading = || RunError::query("reading the results of the run");
        let parts = self.operations(connection).await?;
        let results = span_of_results(connection, self.id).await.map_err(reading())?;
        let mut phases = self.run.phases.clone();
        let is_rescued = phases.is_empty();
        if let (true, Some((first, last))) = (is_rescued, results) {
            phases.push(self.perform_of(first, last));
        }
        let finish = end.as_ref().and_then(|end| end.finish.clone());
        let finished_at = Phase {
            name: names::FINISH.to_owned(),
            offset_us: self.run.duration_ms.unwrap_or(0) * 1_000,
            duration_us: 0,
            error: None,
        };
        if !is_rescued && self.run.status != Status::Skipped {
            phases.push(finish.unwrap_or(finished_at));
        }
        let mut root_end = self.at(self.run.duration_ms.unwrap_or(0) * 1_000);
        for phase in &phases {
            let mut span = spans::phase(self.id, &phase.name, self.at(phase.offset_us));
            if phase.name == names::PERFORM {
                for part in &parts {
                    spans::link_part(&mut span, self.id, *part);
                }
            }
            if let Some(error) = &phase.error {
                spans::end_unperformed(&mut span, error);
            }
            let phase_end = self.at(phase.offset_us + phase.duration_us);
            root_end = root_end.max(phase_end);
            self.record(span, phase_end).await;
        }
        let parent = self.run.parent_id.as_deref().and_then(|id| id.parse().ok());
        let mut root = spans::root(self.id, parent, self.run.started_at);
        let exit_code = end.map_or_else(|| exit_code(self.run), |end| end.exit_code);
        spans::end_root(&mut root, self.run.status, exit_code, self.run.error.as_deref());
        spans::replayed(&mut root);
        self.record(root, root_end).await;
        Ok(())
    }

    /// Gives the numbers of the parts that have operations.
    async fn operations(&mut self, connection: &mut PgConnection) -> Result<Vec<u64>, RunError> {
        let mut parts = Vec::new();
        let mut open: Option<OpenPart> = None;
        let (mut after, mut position) = (None, 0);
        loop {
            let next = stretch(connection, self.id, (after, position), STRETCH)
                .await
                .map_err(RunError::query("reading the operations of the run"))?;
            if next.last.is_none() {
                break;
            }
            after = next.last;
            position += next.operations;
            for attempted in next.attempted {
                let part = part_of(attempted.position, self.telemetry.operations_per_trace());
                if open.as_ref().is_some_and(|open| open.number != part) {
                    self.close(open.take()).await;
                }
                let at = attempted.occurred_at;
                if part > 0 && open.is_none() {
                    parts.push(part);
                    open = Some(OpenPart { number: part, first: at, last: at });
                }
                if let Some(open) = &mut open {
                    open.first = open.first.min(at);
                    open.last = open.last.max(at);
                }
                self.operation(part, attempted).await;
            }
        }
        self.close(open).await;
        Ok(parts)
    }

    async fn operation(&mut self, part: u64, attempted: Attempted) {
        let Attempted { operation, outcome, error, occurred_at, .. } = attempted;
        let span = OperationEnd {
            common: Arc::clone(&self.operations),
            parent: parent(self.id, part),
            operation: Arc::new(operation),
            start: occurred_at,
            end: occurred_at,
            ending: Some(Ending::Performed { outcome, attempts: 1, error }),
        };
        self.hand_over(span).await;
    }

    async fn close(&mut self, part: Option<OpenPart>) {
        let Some(part) = part else { return };
        let mut span = spans::part(self.id, part.number, part.first);
        spans::replayed(&mut span);
        self.record(span, part.last).await;
    }

    async fn record(&mut self, mut span: SpanData, end: DateTime<Utc>) {
        span.end_time = end.into();
        self.hand_over(span).await;
    }

    async fn hand_over(&mut self, span: impl Into<SpanItem>) {
        let _room = self.telemetry.admit().await;
        self.telemetry.record(span);
        self.spans += 1;
    }

    /// Of a run that was rescued no phases are recorded; this one follows from its results.
    fn perform_of(&self, first: DateTime<Utc>, last: DateTime<Utc>) -> Phase {
        let micros = |time: TimeDelta| {
            time.num_microseconds().and_then(|us| u64::try_from(us).ok()).unwrap_or(0)
        };
        Phase {
            name: names::PERFORM.to_owned(),
            offset_us: micros(first - self.run.started_at),
            duration_us: micros(last - first),
            error: self.run.error.clone(),
        }
    }

    fn at(&self, offset_us: u64) -> DateTime<Utc> {
        let offset = TimeDelta::from_std(Duration::from_micros(offset_us)).unwrap_or_default();
        self.run.started_at + offset
    }
}

/// The exit code of a run whose end telemetry could not record.
fn exit_code(run: &Summary) -> u8 {
    let error = run.error.as_deref().unwrap_or_default();
    let stopped_by = [Signal::Interrupt, Signal::Terminate]
        .into_iter()
        .find(|signal| error.contains(&signal.to_string()));
    Report { summary: run.clone(), operations: Vec::new(), stopped_by }.exit_code()
}
