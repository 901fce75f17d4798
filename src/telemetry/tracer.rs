//! Makes OpenTelemetry's spans of tracing's: each has the ids and the beginning that it is given,
//! and waits in the queue once it has ended.

use super::describe::{Beginning, Describe, SCOPE};
use super::handle::{Handle, Shared};
use super::ids::Ids;
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, Tracer,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
    SpanLimits, SpanProcessor,
};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::registry::LookupSpan;

/// The target of the run's spans.
const TARGET: &str = "payment_monitor";

thread_local! {
    // A span starts synchronously in `begin`: what is set here can't reach another span.
    static NEXT: Cell<Option<(Ids, SystemTime)>> = const { Cell::new(None) };
}

/// A span of tracing's that goes on, and OpenTelemetry's that is made of it, on which things are
/// noted.
#[derive(Debug, Clone)]
pub struct Traced {
    span: tracing::Span,
    context: Context,
}

impl Traced {
    /// Tracing's span, for what is said or done in it.
    pub fn span(&self) -> &tracing::Span {
        &self.span
    }

    /// Ends and records the span; once only.
    pub fn end(&self, at: SystemTime) {
        self.context.span().end_with_timestamp(at);
    }
}

impl Describe for Traced {
    fn begin(beginning: Beginning) -> Self {
        let Beginning { ids, parent, name, kind, start: at } = beginning;
        let kind = if kind == SpanKind::Client { "client" } else { "internal" };
        let span =
            info_span!(target: TARGET, parent: None, "span", otel.name = &*name, otel.kind = kind);
        if let Some(parent) = parent {
            let parent = Context::new().with_remote_span_context(parent.context());
            // It is refused only where nobody listens to spans.
            let _ = span.set_parent(parent);
        }
        NEXT.set(Some((ids, at.into())));
        let context = span.context(); // starts it
        NEXT.set(None);
        Self { span, context }
    }

    fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.context.span().set_attribute(KeyValue::new(key, value));
    }

    fn status(&mut self, status: Status) {
        self.context.span().set_status(status);
    }

    fn link(&mut self, to: SpanContext, attributes: Vec<KeyValue>) {
        self.context.span().add_link(to, attributes);
    }
}

/// The layer that makes the spans. It has a filter of its own, so that `RUST_LOG` never deletes a
/// trace, and takes spans only: events are logs.
pub(super) fn layer<S>(shared: &Arc<Shared>) -> impl Layer<S> + Send + Sync + use<S>
where
    S: Subscriber + Send + Sync + for<'span> LookupSpan<'span>,
{
    const UNLIMITED: SpanLimits = SpanLimits {
        max_events_per_span: u32::MAX,
        max_attributes_per_span: u32::MAX,
        max_links_per_span: u32::MAX, // one per part trace
        max_attributes_per_event: u32::MAX,
        max_attributes_per_link: u32::MAX,
    };
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_id_generator(GivenIds::default())
        .with_span_limits(UNLIMITED)
        .with_span_processor(Enqueue(Handle(Some(Arc::clone(shared)))))
        .build();
    let ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(Starter(provider.tracer_with_scope(SCOPE.clone())))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(ours.and(filter_fn(|metadata| !metadata.is_event())))
}

/// Starts spans when [`Traced::begin`] says that they began.
struct Starter(SdkTracer);

impl Tracer for Starter {
    type Span = Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Span {
        if let Some((_, at)) = NEXT.get() {
            builder.start_time = Some(at);
        }
        self.0.build_with_context(builder, parent)
    }
}

/// Gives spans the ids that [`Traced::begin`] asks for, and random ones else.
#[derive(Debug, Default)]
struct GivenIds(RandomIdGenerator);

impl IdGenerator for GivenIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| self.0.new_trace_id(), |(ids, _)| ids.context().trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(ids, _)| ids.context().span_id())
    }
}

/// Puts spans that have ended into their queue.
#[derive(Debug)]
struct Enqueue(Handle);

impl SpanProcessor for Enqueue {
    fn on_start(&self, _span: &mut Span, _parent: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.record(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
