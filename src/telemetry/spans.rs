//! The spans of a run: root, phases, parts, and one per operation. Made here for the run that
//! goes on and for the one that is made again from the database, so that both are the same.

use super::ids::Ids;
use super::names;
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::{RunId, Status, span_id};
use chrono::{DateTime, Utc};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status as SpanStatus};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::SystemTime;

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder(names::SCOPE).with_version(env!("CARGO_PKG_VERSION")).build()
});

/// The root span of a run.
pub fn root(run: RunId, parent: Option<RunId>, start: DateTime<Utc>) -> SpanData {
    let mut span = span(Ids::root(run), None, names::RUN, start);
    set(&mut span, names::RUN_ID, run.to_string());
    if let Some(parent) = parent {
        set(&mut span, names::RUN_PARENT_ID, parent.to_string());
    }
    span
}

/// Notes on the root span how the run ended. An exit code other than 0 is an error, as the
/// conventions for command-line programs say.
pub fn end_root(span: &mut SpanData, status: Status, exit_code: u8, error: Option<&str>) {
    set(span, names::RUN_STATUS, status.as_str());
    set(span, names::PROCESS_EXIT_CODE, i64::from(exit_code));
    if exit_code != 0 {
        fail(span, status.as_str(), error.unwrap_or(status.as_str()));
    }
}

/// The span of a phase.
pub fn phase(run: RunId, name: &str, start: DateTime<Utc>) -> SpanData {
    let parent = Ids::root(run).span;
    let mut span = span(Ids::phase(run, name), Some(parent), name.to_owned(), start);
    set(&mut span, names::RUN_ID, run.to_string());
    span
}

/// The root span of a part trace, linked to the phase that it is a part of.
pub fn part(run: RunId, number: u64, start: DateTime<Utc>) -> SpanData {
    let mut span = span(Ids::part(run, number), None, names::PART, start);
    set(&mut span, names::RUN_ID, run.to_string());
    set(&mut span, names::PART_NUMBER, i64::try_from(number).unwrap_or(i64::MAX));
    link(&mut span, Ids::phase(run, names::PERFORM).context(), Vec::new());
    span
}

/// Links the phase to one of its part traces.
pub fn link_part(perform: &mut SpanData, run: RunId, number: u64) {
    let number_is = i64::try_from(number).unwrap_or(i64::MAX);
    let attributes = vec![KeyValue::new(names::PART_NUMBER, number_is)];
    link(perform, Ids::part(run, number).context(), attributes);
}

/// Links a span to another.
pub fn link(span: &mut SpanData, to: SpanContext, attributes: Vec<KeyValue>) {
    span.links.links.push(Link::new(to, attributes, 0));
}

/// Where operations are sent, as their spans say it.
#[derive(Debug, Clone)]
pub struct Server {
    pub address: String,
    pub port: u16,
    /// `database|schema`.
    pub namespace: String,
}

/// The span of an operation, by the conventions for database clients.
pub fn operation(
    run: RunId,
    server: &Server,
    parent: Ids,
    op: &Operation,
    start: DateTime<Utc>,
) -> SpanData {
    let summary = op.span_name();
    let ids = Ids { trace: parent.trace, span: span_id(op.id) };
    let mut span = span(ids, Some(parent.span), summary, start);
    span.span_kind = SpanKind::Client;
    let verb = if op.action == Action::New { "INSERT" } else { "UPDATE" };
    set(&mut span, names::RUN_ID, run.to_string());
    set(&mut span, names::OPERATION_ID, op.id.to_string());
    set(&mut span, names::OPERATION_ACTION, op.action.as_str());
    set(&mut span, names::DISCREPANCY_KIND, op.kind.clone());
    set(&mut span, names::PROVIDER_ID, op.provider_id.clone());
    if let Some(user) = op.user_id {
        set(&mut span, names::USER_ID, user.to_string());
    }
    set(&mut span, names::DB_SYSTEM, "postgresql");
    set(&mut span, names::DB_NAMESPACE, server.namespace.clone());
    set(&mut span, names::DB_OPERATION, verb);
    set(&mut span, names::DB_COLLECTION, op.subject.table());
    set(&mut span, names::DB_SUMMARY, summary);
    set(&mut span, names::SERVER_ADDRESS, server.address.clone());
    set(&mut span, names::SERVER_PORT, i64::from(server.port));
    span
}

/// Notes on an operation's span how it ended. The number of attempts is noted only where there
/// was more than one: the database does not know it.
pub fn end_operation(span: &mut SpanData, outcome: Outcome, attempts: u32, error: Option<&str>) {
    set(span, names::OPERATION_OUTCOME, outcome.as_str());
    if attempts > 1 {
        set(span, names::OPERATION_ATTEMPTS, i64::from(attempts));
    }
    set(span, names::DB_ROWS, i64::from(outcome == Outcome::Applied));
    match outcome {
        Outcome::Applied => {}
        Outcome::Conflict => fail(span, "conflict", "the row had changed since the plan"),
        Outcome::Failed => {
            let reason = error.unwrap_or("refused");
            let code = reason.get(..5).unwrap_or(reason).to_owned();
            set(span, names::DB_STATUS_CODE, code.clone());
            fail(span, code, reason);
        }
    }
}

/// Notes on a span that it came to no end: no effect was left.
pub fn end_unperformed(span: &mut SpanData, why: &str) {
    fail(span, "not_done", why);
}

/// Notes that a span was made again from the database.
pub fn replayed(span: &mut SpanData) {
    set(span, names::REPLAYED, true);
}

/// Notes when a span ended; never before it began.
pub fn end(span: &mut SpanData, at: DateTime<Utc>) {
    span.end_time = SystemTime::from(at).max(span.start_time);
}

fn fail(span: &mut SpanData, error_type: impl Into<Value>, why: &str) {
    set(span, names::ERROR_TYPE, error_type);
    span.status = SpanStatus::error(why.to_owned());
}

fn set(span: &mut SpanData, key: &'static str, value: impl Into<Value>) {
    span.attributes.push(KeyValue::new(key, value.into()));
}

fn span(
    ids: Ids,
    parent: Option<u64>,
    name: impl Into<Cow<'static, str>>,
    start: DateTime<Utc>,
) -> SpanData {
    SpanData {
        span_context: ids.context(),
        parent_span_id: parent.map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.to_be_bytes())),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: start.into(),
        end_time: start.into(),
        attributes: Vec::with_capacity(16),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: SpanStatus::Unset,
        instrumentation_scope: SCOPE.clone(),
    }
}
