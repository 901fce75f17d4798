//! What the standard `OTEL_*` variables ask for, those that the Rust SDK leaves out included.
//! Pure: the variables are an argument. Sampling is not among them: a run is always recorded.

use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::PathBuf;
use std::time::Duration;

use super::names;

/// What a variable is set to.
pub trait Variables: Fn(&str) -> Option<String> {}
impl<T: Fn(&str) -> Option<String>> Variables for T {}

/// How telemetry is to be exported.
#[derive(Debug, Clone)]
pub struct Settings {
    pub traces: Option<Target>,
    pub metrics: Option<Target>,
    pub logs: Option<Target>,
    /// Attributes of the resource: the service's name is always among them.
    pub resource: Vec<KeyValue>,
    pub spans_queue: Queue,
    pub logs_queue: Queue,
    /// How often metrics are exported while a run is going on.
    pub metrics_every: Duration,
    /// The caller's trace (W3C `traceparent`), which a run's root span is linked to.
    pub traceparent: Option<String>,
    /// How many operations of a run are in one trace.
    pub operations_per_trace: u64,
    /// What could not be honoured, a line each.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    /// Nothing is exported.
    fn default() -> Self {
        Self {
            traces: None,
            metrics: None,
            logs: None,
            resource: Vec::new(),
            spans_queue: Queue::default(),
            logs_queue: Queue::default(),
            metrics_every: METRICS_EVERY,
            traceparent: None,
            operations_per_trace: super::parts::OPERATIONS_PER_TRACE,
            warnings: Vec::new(),
        }
    }
}

/// Where a signal is sent, and how.
#[derive(Debug, Clone)]
pub struct Target {
    pub endpoint: String,
    pub is_insecure: bool,
    pub headers: Vec<(String, SecretString)>,
    pub compression: Option<Compression>,
    /// For one export.
    pub timeout: Duration,
    pub certificate: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
}

/// How many items wait for the collector, and how they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    pub items_max: usize,
    pub batch_max: usize,
    /// How long an item waits for its batch to fill up.
    pub delay: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items_max: 8_192, batch_max: 2_048, delay: Duration::from_secs(1) }
    }
}

/// The signals, each with the variable that bounds one export of it, next to OTLP's own.
const SIGNALS: [(&str, &str); 3] = [
    ("TRACES", "OTEL_BSP_EXPORT_TIMEOUT"),
    ("METRICS", "OTEL_METRIC_EXPORT_TIMEOUT"),
    ("LOGS", "OTEL_BLRP_EXPORT_TIMEOUT"),
];
const TIMEOUT: Duration = Duration::from_secs(10);
const METRICS_EVERY: Duration = Duration::from_mins(1);

impl Settings {
    /// Reads the variables. Without an endpoint nothing is exported.
    pub fn read(variable: impl Variables) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_true = |name: &str| variable(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let mut warnings = Vec::new();
        let settings = Self {
            resource: resource(&variable),
            spans_queue: queue(&variable, "BSP", &mut warnings),
            logs_queue: queue(&variable, "BLRP", &mut warnings),
            metrics_every: millis(
                &variable,
                "OTEL_METRIC_EXPORT_INTERVAL",
                METRICS_EVERY,
                &mut warnings,
            ),
            traceparent: variable("TRACEPARENT"),
            ..Self::default()
        };
        if is_true("OTEL_SDK_DISABLED") {
            return settings;
        }
        let [traces, metrics, logs] =
            SIGNALS.map(|signal| target(&variable, signal, &mut warnings));
        warnings.sort();
        warnings.dedup();
        let settings = Self { traces, metrics, logs, ..settings };
        if settings.is_enabled() { Self { warnings, ..settings } } else { settings }
    }

    /// Reads the process's environment.
    pub fn from_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Whether anything is exported.
    pub fn is_enabled(&self) -> bool {
        self.traces.is_some() || self.metrics.is_some() || self.logs.is_some()
    }
}

fn target(
    variable: &impl Variables,
    (signal, export_timeout): (&str, &str),
    warnings: &mut Vec<String>,
) -> Option<Target> {
    let own = |name: &str| variable(&format!("OTEL_EXPORTER_OTLP_{signal}_{name}"));
    let either = |name: &str| own(name).or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")));
    let endpoint = either("ENDPOINT")?;
    let exporter = format!("OTEL_{signal}_EXPORTER");
    match variable(&exporter).as_deref() {
        None | Some("otlp") => {}
        Some("none") => return None,
        Some(other) => {
            warnings.push(format!("{exporter}={other} is not supported: otlp is used, or none"));
        }
    }
    if let Some(protocol) = either("PROTOCOL").filter(|protocol| protocol != "grpc") {
        warnings
            .push(format!("OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not supported: grpc is used"));
    }
    let compression = match either("COMPRESSION").as_deref() {
        None | Some("none") => None,
        Some("gzip") => Some(Compression::Gzip),
        Some("zstd") => Some(Compression::Zstd),
        Some(other) => {
            warnings.push(format!(
                "OTEL_EXPORTER_OTLP_COMPRESSION={other} is not supported (gzip, zstd or none): \
                 nothing is compressed"
            ));
            None
        }
    };
    Some(Target {
        endpoint: endpoint.trim().to_owned(),
        is_insecure: either("INSECURE").is_some_and(|v| v.eq_ignore_ascii_case("true")),
        headers: headers(either("HEADERS").map(SecretString::from).as_ref(), warnings),
        compression,
        timeout: timeout(variable, signal, export_timeout, warnings),
        certificate: either("CERTIFICATE").map(PathBuf::from),
        client_certificate: either("CLIENT_CERTIFICATE").map(PathBuf::from),
        client_key: either("CLIENT_KEY").map(PathBuf::from),
    })
}

/// `key=value,key=value`, values percent-encoded. What can't be read is not quoted.
fn headers(
    written: Option<&SecretString>,
    warnings: &mut Vec<String>,
) -> Vec<(String, SecretString)> {
    let Some(written) = written else { return Vec::new() };
    let mut headers = Vec::new();
    let pairs = written.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    for pair in pairs {
        match pair.split_once('=') {
            Some((key, value)) => {
                let value = percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
                headers.push((key.trim().to_ascii_lowercase(), SecretString::from(value)));
            }
            None => warnings.push(
                "OTEL_EXPORTER_OTLP_HEADERS holds an entry without `=`, which is left out"
                    .to_owned(),
            ),
        }
    }
    headers
}

/// The time for one export: the shorter of what OTLP's variable and the signal's own one say.
fn timeout(
    variable: &impl Variables,
    signal: &str,
    export_timeout: &str,
    warnings: &mut Vec<String>,
) -> Duration {
    let own = format!("OTEL_EXPORTER_OTLP_{signal}_TIMEOUT");
    let name = if variable(&own).is_some() { &own } else { "OTEL_EXPORTER_OTLP_TIMEOUT" };
    let otlp = millis(variable, name, TIMEOUT, warnings);
    millis(variable, export_timeout, otlp, warnings).min(otlp)
}

fn queue(variable: &impl Variables, kind: &str, warnings: &mut Vec<String>) -> Queue {
    let name = |what: &str| format!("OTEL_{kind}_{what}");
    let default = Queue::default();
    let mut count = |what: &str, default: usize| {
        let read = number(variable, &name(what), 1, default as u64, warnings);
        usize::try_from(read).unwrap_or(usize::MAX)
    };
    let items_max = count("MAX_QUEUE_SIZE", default.items_max);
    let batch_max = count("MAX_EXPORT_BATCH_SIZE", default.batch_max).min(items_max);
    let delay = number(variable, &name("SCHEDULE_DELAY"), 0, whole_millis(default.delay), warnings);
    Queue { items_max, batch_max, delay: Duration::from_millis(delay) }
}

fn millis(
    variable: &impl Variables,
    name: &str,
    default: Duration,
    warnings: &mut Vec<String>,
) -> Duration {
    Duration::from_millis(number(variable, name, 1, whole_millis(default), warnings))
}

/// A number that is at least `least`; where it can't be read, that is said, and the default taken.
fn number(
    variable: &impl Variables,
    name: &str,
    least: u64,
    default: u64,
    warnings: &mut Vec<String>,
) -> u64 {
    let Some(written) = variable(name) else { return default };
    let written = written.trim();
    written.parse().ok().filter(|number| *number >= least).unwrap_or_else(|| {
        warnings.push(format!(
            "{name}={written} is not a whole number from {least} on: {default} is used"
        ));
        default
    })
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn resource(variable: &impl Variables) -> Vec<KeyValue> {
    let written = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let pairs = written.split(',').filter_map(|pair| pair.split_once('='));
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    let mut attributes: Vec<KeyValue> =
        pairs.map(|(key, value)| KeyValue::new(decode(key), decode(value))).collect();
    if let Some(name) = variable("OTEL_SERVICE_NAME") {
        attributes.retain(|attribute| attribute.key.as_str() != names::SERVICE_NAME);
        attributes.push(KeyValue::new(names::SERVICE_NAME, name));
    }
    if !attributes.iter().any(|attribute| attribute.key.as_str() == names::SERVICE_NAME) {
        attributes.push(KeyValue::new(names::SERVICE_NAME, names::SCOPE));
    }
    attributes
}

#[cfg(test)]
mod tests;
