//! Log records on their way: each carries the id of its run.

use super::handle::{LogItem, Shared};
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
        let run_id = Key::from_static_str(names::RUN_ID);
        if !record.attributes_iter().any(|(key, _)| *key == run_id)
            && let Some(run) = *self.0.run.lock().unwrap_or_else(PoisonError::into_inner)
        {
            record.add_attribute(run_id, AnyValue::from(run.to_string()));
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
