//! The spans of a run: root, phases, parts, and one per operation. Made here for the run that
//! goes on and for the one that is made again from the database, so that both are the same.

use super::describe::{Beginning, Describe};
use super::ids::Ids;
use super::names;
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::{RunId, Status, span_id};
use chrono::{DateTime, Utc};
use opentelemetry::trace::{SpanKind, Status as SpanStatus};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use std::borrow::Cow;
use std::sync::Arc;

/// The root span of a run.
pub fn root<S: Describe>(run: RunId, parent: Option<RunId>, start: DateTime<Utc>) -> S {
    let mut span: S = internal(Ids::root(run), None, names::RUN, start);
    span.set(names::RUN_ID, run.to_string());
    if let Some(parent) = parent {
        span.set(names::RUN_PARENT_ID, parent.to_string());
    }
    span
}

/// Notes on the root span how the run ended. An exit code other than 0 is an error, as the
/// conventions for command-line programs say.
pub fn end_root(span: &mut impl Describe, status: Status, exit_code: u8, error: Option<&str>) {
    span.set(names::RUN_STATUS, status.as_str());
    span.set(names::PROCESS_EXIT_CODE, i64::from(exit_code));
    if exit_code != 0 {
        fail(span, status.as_str(), error.unwrap_or(status.as_str()));
    }
}

/// The span of a phase.
pub fn phase<S: Describe>(run: RunId, name: &str, start: DateTime<Utc>) -> S {
    let mut span: S = internal(Ids::phase(run, name), Some(Ids::root(run)), name.to_owned(), start);
    span.set(names::RUN_ID, run.to_string());
    span
}

/// The root span of a part trace, linked to the phase that it is a part of.
pub fn part<S: Describe>(run: RunId, number: u64, start: DateTime<Utc>) -> S {
    let mut span: S = internal(Ids::part(run, number), None, names::PART, start);
    span.set(names::RUN_ID, run.to_string());
    span.set(names::PART_NUMBER, i64::try_from(number).unwrap_or(i64::MAX));
    span.link(Ids::phase(run, names::PERFORM).context(), Vec::new());
    span
}

/// Links the phase to one of its part traces.
pub fn link_part(perform: &mut impl Describe, run: RunId, number: u64) {
    let number_is = i64::try_from(number).unwrap_or(i64::MAX);
    let attributes = vec![KeyValue::new(names::PART_NUMBER, number_is)];
    perform.link(Ids::part(run, number).context(), attributes);
}

/// Where operations are sent, as their spans say it.
#[derive(Debug, Clone)]
pub struct Server {
    pub address: Arc<str>,
    pub port: u16,
    /// `database|schema`.
    pub namespace: Arc<str>,
}

impl Server {
    pub fn new((address, port): (&str, u16), database: &str, schema: &str) -> Self {
        Self { address: address.into(), port, namespace: format!("{database}|{schema}").into() }
    }
}

/// What the spans of a run's operations have in common.
#[derive(Debug)]
pub struct Operations {
    run: Arc<str>,
    pub server: Server,
}

impl Operations {
    pub fn new(run: RunId, server: Server) -> Self {
        Self { run: run.to_string().into(), server }
    }
}

/// What the span of an operation is made of.
#[derive(Debug)]
pub struct OperationEnd {
    pub common: Arc<Operations>,
    pub parent: Ids,
    pub operation: Arc<Operation>,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    /// None: nobody was left to tell.
    pub ending: Option<Ending>,
}

/// How an operation ended.
#[derive(Debug)]
pub enum Ending {
    Performed {
        outcome: Outcome,
        attempts: u32,
        error: Option<String>,
    },
    /// It came to no end, and no effect was left.
    Unperformed(String),
}

impl OperationEnd {
    pub fn ids(&self) -> Ids {
        Ids { trace: self.parent.trace, span: span_id(self.operation.id) }
    }

    /// The span, by the conventions for database clients.
    pub fn span(&self) -> SpanData {
        let (op, server) = (&*self.operation, &self.common.server);
        let summary = op.span_name();
        let mut span = SpanData::begin(Beginning {
            ids: self.ids(),
            parent: Some(self.parent),
            name: summary.into(),
            kind: SpanKind::Client,
            start: self.start,
        });
        let verb = if op.action == Action::New { "INSERT" } else { "UPDATE" };
        span.set(names::RUN_ID, Arc::clone(&self.common.run));
        span.set(names::OPERATION_ID, op.id.to_string());
        span.set(names::OPERATION_ACTION, op.action.as_str());
        span.set(names::DISCREPANCY_KIND, op.kind.clone());
        span.set(names::PROVIDER_ID, op.provider_id.clone());
        if let Some(user) = op.user_id {
            span.set(names::USER_ID, user.to_string());
        }
        span.set(names::DB_SYSTEM, "postgresql");
        span.set(names::DB_NAMESPACE, Arc::clone(&server.namespace));
        span.set(names::DB_OPERATION, verb);
        span.set(names::DB_COLLECTION, op.subject.table());
        span.set(names::DB_SUMMARY, summary);
        span.set(names::SERVER_ADDRESS, Arc::clone(&server.address));
        span.set(names::SERVER_PORT, i64::from(server.port));
        match &self.ending {
            Some(Ending::Performed { outcome, attempts, error }) => {
                end_operation(&mut span, *outcome, *attempts, error.as_deref());
            }
            Some(Ending::Unperformed(why)) => end_unperformed(&mut span, why),
            None => {}
        }
        span.end_time = self.end.into();
        span
    }
}

/// Notes on an operation's span how it ended. The number of attempts is noted only where there
/// was more than one: the database does not know it.
fn end_operation(span: &mut SpanData, outcome: Outcome, attempts: u32, error: Option<&str>) {
    span.set(names::OPERATION_OUTCOME, outcome.as_str());
    if attempts > 1 {
        span.set(names::OPERATION_ATTEMPTS, i64::from(attempts));
    }
    span.set(names::DB_ROWS, i64::from(outcome == Outcome::Applied));
    match outcome {
        Outcome::Applied => {}
        Outcome::Conflict => fail(span, "conflict", "the row had changed since the plan"),
        Outcome::Failed => {
            let reason = error.unwrap_or("refused");
            let code = reason.get(..5).unwrap_or(reason).to_owned();
            span.set(names::DB_STATUS_CODE, code.clone());
            fail(span, code, reason);
        }
    }
}

/// Notes on a span that it came to no end: no effect was left.
pub fn end_unperformed(span: &mut impl Describe, why: &str) {
    fail(span, "not_done", why);
}

/// Notes that a span was made again from the database.
pub fn replayed(span: &mut impl Describe) {
    span.set(names::REPLAYED, true);
}

fn fail(span: &mut impl Describe, error_type: impl Into<Value>, why: &str) {
    span.set(names::ERROR_TYPE, error_type);
    span.status(SpanStatus::error(why.to_owned()));
}

fn internal<S: Describe>(
    ids: Ids,
    parent: Option<Ids>,
    name: impl Into<Cow<'static, str>>,
    start: DateTime<Utc>,
) -> S {
    S::begin(Beginning { ids, parent, name: name.into(), kind: SpanKind::Internal, start })
}
