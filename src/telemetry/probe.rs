//! Whether a collector takes what it is sent: an export of nothing, over the way that a run's
//! telemetry goes, so that addresses, certificates and headers are tried with it.

use super::client::{self, Failure, Taken};
use super::exporters::{Export as _, Logs, Metrics, Spans};
use super::settings::{Settings, Target};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::ResourceMetrics;

/// What came of an empty export of one signal.
#[derive(Debug)]
pub struct Probe {
    /// `traces`, `metrics` or `logs`.
    pub signal: &'static str,
    /// The collector's host and port, or why there is none.
    pub outcome: Result<String, String>,
}

/// Sends an export of nothing for each signal that has an endpoint, once, within the time that
/// the settings give an export.
pub async fn probe(settings: &Settings) -> Vec<Probe> {
    let (traces, metrics, logs) = tokio::join!(
        asked(settings.traces.as_ref(), traces),
        asked(settings.metrics.as_ref(), metrics),
        asked(settings.logs.as_ref(), logs),
    );
    let outcomes = [("traces", traces), ("metrics", metrics), ("logs", logs)];
    let asked = |(signal, outcome): (_, Option<_>)| Some(Probe { signal, outcome: outcome? });
    outcomes.into_iter().filter_map(asked).collect()
}

async fn asked<'a, F>(
    target: Option<&'a Target>,
    export: impl FnOnce(&'a Target) -> F,
) -> Option<Result<String, String>>
where
    F: Future<Output = Result<Result<Taken, Failure>, String>>,
{
    let target = target?;
    let outcome = match export(target).await {
        Ok(Ok(_)) => client::place(target),
        Ok(Err(Failure::Away(why) | Failure::Refused(why))) | Err(why) => Err(why),
    };
    Some(outcome)
}

async fn traces(target: &Target) -> Result<Result<Taken, Failure>, String> {
    Ok(Spans::new(target, &Resource::builder_empty().build())?.export(&[]).await)
}

async fn metrics(target: &Target) -> Result<Result<Taken, Failure>, String> {
    Ok(Metrics::new(target)?.export(&ResourceMetrics::default()).await)
}

async fn logs(target: &Target) -> Result<Result<Taken, Failure>, String> {
    Ok(Logs::new(target, &Resource::builder_empty().build())?.export(&[]).await)
}
