//! The spans of a run: root, phases, and one per operation.

use super::{ids, names};
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::{RunId, Status, span_id};
use opentelemetry::trace::Status as SpanStatus;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The root span of a run; its trace id is the run's id.
pub fn root(run: RunId, parent: Option<RunId>) -> Span {
    let span = info_span!(parent: None, "payment_monitor.run", run = %run);
    span.set_attribute(names::RUN_ID, run.to_string());
    span.set_attribute(names::PROCESS_PID, i64::from(std::process::id()));
    if let Some(parent) = parent {
        span.set_attribute(names::RUN_PARENT_ID, parent.to_string());
    }
    ids::start(&span, Some(run.0), span_id(run.0));
    span
}

/// Notes on the root span how the run ended. An exit code other than 0 is an error, as the
/// conventions for command-line programs say.
pub fn end_root(span: &Span, status: Status, exit_code: u8, error: Option<&str>) {
    span.set_attribute(names::RUN_STATUS, status.as_str());
    span.set_attribute(names::PROCESS_EXIT_CODE, i64::from(exit_code));
    if exit_code != 0 {
        span.set_attribute(names::ERROR_TYPE, status.as_str());
        span.set_status(SpanStatus::error(error.unwrap_or(status.as_str()).to_owned()));
    }
}

/// The span of a phase.
pub fn phase(root: &Span, run: RunId, name: &'static str) -> Span {
    let span = info_span!(parent: root, "phase", otel.name = name);
    span.set_attribute(names::RUN_ID, run.to_string());
    ids::start(&span, None, ids::phase(run.0, name));
    span
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
pub fn operation(parent: &Span, run: RunId, server: &Server, op: &Operation) -> Span {
    let summary = op.span_name();
    let span = info_span!(parent: parent, "operation", otel.name = summary, otel.kind = "client");
    if span.is_disabled() {
        return span;
    }
    let verb = if op.action == Action::New { "INSERT" } else { "UPDATE" };
    span.set_attribute(names::RUN_ID, run.to_string());
    span.set_attribute(names::OPERATION_ID, op.id.to_string());
    span.set_attribute(names::OPERATION_ACTION, op.action.as_str());
    span.set_attribute(names::DISCREPANCY_KIND, op.kind.clone());
    span.set_attribute(names::PROVIDER_ID, op.provider_id.clone());
    if let Some(user) = op.user_id {
        span.set_attribute(names::USER_ID, user.to_string());
    }
    span.set_attribute(names::DB_SYSTEM, "postgresql");
    span.set_attribute(names::DB_NAMESPACE, server.namespace.clone());
    span.set_attribute(names::DB_OPERATION, verb);
    span.set_attribute(names::DB_COLLECTION, op.subject.table());
    span.set_attribute(names::DB_SUMMARY, summary);
    span.set_attribute(names::SERVER_ADDRESS, server.address.clone());
    span.set_attribute(names::SERVER_PORT, i64::from(server.port));
    ids::start(&span, None, span_id(op.id));
    span
}

/// Notes on an operation's span how it ended.
pub fn end_operation(span: &Span, outcome: Outcome, attempts: u32, error: Option<&str>) {
    span.set_attribute(names::OPERATION_OUTCOME, outcome.as_str());
    span.set_attribute(names::OPERATION_ATTEMPTS, i64::from(attempts));
    span.set_attribute(names::DB_ROWS, i64::from(outcome == Outcome::Applied));
    match outcome {
        Outcome::Applied => {}
        Outcome::Conflict => fail(span, "conflict", "the row had changed since the plan"),
        Outcome::Failed => {
            let reason = error.unwrap_or("refused");
            let code = reason.get(..5).unwrap_or(reason).to_owned();
            span.set_attribute(names::DB_STATUS_CODE, code.clone());
            fail(span, code, reason);
        }
    }
}

/// Notes on an operation's span that it came to no end: no effect was left.
pub fn end_unperformed(span: &Span, why: &str) {
    fail(span, "not_done", why);
}

fn fail(span: &Span, error_type: impl Into<opentelemetry::Value>, why: &str) {
    span.set_attribute(names::ERROR_TYPE, error_type);
    span.set_status(SpanStatus::error(why.to_owned()));
}
