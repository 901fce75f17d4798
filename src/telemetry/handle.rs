//! What the parts of the program hold of telemetry: cheap to clone, and nothing at all where no
//! endpoint is configured.

use super::metrics::Instruments;
use super::queue::{Queue, Room};
use super::spans::OperationEnd;
use crate::domain::RunId;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::SpanContext;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use std::sync::{Arc, Mutex, PoisonError};

/// A log record on its way, with the scope that made it.
pub type LogItem = Box<(SdkLogRecord, InstrumentationScope)>;

/// A span on its way.
#[derive(Debug)]
pub enum SpanItem {
    Made(Box<SpanData>),
    /// Made when it is exported: so nobody who performs operations makes spans, and none is copied.
    Operation(OperationEnd),
}

/// A span never ends before it began.
impl From<SpanData> for SpanItem {
    fn from(mut span: SpanData) -> Self {
        span.end_time = span.end_time.max(span.start_time);
        Self::Made(Box::new(span))
    }
}

impl From<OperationEnd> for SpanItem {
    fn from(operation: OperationEnd) -> Self {
        Self::Operation(operation)
    }
}

impl SpanItem {
    pub fn span(&self) -> SpanData {
        match self {
            Self::Made(span) => (**span).clone(),
            Self::Operation(operation) => operation.span(),
        }
    }
}

/// The way to the pipeline; the default leads nowhere.
#[derive(Debug, Clone, Default)]
pub struct Handle(pub(super) Option<Arc<Shared>>);

#[derive(Debug)]
pub(super) struct Shared {
    pub spans: Option<Arc<Queue<SpanItem>>>,
    pub logs: Option<Arc<Queue<LogItem>>>,
    pub metrics: Option<Instruments>,
    pub caller: Option<SpanContext>,
    pub operations_per_trace: u64,
    /// The run that goes on: logs that don't say whose they are, are its.
    pub run: Mutex<Option<RunId>>,
}

impl Shared {
    /// Whether there are spans: for themselves, or because logs have their ids.
    pub fn makes_spans(&self) -> bool {
        self.spans.is_some() || self.logs.is_some()
    }
}

/// Room for what one operation makes, kept while it goes on.
#[derive(Debug, Default)]
pub struct Admission {
    _span: Option<Room<SpanItem>>,
    _log: Option<Room<LogItem>>,
}

impl Handle {
    /// Whether anything is exported.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn makes_spans(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.makes_spans())
    }

    /// Notes which run logs belong to from now on.
    pub fn begin_run(&self, run: RunId) {
        if let Some(shared) = &self.0 {
            *shared.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
        }
    }

    /// Which run goes on, or was the last to.
    pub fn run(&self) -> Option<RunId> {
        *self.0.as_ref()?.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for what an operation makes; no longer than it makes sense.
    pub async fn admit(&self) -> Admission {
        let Some(shared) = &self.0 else { return Admission::default() };
        let span = match &shared.spans {
            Some(queue) => Some(queue.admit().await),
            None => None,
        };
        let log = match &shared.logs {
            Some(queue) => Some(queue.admit().await),
            None => None,
        };
        Admission { _span: span, _log: log }
    }

    /// Records a span that has ended.
    pub fn record(&self, span: impl Into<SpanItem>) {
        if let Some(queue) = self.0.as_ref().and_then(|shared| shared.spans.as_ref()) {
            queue.push(span.into());
        }
    }

    /// The instruments, where metrics are exported.
    pub fn metrics(&self) -> Option<&Instruments> {
        self.0.as_ref().and_then(|shared| shared.metrics.as_ref())
    }

    /// Whose trace the run was started from, where it was.
    pub fn caller(&self) -> Option<SpanContext> {
        self.0.as_ref().and_then(|shared| shared.caller.clone())
    }

    /// How many operations of a run are in one trace.
    pub fn operations_per_trace(&self) -> u64 {
        self.0.as_ref().map_or(super::parts::OPERATIONS_PER_TRACE, |s| s.operations_per_trace)
    }
}
