//! The metrics of a run, and the loads of the hosts that it ran on.

use super::collector::{Behaviour, Collector, attribute};
use super::ledger_that_refuses_one;
use super::trace::program;
use crate::harness::{Charge, Ledger, Listing};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use payment_monitor::telemetry::names::{self, METRICS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The points of a metric: their attributes and values.
#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn points(metric: &Metric) -> Vec<(Vec<KeyValue>, f64)> {
    let number = |value: &Option<Value>| match value {
        Some(Value::AsDouble(value)) => *value,
        Some(Value::AsInt(value)) => *value as f64,
        None => f64::NAN,
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => {
            gauge.data_points.iter().map(|p| (p.attributes.clone(), number(&p.value))).collect()
        }
        Data::Sum(sum) => {
            sum.data_points.iter().map(|p| (p.attributes.clone(), number(&p.value))).collect()
        }
        Data::Histogram(histogram) => {
            histogram.data_points.iter().map(|p| (p.attributes.clone(), p.count as f64)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The value of the point whose attributes have these values, in their order.
fn value(collector: &Collector, name: &str, with: &[(&str, &str)]) -> f64 {
    let metric = collector.metric(name).unwrap_or_else(|| panic!("no {name}"));
    let is_it = |attributes: &[KeyValue]| {
        with.iter().all(|(key, value)| attribute(attributes, key).as_deref() == Some(value))
    };
    let found = points(&metric).into_iter().find(|(attributes, _)| is_it(attributes));
    found.unwrap_or_else(|| panic!("{name} {with:?}: {metric:?}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_names_arrives_with_its_unit_and_attributes_and_no_others() {
    let (ledger, listing) = ledger_that_refuses_one().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let listing = listing.and(&Charge::new("ch_4", 4).failed("card_declined").0);
    let path = listing.write(program.folder.path());
    let run = program.run_statement(&path, &[]).await.json();
    for (name, unit, attributes) in METRICS {
        let metric = collector.metric(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(metric.unit, unit, "{name}");
        for (found, _) in points(&metric) {
            let mut found: Vec<&str> = found.iter().map(|a| a.key.as_str()).collect();
            let mut declared = attributes.to_vec();
            found.sort_unstable();
            declared.sort_unstable();
            assert_eq!(found, declared, "{name}");
        }
    }
    let action_outcome =
        |action, outcome| [(names::OPERATION_ACTION, action), (names::OPERATION_OUTCOME, outcome)];
    let counted = |name, action, outcome| value(&collector, name, &action_outcome(action, outcome));
    assert!((counted(names::LAST_OPERATIONS, "new", "applied") - 3.0).abs() < 0.1);
    assert!((counted(names::LAST_OPERATIONS, "new", "failed") - 1.0).abs() < 0.1);
    assert!(counted(names::OPERATIONS, "delete", "applied").abs() < 0.1, "an explicit zero");
    let expected = value(&collector, names::EXPECTED_WITHIN, &[]);
    assert!((expected - 4_500.0).abs() < 0.1, "an hour and a quarter");
    let failures =
        value(&collector, names::PAYMENT_FAILURES, &[(names::FAILURE_CODE, "card_declined")]);
    assert!((failures - 1.0).abs() < 0.1);
    assert!(value(&collector, names::TELEMETRY_LOST, &[(names::SIGNAL, "traces")]).abs() < 0.1);
    assert_eq!(run["telemetry"]["metrics"]["made"], run["telemetry"]["metrics"]["acknowledged"]);
    let told = collector.with(|received| format!("{:?}", received.metrics));
    assert!(!told.contains(run["run_id"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_instance_is_the_same_from_run_to_run_and_metrics_carry_no_process() {
    let ledger = Ledger::with_users(1).await;
    let mut instances = Vec::new();
    for _ in 0..2 {
        let collector = Collector::start(Behaviour::Healthy).await;
        let program = program(&ledger, &collector)
            .with("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
        let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
        program.run_statement(&path, &[]).await;
        let (spans, metrics) = collector.with(|received| {
            (received.resource.attributes.clone(), received.metrics_resource.attributes.clone())
        });
        assert!(attribute(&spans, "process.pid").is_some());
        assert_eq!(attribute(&metrics, "process.pid"), None);
        assert_eq!(attribute(&metrics, "service.name").as_deref(), Some("payment-monitor"));
        let environment = attribute(&metrics, "deployment.environment.name");
        assert_eq!(environment.as_deref(), Some("test"));
        instances.push(attribute(&metrics, "service.instance.id").unwrap());
    }
    assert_eq!(instances[0], instances[1]);
}

/// Answers every question as Prometheus would, with two points.
async fn prometheus() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
                    {"metric":{},"values":[[1,"0.25"],[2,"0.75"]]}]}}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    format!("http://user:s3cret@{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loads_of_both_hosts_are_in_the_record() {
    let mut ledger = Ledger::with_users(1).await;
    let program = crate::harness::Program::on(&ledger)
        .with("PAYMENT_MONITOR_PROMETHEUS_URL", &prometheus().await);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let own = "SELECT resource_use #>> '{host,memory_used_bytes,mean}' FROM payment_monitor_jobs";
    assert!(ledger.number(own).await > 0);
    let other = "SELECT details #> '{host,cpu_utilization_thousandths}' FROM run_events
        WHERE kind = 'database_host'";
    assert_eq!(ledger.text(other).await, r#"{"max": 750, "min": 250, "mean": 500}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_is_not_there_is_a_note_and_no_error() {
    let mut ledger = Ledger::with_users(1).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = crate::harness::Program::on(&ledger)
        .with("PAYMENT_MONITOR_PROMETHEUS_URL", &format!("http://user:s3cret@{free}"));
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let note = ledger.text("SELECT details FROM run_events WHERE kind = 'database_host'").await;
    assert!(note.contains("could not be asked") && !note.contains("s3cret"), "{note}");
}
