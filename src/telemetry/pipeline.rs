//! The way to a collector: an OTLP/gRPC exporter on a runtime of its own, and the account of
//! what became of the spans. What the SDK reports about losses is not believed; it is counted.

use super::{ids::RunIds, names};
use crate::domain::run::SpanAccount;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span as SdkSpan, SpanData,
    SpanExporter, SpanProcessor, Tracer,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long the last spans may take to be delivered when the program ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Spans are made faster than they are exported: the SDK's queue of 2,048 loses most of them.
const QUEUE_SPANS_MAX: usize = 65_536;
const BATCH_SPANS_MAX: usize = 2_048;

/// The program's way to a collector, where one is configured.
#[derive(Debug, Default)]
pub struct Telemetry(Option<Pipeline>);

#[derive(Debug)]
struct Pipeline {
    provider: SdkTracerProvider,
    counters: Arc<Counters>,
    // Exports need a runtime of their own: the program's may be gone when the last one is made.
    runtime: Runtime,
}

#[derive(Debug, Default)]
struct Counters {
    made: AtomicU64,
    acknowledged: AtomicU64,
}

impl Telemetry {
    /// Sets up what the standard `OTEL_*` variables ask for; none of them, no exporter.
    ///
    /// # Errors
    /// An endpoint or setting that can't be used, in one line. The run goes on without.
    pub fn from_environment() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|v| v == "true")
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|v| v == "none");
        match endpoint {
            Some(endpoint) if !is_disabled => Pipeline::start(&endpoint).map(|p| Self(Some(p))),
            _ => Ok(Self(None)),
        }
    }

    /// The tracer that spans are to be made with.
    pub fn tracer(&self) -> Option<Tracer> {
        self.0.as_ref().map(|pipeline| pipeline.provider.tracer(names::SCOPE))
    }

    /// Delivers what is left, and tells what became of all spans.
    pub fn shutdown(self) -> Option<SpanAccount> {
        let pipeline = self.0?;
        // It says Ok after losing everything: the counters tell.
        let _ = pipeline.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
        let made = pipeline.counters.made.load(Ordering::Relaxed);
        let acknowledged = pipeline.counters.acknowledged.load(Ordering::Relaxed);
        pipeline.runtime.shutdown_background();
        Some(SpanAccount { made, acknowledged, lost: made.saturating_sub(acknowledged) })
    }
}

impl Pipeline {
    fn start(endpoint: &str) -> Result<Self, String> {
        endpoint.parse::<tonic::transport::Uri>().map_err(|e| {
            format!("the OTLP endpoint {endpoint:?} is not a URL ({e}); spans are not exported")
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(|e| format!("no thread for telemetry: {e}"))?;
        let entered = runtime.enter();
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .build()
            .map_err(|e| format!("the OTLP exporter can't be set up: {e}"))?;
        drop(entered);
        let counters = Arc::new(Counters::default());
        let provider = provider(exporter, &counters);
        Ok(Self { provider, counters, runtime })
    }
}

fn provider(exporter: OtlpExporter, counters: &Arc<Counters>) -> SdkTracerProvider {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_SPANS_MAX)
        .with_max_export_batch_size(BATCH_SPANS_MAX)
        .build();
    let exporter = CountingExporter { exporter, counters: Arc::clone(counters) };
    let batch = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(names::SCOPE);
    }
    SdkTracerProvider::builder()
        .with_id_generator(RunIds::default())
        .with_resource(resource.build())
        .with_span_processor(CountingProcessor { batch, counters: Arc::clone(counters) })
        .build()
}

#[derive(Debug)]
struct CountingProcessor {
    batch: BatchSpanProcessor,
    counters: Arc<Counters>,
}

impl SpanProcessor for CountingProcessor {
    fn on_start(&self, span: &mut SdkSpan, context: &Context) {
        self.batch.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counters.made.fetch_add(1, Ordering::Relaxed);
        self.batch.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batch.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batch.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batch.set_resource(resource);
    }
}

#[derive(Debug)]
struct CountingExporter {
    exporter: OtlpExporter,
    counters: Arc<Counters>,
}

impl SpanExporter for CountingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        if exported.is_ok() {
            self.counters.acknowledged.fetch_add(spans, Ordering::Relaxed);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
