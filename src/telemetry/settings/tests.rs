//! What the variables mean, and what is said where one can't be honoured.

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
    let named = [("OTEL_SERVICE_NAME", "a"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,x=y")];
    let told: Vec<String> =
        read(&named).resource.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
    assert_eq!(told, ["x=y", "service.name=a"]);
    assert_eq!(read(&[]).resource[0].value.to_string(), "payment-monitor");
}

#[test]
fn an_export_has_the_shorter_of_its_two_deadlines() {
    let settings = read(&[
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "900"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "2000"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "4000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "1000"),
    ]);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let millis = |target: Option<Target>| target.unwrap().timeout.as_millis();
    assert_eq!(millis(settings.traces), 2_000);
    assert_eq!(millis(settings.logs), 3_000);
    assert_eq!(millis(settings.metrics), 900);
    let alone = read(&[ENDPOINT, ("OTEL_BLRP_EXPORT_TIMEOUT", "20000")]);
    assert_eq!((millis(alone.logs), millis(alone.traces)), (10_000, 10_000));
    let longer = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TIMEOUT", "30000")]);
    assert_eq!(millis(longer.traces), 30_000);
}

#[test]
fn a_number_that_cant_be_used_is_one_line_with_its_variable_and_value() {
    for (name, value, default) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "10000"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0", "10000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-1", "10000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "8192"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "2048"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1.5", "1000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "60000"),
    ] {
        let settings = read(&[ENDPOINT, (name, value)]);
        let [warning] = &settings.warnings[..] else { panic!("{name}: {:?}", settings.warnings) };
        assert!(warning.starts_with(&format!("{name}={value} ")), "{warning}");
        assert!(warning.ends_with(&format!("{default} is used")), "{warning}");
        assert_eq!(settings.traces.unwrap().timeout, TIMEOUT);
        let defaults = (settings.spans_queue, settings.logs_queue, settings.metrics_every);
        assert_eq!(defaults, (Queue::default(), Queue::default(), METRICS_EVERY));
        assert!(read(&[(name, value)]).warnings.is_empty(), "nothing is exported");
    }
}

#[test]
fn the_queues_are_as_large_as_the_variables_say() {
    let settings = read(&[
        ENDPOINT,
        ("OTEL_BSP_MAX_QUEUE_SIZE", " 100 "),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
    ]);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let spans = Queue { items_max: 100, batch_max: 100, delay: Duration::ZERO };
    assert_eq!(settings.spans_queue, spans);
    assert_eq!(settings.logs_queue, Queue { batch_max: 7, ..Queue::default() });
    assert_eq!(settings.metrics_every, Duration::from_secs(5));
}
