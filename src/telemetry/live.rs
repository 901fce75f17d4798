//! A span that goes on: it is recorded when it ends by the run's clock, and at the latest when it
//! is dropped, by the host's.

use super::handle::Handle;
use super::tracer::Traced;
use chrono::{DateTime, Utc};
use tracing::Span;
use tracing::span::Entered;

/// A span that has begun. Without an exporter it is nothing, and costs nothing.
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
