//! Whose ids spans have: a run's trace id is the run's id, an operation's span id is the low
//! half of the operation's id. So database, traces and logs link without a mapping.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

thread_local! {
    // A span gets its ids when it starts, and it starts synchronously in `start`: what is set
    // here can't reach another span.
    static NEXT: Cell<Option<(Option<Uuid>, u64)>> = const { Cell::new(None) };
}

/// Gives spans the ids that [`start`] asks for, and random ones else.
#[derive(Debug, Default)]
pub struct RunIds(RandomIdGenerator);

impl IdGenerator for RunIds {
    fn new_trace_id(&self) -> TraceId {
        match NEXT.get() {
            Some((Some(run), _)) => TraceId::from_bytes(run.into_bytes()),
            _ => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        match NEXT.get() {
            Some((_, span)) => SpanId::from_bytes(span.to_be_bytes()),
            None => self.0.new_span_id(),
        }
    }
}

/// Starts a span under a given id; `trace` is given for a root only.
pub fn start(span: &Span, trace: Option<Uuid>, span_id: u64) {
    NEXT.set(Some((trace, span_id)));
    let _ = span.context();
    NEXT.set(None);
}

/// The span id of a phase: derived, so that a lost trace can be made again with the same ids.
pub fn phase(run: Uuid, name: &str) -> u64 {
    let hash = Sha256::new().chain_update(run.as_bytes()).chain_update(name).finalize();
    u64::from_be_bytes(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
}
