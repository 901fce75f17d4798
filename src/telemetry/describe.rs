//! What a span is told, whether it goes on or is made again from the database.

use super::ids::Ids;
use super::names;
use chrono::{DateTime, Utc};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::sync::LazyLock;

/// The scope of all spans.
pub(super) static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder(names::SCOPE).with_version(env!("CARGO_PKG_VERSION")).build()
});

/// What a span is when it begins.
#[derive(Debug)]
pub struct Beginning {
    pub ids: Ids,
    pub parent: Option<Ids>,
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    pub start: DateTime<Utc>,
}

/// A span that can be told things: tracing's, or one that is recorded as it is.
pub trait Describe {
    fn begin(beginning: Beginning) -> Self;
    fn set(&mut self, key: &'static str, value: impl Into<Value>);
    fn status(&mut self, status: Status);
    fn link(&mut self, to: SpanContext, attributes: Vec<KeyValue>);
}

impl Describe for SpanData {
    fn begin(beginning: Beginning) -> Self {
        let Beginning { ids, parent, name, kind, start } = beginning;
        Self {
            span_context: ids.context(),
            parent_span_id: parent.map_or(SpanId::INVALID, |ids| ids.context().span_id()),
            parent_span_is_remote: false,
            span_kind: kind,
            name,
            start_time: start.into(),
            end_time: start.into(),
            attributes: Vec::with_capacity(16),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: SCOPE.clone(),
        }
    }

    fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key, value.into()));
    }

    fn status(&mut self, status: Status) {
        self.status = status;
    }

    fn link(&mut self, to: SpanContext, attributes: Vec<KeyValue>) {
        self.links.links.push(Link::new(to, attributes, 0));
    }
}
