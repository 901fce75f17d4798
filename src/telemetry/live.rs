//! A span that goes on: it is recorded when it ends, and at the latest when it is dropped.

use super::handle::Handle;
use super::ids::Ids;
use super::spans;
use chrono::{DateTime, Utc};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::trace::SpanData;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A span that has begun. Without an exporter it is nothing, and costs nothing.
#[derive(Debug, Default)]
pub struct LiveSpan {
    handle: Handle,
    began: Option<Instant>,
    ids: Option<Ids>,
    data: Mutex<Option<Box<SpanData>>>,
}

impl LiveSpan {
    /// Begins a span, which is described only where it is exported.
    pub fn begin(handle: &Handle, ids: Ids, describe: impl FnOnce() -> SpanData) -> Self {
        if !handle.is_enabled() {
            return Self::default();
        }
        let began = Some(Instant::now());
        let data = handle.exports_spans().then(|| Box::new(describe()));
        Self { handle: handle.clone(), began, ids: Some(ids), data: Mutex::new(data) }
    }

    /// Notes something on the span, until it has ended.
    pub fn note(&self, change: impl FnOnce(&mut SpanData)) {
        if let Some(data) = self.data.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(data);
        }
    }

    /// What gives logs this span's ids.
    pub fn context(&self) -> Context {
        match self.ids {
            Some(ids) => Context::new().with_remote_span_context(ids.context()),
            None => Context::new(),
        }
    }

    /// Ends and records the span; once only.
    pub fn end(&self, at: DateTime<Utc>) {
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut data) = data {
            spans::end(&mut data, at);
            self.handle.record(*data);
        }
    }
}

impl Drop for LiveSpan {
    fn drop(&mut self) {
        let elapsed = self.began.map(|began| began.elapsed()).unwrap_or_default();
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut data) = data {
            // Rounded up: the start is cut to whole microseconds, and what is within ends before.
            let end = data.start_time + elapsed + Duration::from_micros(1);
            spans::end(&mut data, end.into());
            self.handle.record(*data);
        }
    }
}
