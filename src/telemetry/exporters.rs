//! OpenTelemetry's OTLP exporters, one for each signal, that tell what came of an export.

use super::answer::Listener;
use super::client::{Failure, Taken, configure};
use super::handle::{LogItem, SpanItem};
use super::settings::Target;
use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter as _;
use opentelemetry_sdk::trace::SpanExporter as _;
use std::future::Future;

/// Exports items of one kind.
pub(super) trait Export<T>: Send + Sync + 'static {
    /// Sends items once. They stay the caller's, for another attempt.
    fn export(&self, items: &[T]) -> impl Future<Output = Result<Taken, Failure>> + Send;
}

/// What could not be built, in one line.
fn unusable(error: &opentelemetry_otlp::ExporterBuildError) -> String {
    format!("the OTLP exporter can't be set up: {error}")
}

#[derive(Debug)]
pub(super) struct Spans {
    exporter: SpanExporter,
    listener: Listener,
}

impl Spans {
    /// To be called on the runtime that exports.
    ///
    /// # Errors
    /// A target that can't be used, in one line.
    pub fn new(target: &Target, resource: &Resource) -> Result<Self, String> {
        let (builder, place) = configure(SpanExporter::builder().with_tonic(), target)?;
        let mut exporter = builder.build().map_err(|error| unusable(&error))?;
        exporter.set_resource(resource);
        Ok(Self { exporter, listener: Listener::new(place, target.timeout) })
    }
}

impl Export<SpanItem> for Spans {
    async fn export(&self, items: &[SpanItem]) -> Result<Taken, Failure> {
        let spans = items.iter().map(SpanItem::span).collect();
        self.listener.hear(self.exporter.export(spans)).await
    }
}

#[derive(Debug)]
pub(super) struct Logs {
    exporter: LogExporter,
    listener: Listener,
}

impl Logs {
    /// To be called on the runtime that exports.
    ///
    /// # Errors
    /// A target that can't be used, in one line.
    pub fn new(target: &Target, resource: &Resource) -> Result<Self, String> {
        let (builder, place) = configure(LogExporter::builder().with_tonic(), target)?;
        let mut exporter = builder.build().map_err(|error| unusable(&error))?;
        exporter.set_resource(resource);
        Ok(Self { exporter, listener: Listener::new(place, target.timeout) })
    }
}

impl Export<LogItem> for Logs {
    async fn export(&self, items: &[LogItem]) -> Result<Taken, Failure> {
        let records: Vec<(&SdkLogRecord, &InstrumentationScope)> =
            items.iter().map(|item| (&item.0, &item.1)).collect();
        self.listener.hear(self.exporter.export(LogBatch::new(&records))).await
    }
}

#[derive(Debug)]
pub(super) struct Metrics {
    exporter: MetricExporter,
    listener: Listener,
}

impl Metrics {
    /// To be called on the runtime that exports.
    ///
    /// # Errors
    /// A target that can't be used, in one line.
    pub fn new(target: &Target) -> Result<Self, String> {
        let (builder, place) = configure(MetricExporter::builder().with_tonic(), target)?;
        let exporter = builder.build().map_err(|error| unusable(&error))?;
        Ok(Self { exporter, listener: Listener::new(place, target.timeout) })
    }

    pub async fn export(&self, metrics: &ResourceMetrics) -> Result<Taken, Failure> {
        self.listener.hear(self.exporter.export(metrics)).await
    }
}
