//! The pipeline of the three signals: queues, their workers on a thread of their own, and the
//! account of what became of everything.

use super::export_metrics::MetricsExporter;
use super::exporters;
use super::handle::{Handle, Shared};
use super::metrics::Instruments;
use super::queue::Queue;
use super::settings::Settings;
use super::tally::Tally;
use super::worker::work;
use super::{ids, logs, names, tracer};
use crate::domain::account::Account;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

/// What part of the time at the end is kept for the metrics, which go last.
const METRICS_SHARE: u32 = 4;

/// Turns tracing's events into log records.
pub type LogsLayer = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// The program's way to a collector, where one is configured.
#[derive(Debug, Default)]
pub struct Telemetry(Option<Pipeline>);

#[derive(Debug)]
struct Pipeline {
    shared: Arc<Shared>,
    logger: Option<SdkLoggerProvider>,
    meter: Option<SdkMeterProvider>,
    metrics_tally: Arc<Tally>,
    metrics_closed: watch::Sender<Option<Instant>>,
    workers: Vec<JoinHandle<()>>,
    // Exports need a runtime of their own: the program's may be busy, or gone.
    runtime: Option<Runtime>,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime can't be awaited where another one runs.
            runtime.shutdown_background();
        }
    }
}

/// Who makes the telemetry.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub host: &'a str,
    pub version: &'a str,
}

impl Telemetry {
    /// Starts what the settings ask for: without a target, nothing. What is wrong with a target
    /// becomes the reason why everything sent to it is dropped.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(settings: &Settings, source: &Source<'_>) -> Result<Self, String> {
        if !settings.is_enabled() {
            return Ok(Self::default());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(|error| format!("no thread for telemetry: {error}"))?;
        let entered = runtime.enter();
        let metrics_tally = Arc::new(Tally::default());
        let (metrics_closed, closed) = watch::channel(None);
        let meter = settings.metrics.as_ref().map(|target| {
            let exporter = MetricsExporter {
                exporter: exporters::Metrics::new(target),
                tally: Arc::clone(&metrics_tally),
                runtime: runtime.handle().clone(),
                closed,
            };
            let reader =
                PeriodicReader::builder(exporter).with_interval(settings.metrics_every).build();
            let resource = resource(settings, source, true);
            SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build()
        });
        let shared = Arc::new(Shared {
            spans: settings.traces.is_some().then(|| Queue::new(settings.spans_queue)),
            logs: settings.logs.is_some().then(|| Queue::new(settings.logs_queue)),
            metrics: meter.as_ref().map(|meter| Instruments::new(&meter.meter(names::SCOPE))),
            caller: settings.traceparent.as_deref().and_then(ids::caller),
            operations_per_trace: settings.operations_per_trace,
            run: Mutex::default(),
        });
        let workers = workers(&shared, settings, &resource(settings, source, false));
        drop(entered);
        let logger = shared.logs.is_some().then(|| {
            let enqueue = logs::Enqueue(Arc::clone(&shared));
            SdkLoggerProvider::builder().with_log_processor(enqueue).build()
        });
        let runtime = Some(runtime);
        Ok(Self(Some(Pipeline {
            shared,
            logger,
            meter,
            metrics_tally,
            metrics_closed,
            workers,
            runtime,
        })))
    }

    /// What the parts of the program hold of it.
    pub fn handle(&self) -> Handle {
        Handle(self.0.as_ref().map(|pipeline| Arc::clone(&pipeline.shared)))
    }

    /// Turns events into log records, where logs are exported.
    pub fn logs_layer(&self) -> Option<LogsLayer> {
        let logger = self.0.as_ref()?.logger.as_ref()?;
        Some(OpenTelemetryTracingBridge::new(logger))
    }

    /// Makes the spans of runs out of tracing's, where spans or logs are exported; with its filter.
    pub fn spans_layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + Send + Sync + for<'span> LookupSpan<'span>,
    {
        let shared = &self.0.as_ref()?.shared;
        shared.makes_spans().then(|| tracer::layer(shared))
    }

    /// Delivers what is left within `timeout`, and tells what became of everything; nothing
    /// where nothing is exported. The account adds up whatever happened.
    pub async fn shutdown(self, timeout: Duration) -> Option<Account> {
        self.0?.shutdown(timeout).await.into()
    }
}

impl Pipeline {
    async fn shutdown(mut self, timeout: Duration) -> Account {
        let end = Instant::now() + timeout;
        let share = if self.meter.is_some() { timeout / METRICS_SHARE } else { Duration::ZERO };
        if let Some(queue) = &self.shared.spans {
            queue.close(end - share);
        }
        if let Some(queue) = &self.shared.logs {
            queue.close(end - share);
        }
        for worker in std::mem::take(&mut self.workers) {
            let _ = worker.await;
        }
        let mut account = Account::default();
        if let Some(queue) = &self.shared.spans {
            queue.give_up(WORKER_GONE);
            queue.tally.settle(WORKER_GONE);
            account.traces = queue.tally.read();
        }
        if let Some(queue) = &self.shared.logs {
            queue.give_up(WORKER_GONE);
            queue.tally.settle(WORKER_GONE);
            account.logs = queue.tally.read();
        }
        if let Some(meter) = self.meter.take() {
            if let Some(instruments) = &self.shared.metrics {
                instruments.account(&account);
            }
            self.metrics_closed.send_replace(Some(end));
            // It blocks until the last export is through.
            let _ = tokio::task::spawn_blocking(move || meter.shutdown()).await;
            self.metrics_tally.settle(WORKER_GONE);
            account.metrics = self.metrics_tally.read();
        }
        account
    }
}

/// Why things are left uncounted where a worker panicked.
const WORKER_GONE: &str = "the exporter broke off";

fn workers(shared: &Shared, settings: &Settings, resource: &Resource) -> Vec<JoinHandle<()>> {
    let mut workers = Vec::new();
    if let (Some(queue), Some(target)) = (&shared.spans, &settings.traces) {
        let exporter = exporters::Spans::new(target, resource);
        workers.push(tokio::spawn(work(Arc::clone(queue), exporter)));
    }
    if let (Some(queue), Some(target)) = (&shared.logs, &settings.logs) {
        let exporter = exporters::Logs::new(target, resource);
        workers.push(tokio::spawn(work(Arc::clone(queue), exporter)));
    }
    workers
}

/// The resource: what the variables say, and who this is. Metrics carry nothing that changes
/// from run to run, or each run would make new series.
fn resource(settings: &Settings, source: &Source<'_>, is_for_metrics: bool) -> Resource {
    let given = &settings.resource;
    let service = given.iter().find(|kv| kv.key.as_str() == names::SERVICE_NAME);
    let service = service.map_or_else(|| names::SCOPE.to_owned(), |kv| kv.value.to_string());
    let instance =
        Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{}/{service}", source.host).as_bytes());
    let mut attributes = vec![
        KeyValue::new(names::SERVICE_VERSION, source.version.to_owned()),
        KeyValue::new(names::SERVICE_INSTANCE_ID, instance.to_string()),
        KeyValue::new(names::HOST_NAME, source.host.to_owned()),
    ];
    if !is_for_metrics {
        attributes.push(KeyValue::new(names::PROCESS_PID, i64::from(std::process::id())));
    }
    attributes.retain(|own| given.iter().all(|given| given.key != own.key));
    attributes.extend(given.iter().cloned());
    Resource::builder_empty().with_attributes(attributes).build()
}
