//! Exports metrics: cumulative, so that what one export loses the next one brings.

use super::client::Failure;
use super::exporters::Metrics;
use super::tally::Tally;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often an export is tried, and the pause after the first failure.
const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// The SDK's reader calls it on a thread of its own, which waits for telemetry's runtime.
#[derive(Debug)]
pub(super) struct MetricsExporter {
    pub exporter: Result<Metrics, String>,
    pub tally: Arc<Tally>,
    pub runtime: Handle,
    /// Until when the last export may take, once the program ends.
    pub closed: watch::Receiver<Option<Instant>>,
}

impl PushMetricExporter for MetricsExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let request = ExportMetricsServiceRequest::from(metrics);
        let points = points(&request);
        if points == 0 {
            return Ok(());
        }
        self.tally.made(points);
        match &self.exporter {
            Ok(exporter) => self.runtime.block_on(self.deliver(exporter, metrics, points)),
            Err(why) => self.tally.dropped(points, why),
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl MetricsExporter {
    async fn deliver(&self, exporter: &Metrics, metrics: &ResourceMetrics, points: u64) {
        let mut closed = self.closed.clone();
        let out_of_time = async {
            if let Ok(deadline) = closed.wait_for(Option::is_some).await.map(|at| *at) {
                tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)).await;
            }
        };
        let why = "no answer from the collector before the program had to end";
        tokio::select! {
            biased;
            () = attempts(exporter, metrics, points, &self.tally) => {}
            () = out_of_time => self.tally.dropped(points, why),
        }
    }
}

async fn attempts(exporter: &Metrics, metrics: &ResourceMetrics, points: u64, tally: &Tally) {
    for attempt in 1..=ATTEMPTS_MAX {
        match exporter.export(metrics).await {
            Ok(taken) => {
                let refused = taken.refused.min(points);
                tally.acknowledged(points - refused);
                tally.refused(refused, &format!("the collector refused part: {}", taken.why));
                return;
            }
            Err(Failure::Refused(why)) => return tally.refused(points, &why),
            Err(Failure::Away(why)) if attempt == ATTEMPTS_MAX => {
                return tally.dropped(points, &why);
            }
            Err(Failure::Away(_)) => tokio::time::sleep(PAUSE * attempt).await,
        }
    }
}

fn points(request: &ExportMetricsServiceRequest) -> u64 {
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
    let points = metrics.flat_map(|scope| &scope.metrics).map(|metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    });
    points.sum::<usize>() as u64
}
