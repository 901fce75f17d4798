//! A span that goes on: it is recorded when it ends by the run's clock, and at the latest when it
//! is dropped, by the host's.

use super::handle::Handle;
use super::spans::{Ending, OperationEnd};
use super::tracer::Traced;
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, ContextGuard};
use std::time::Instant;
use tracing::Span;
use tracing::span::Entered;

/// A span that has begun, of a run or a phase: of tracing's, so that what libraries say while it
/// goes on is said in it. Without an exporter it is nothing, and costs nothing.
#[derive(Debug, Default)]
pub struct LiveSpan(Option<Traced>);

impl LiveSpan {
    /// Begins a span, which is described only where spans are made.
    pub fn begin(handle: &Handle, describe: impl FnOnce() -> Traced) -> Self {
        Self(handle.makes_spans().then(describe))
    }

    /// Notes something on the span, until it has ended.
    pub fn note(&self, change: impl FnOnce(&mut Traced)) {
        if let Some(traced) = &self.0 {
            change(&mut traced.clone());
        }
    }

    /// What is said until the guard is dropped is said in this span.
    pub fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|traced| traced.span().enter())
    }

    /// The span, for work that is done in it.
    pub fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::none, |traced| traced.span().clone())
    }

    /// Ends and records the span; once only.
    pub fn end(&self, at: DateTime<Utc>) {
        if let Some(traced) = &self.0 {
            traced.end(at.into());
        }
    }
}

/// The span of an operation that has begun. There are as many of them as operations, so they are
/// not tracing's, and what one is made of waits for the exporter, which makes it. Without an
/// exporter it is nothing, and costs nothing.
#[derive(Debug, Default)]
pub struct OperationSpan(Option<Going>);

#[derive(Debug)]
struct Going {
    handle: Handle,
    began: Instant,
    span: OperationEnd,
}

impl OperationSpan {
    /// Begins a span, which is described only where spans are made.
    pub fn begin(handle: &Handle, began: Instant, describe: impl FnOnce() -> OperationEnd) -> Self {
        let going = || Going { handle: handle.clone(), began, span: describe() };
        Self(handle.makes_spans().then(going))
    }

    /// What is said until the guard is dropped is said in this span.
    pub fn enter(&self) -> Option<ContextGuard> {
        let context = self.0.as_ref()?.span.ids().context();
        Some(Context::new().with_remote_span_context(context).attach())
    }

    /// Ends and records the span.
    pub fn end(mut self, ending: Ending, at: DateTime<Utc>) {
        if let Some(going) = &mut self.0 {
            going.span.ending = Some(ending);
        }
        self.record(at);
    }

    fn record(&mut self, at: DateTime<Utc>) {
        if let Some(Going { handle, mut span, .. }) = self.0.take() {
            span.end = at.max(span.start);
            handle.record(span);
        }
    }
}

impl Drop for OperationSpan {
    fn drop(&mut self) {
        if let Some(going) = &self.0 {
            let age = TimeDelta::from_std(going.began.elapsed()).unwrap_or_default();
            self.record(going.span.start + age);
        }
    }
}
