//! A span that goes on: it is recorded when it ends by the run's clock, and at the latest when it
//! is dropped, by the host's.

use super::handle::Handle;
use chrono::{DateTime, Utc};
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing::span::Entered;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A span that has begun. Without an exporter it is nothing, and costs nothing.
#[derive(Debug)]
pub struct LiveSpan(Span);

impl Default for LiveSpan {
    fn default() -> Self {
        Self(Span::none())
    }
}

impl LiveSpan {
    /// Begins a span, which is described only where spans are made.
    pub fn begin(handle: &Handle, describe: impl FnOnce() -> Span) -> Self {
        if handle.makes_spans() { Self(describe()) } else { Self::default() }
    }

    /// Notes something on the span, until it has ended.
    pub fn note(&self, change: impl FnOnce(&mut Span)) {
        if !self.0.is_none() {
            change(&mut self.0.clone());
        }
    }

    /// What is said until the guard is dropped is said in this span.
    pub fn enter(&self) -> Entered<'_> {
        self.0.enter()
    }

    /// The span, for work that is done in it.
    pub fn span(&self) -> Span {
        self.0.clone()
    }

    /// Ends and records the span; once only.
    pub fn end(&self, at: DateTime<Utc>) {
        if !self.0.is_none() {
            self.0.context().span().end_with_timestamp(at.into());
        }
    }
}
