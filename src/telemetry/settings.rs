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
    pub metrics_every: Option<Duration>,
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
            metrics_every: None,
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

const SIGNALS: [&str; 3] = ["TRACES", "METRICS", "LOGS"];
const TIMEOUT: Duration = Duration::from_secs(10);

impl Settings {
    /// Reads the variables. Without an endpoint nothing is exported.
    pub fn read(variable: impl Variables) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_true = |name: &str| variable(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let settings = Self {
            resource: resource(&variable),
            spans_queue: queue(&variable, "BSP"),
            logs_queue: queue(&variable, "BLRP"),
            metrics_every: millis(&variable, "OTEL_METRIC_EXPORT_INTERVAL"),
            traceparent: variable("TRACEPARENT"),
            ..Self::default()
        };
        if is_true("OTEL_SDK_DISABLED") {
            return settings;
        }
        let mut warnings = Vec::new();
        let [traces, metrics, logs] =
            SIGNALS.map(|signal| target(&variable, signal, &mut warnings));
        warnings.sort();
        warnings.dedup();
        Self { traces, metrics, logs, warnings, ..settings }
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

fn target(variable: &impl Variables, signal: &str, warnings: &mut Vec<String>) -> Option<Target> {
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
    let timeout = either("TIMEOUT").and_then(|ms| ms.trim().parse().ok());
    Some(Target {
        endpoint: endpoint.trim().to_owned(),
        is_insecure: either("INSECURE").is_some_and(|v| v.eq_ignore_ascii_case("true")),
        headers: headers(either("HEADERS").map(SecretString::from).as_ref(), warnings),
        compression,
        timeout: timeout.map_or(TIMEOUT, Duration::from_millis),
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

fn queue(variable: &impl Variables, kind: &str) -> Queue {
    let number = |name: &str| {
        variable(&format!("OTEL_{kind}_{name}")).and_then(|n| n.trim().parse::<usize>().ok())
    };
    let default = Queue::default();
    let items_max = number("MAX_QUEUE_SIZE").unwrap_or(default.items_max).max(1);
    let batch_max = number("MAX_EXPORT_BATCH_SIZE").unwrap_or(default.batch_max);
    let delay = millis(variable, &format!("OTEL_{kind}_SCHEDULE_DELAY"));
    Queue {
        items_max,
        batch_max: batch_max.clamp(1, items_max),
        delay: delay.unwrap_or(default.delay),
    }
}

fn millis(variable: &impl Variables, name: &str) -> Option<Duration> {
    variable(name).and_then(|ms| ms.trim().parse().ok()).map(Duration::from_millis)
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
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    #[test]
    fn without_an_endpoint_nothing_is_exported_and_nothing_is_said() {
        let settings = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
        assert!(!settings.is_enabled() && settings.warnings.is_empty());
        assert!(!read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).is_enabled());
    }

    #[test]
    fn a_signals_own_variable_goes_before_the_general_one() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://logs:4317"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/key.pem"),
        ]);
        let (traces, logs) = (settings.traces.unwrap(), settings.logs.unwrap());
        assert!(settings.metrics.is_none());
        assert_eq!(traces.endpoint, "http://collector:4317");
        assert_eq!(logs.endpoint, "https://logs:4317");
        assert_eq!((traces.compression, logs.compression), (Some(Compression::Zstd), None));
        assert_eq!(traces.timeout, Duration::from_secs(3));
        assert_eq!(traces.certificate, Some(PathBuf::from("/ca.pem")));
        assert_eq!((traces.client_key, logs.client_key), (None, Some("/key.pem".into())));
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let settings =
            read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20s3cret,x")]);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let (key, value) = &settings.traces.unwrap().headers[0];
        assert_eq!((key.as_str(), value.expose_secret()), ("authorization", "Bearer s3cret"));
        assert_eq!(settings.warnings.len(), 1);
    }

    #[test]
    fn another_protocol_is_one_warning() {
        let settings = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
        assert_eq!(settings.warnings.len(), 1);
        assert!(settings.is_enabled());
    }

    #[test]
    fn the_services_name_goes_before_the_attributes_one() {
        let named =
            [("OTEL_SERVICE_NAME", "a"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,x=y")];
        let told: Vec<String> =
            read(&named).resource.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        assert_eq!(told, ["x=y", "service.name=a"]);
        assert_eq!(read(&[]).resource[0].value.to_string(), "payment-monitor");
    }
}
