//! Log records on their way: each carries the id of its run.

use super::handle::{LogItem, Shared};
use super::ids::Ids;
use super::names;
use opentelemetry::logs::{AnyValue, LogRecord as _};
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Puts log records into their queue.
#[derive(Debug)]
pub(super) struct Enqueue(pub Arc<Shared>);

impl LogProcessor for Enqueue {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let Some(queue) = &self.0.logs else { return };
        if let Some(run) = *self.0.run.lock().unwrap_or_else(PoisonError::into_inner) {
            let run_id = Key::from_static_str(names::RUN_ID);
            if !record.attributes_iter().any(|(key, _)| *key == run_id) {
                record.add_attribute(run_id, AnyValue::from(run.to_string()));
            }
            // What a task of its own says (the keeper of the run lock) is said in no span.
            if record.trace_context().is_none() {
                let root = Ids::root(run).context();
                let flags = Some(root.trace_flags());
                record.set_trace_context(root.trace_id(), root.span_id(), flags);
            }
        }
        queue.push(LogItem::new((record.clone(), scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
