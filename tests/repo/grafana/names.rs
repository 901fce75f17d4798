//! The names of telemetry in Grafana's files, against src/telemetry/names.rs as Prometheus and
//! Loki translate it: dots become underscores, and a metric's unit a suffix. PostgreSQL's metrics
//! are those of otel/agent-db.yaml. What hosts and servers call theirs is seen on the real stack.

use std::collections::BTreeSet;

use payment_monitor::telemetry::names::{
    METRICS, OPERATION_DURATION, OPERATIONS, RECONNECTS, RETRIES, RUNS,
};
use serde_json::Value;

use super::queries::{self, Language};
use super::{Document, dashboards, provisioning, strings, text, words, yaml};
use crate::files::{files, root};

const COUNTERS: [&str; 4] = [RUNS, OPERATIONS, RETRIES, RECONNECTS];
const HISTOGRAMS: [&str; 1] = [OPERATION_DURATION];
/// On every series: what Prometheus promotes of a resource (otel/prometheus.yaml), and its own.
const ON_EVERY_SERIES: [&str; 6] =
    ["host_name", "payment_monitor_host_role", "job", "instance", "le", "__name__"];

#[test]
fn every_name_of_ours_in_grafana_is_one_of_telemetry_or_of_the_database() {
    let known = Known::of_the_repository();
    let documents = dashboards().into_iter().chain(provisioning("alerting"));
    crate::assert_none(documents.chain(provisioning("datasources")).flat_map(|document| {
        let faults = known.faults(&document).into_iter();
        faults.map(move |fault| format!("{}: {fault}", document.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn metrics_are_asked_by_labels_that_they_have() {
    let promql = queries::all().into_iter().filter(|query| query.language == Language::PromQl);
    crate::assert_none(promql.flat_map(|query| {
        let faults = label_faults(&query.text).into_iter();
        faults.map(move |fault| format!("{}: {fault}", query.place)).collect::<Vec<_>>()
    }));
}

struct Known {
    underscored: BTreeSet<String>,
    dotted: BTreeSet<String>,
}

impl Known {
    fn of_the_repository() -> Self {
        let names = std::fs::read_to_string(root().join("src/telemetry/names.rs")).expect("names");
        let agent = std::fs::read_to_string(root().join("otel/agent-db.yaml")).expect("agent");
        let sql = files(&["sql"]).into_iter().filter(|file| file.is_under("migrations"));
        let sql = sql.map(|file| file.text).collect::<Vec<_>>().join("\n");
        let mut known = Self::of(&names, &agent);
        let of_database = words(&sql).into_iter().map(|(_, word)| word.to_owned());
        known.underscored.extend(of_database.filter(|word| is_ours(word)));
        known
    }

    /// `names` is source code whose constants are the names; `agent` a collector's configuration.
    fn of(names: &str, agent: &str) -> Self {
        let quoted = names.lines().filter_map(|line| line.split('"').nth(1));
        let mut dotted: BTreeSet<String> = quoted.map(str::to_owned).collect();
        dotted.insert("payment_monitor.host.role".to_owned());
        let mut underscored: BTreeSet<String> =
            dotted.iter().map(|name| name.replace('.', "_")).collect();
        for (name, unit, _) in METRICS {
            underscored.remove(&name.replace('.', "_"));
            underscored.extend(translated(name, unit, kind(name)));
        }
        for metric in agent_metrics(&yaml(agent)) {
            underscored.extend(metric);
        }
        Self { underscored, dotted }
    }

    fn faults(&self, document: &Document) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, text) in strings(&document.value) {
            let unknown = words(text).into_iter().map(|(_, word)| word).filter(|word| {
                (is_ours(word) || word.starts_with("postgresql_"))
                    && !self.underscored.contains(*word)
            });
            // A template's name stands in quotes, with a dot behind its first part.
            let unknown = unknown.filter(|word| *word != "payment_monitor");
            faults.extend(unknown.map(|word| format!("{place}: {word}")));
            let dotted = dotted_names(text).into_iter();
            let unknown = dotted.filter(|name| !self.dotted.contains(*name));
            let is_template = place.starts_with("templates") || place.starts_with("contactPoints");
            faults.extend(unknown.filter(|_| !is_template).map(|name| format!("{place}: {name}")));
        }
        faults
    }
}

fn is_ours(word: &str) -> bool {
    word.starts_with("payment_monitor_") || word.starts_with("db_client_")
}

/// `payment_monitor.run.id`, as traces have it.
fn dotted_names(text: &str) -> Vec<&str> {
    let starts = text.match_indices("payment_monitor.").map(|(at, _)| at);
    let is_part = |character: char| character.is_ascii_lowercase() || "._".contains(character);
    let name = |at: usize| {
        let rest = &text[at..];
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    };
    starts.map(name).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

fn kind(name: &str) -> Kind {
    match name {
        name if COUNTERS.contains(&name) => Kind::Counter,
        name if HISTOGRAMS.contains(&name) => Kind::Histogram,
        _ => Kind::Gauge,
    }
}

fn translated(name: &str, unit: &str, kind: Kind) -> Vec<String> {
    let unit = match unit {
        "s" => "_seconds",
        "ms" => "_milliseconds",
        "By" => "_bytes",
        "1" if kind == Kind::Gauge => "_ratio",
        _ => "",
    };
    let base = format!("{}{unit}", name.replace('.', "_"));
    match kind {
        Kind::Gauge => vec![base],
        Kind::Counter => vec![format!("{base}_total")],
        Kind::Histogram => ["bucket", "sum", "count"].map(|part| format!("{base}_{part}")).into(),
    }
}

/// The metrics that a collector makes of SQL, and their attributes.
fn agent_metrics(agent: &Value) -> Vec<Vec<String>> {
    let queries = super::items(&agent["receivers"]["sqlquery"], "queries");
    let metrics = queries.into_iter().flat_map(|query| super::items(query, "metrics"));
    let names = metrics.map(|metric| {
        let kind = if metric["monotonic"] == true { Kind::Counter } else { Kind::Gauge };
        let mut names = translated(text(metric, "metric_name"), text(metric, "unit"), kind);
        let attributes = super::items(metric, "attribute_columns");
        names.extend(attributes.iter().filter_map(|name| Some(name.as_str()?.replace('.', "_"))));
        names
    });
    names.collect()
}

/// In `metric{label="...", ...}` of a metric of ours: labels that none of its points carries.
fn label_faults(promql: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, word) in words(promql) {
        let Some(inside) = promql[at + word.len()..].strip_prefix('{') else { continue };
        let attributes = METRICS.iter().find_map(|(name, unit, attributes)| {
            translated(name, unit, kind(name)).iter().any(|name| name == word).then_some(attributes)
        });
        let (Some(attributes), Some((inside, _))) = (attributes, inside.split_once('}')) else {
            continue;
        };
        // Every second part is a value in quotes.
        for part in inside.split('"').step_by(2) {
            let label = part.trim_start_matches(',').trim();
            let label = label.trim_end_matches(['=', '!', '~', ' ']);
            let is_known = ON_EVERY_SERIES.contains(&label)
                || attributes.iter().any(|attribute| attribute.replace('.', "_") == label);
            if !label.is_empty() && !is_known {
                faults.push(format!("{word} has no label {label}"));
            }
        }
    }
    faults
}

#[test]
fn names_are_translated_as_prometheus_does() {
    let known = Known::of(
        "pub const A: &str = \"payment_monitor.run.id\";",
        "receivers:\n  sqlquery:\n    queries:\n      - metrics:\n          - metric_name: \
         postgresql.temp.io\n            unit: By\n            monotonic: true\n",
    );
    for name in [
        "payment_monitor_run_id",
        "payment_monitor_run_last_duration_seconds",
        "payment_monitor_run_last_status_ratio",
        "payment_monitor_runs_total",
        "db_client_operation_duration_seconds_bucket",
        "postgresql_temp_io_bytes_total",
    ] {
        assert!(known.underscored.contains(name), "{name}");
    }
    assert!(!known.underscored.contains("payment_monitor_runs"));
}

#[test]
fn a_name_that_nothing_makes_is_found() {
    let known = Known::of("pub const A: &str = \"payment_monitor.run.id\";", "{}");
    let faults = |text: &str| {
        let value = serde_json::json!({ "expr": text });
        known.faults(&Document { path: "x".into(), value })
    };
    assert_eq!(faults("payment_monitor_runs_total{payment_monitor_run_id=\"1\"}").len(), 0);
    assert_eq!(
        faults("payment_monitor_run_last_duration"),
        ["expr: payment_monitor_run_last_duration"]
    );
    assert_eq!(faults("postgresql_backend"), ["expr: postgresql_backend"]);
    assert_eq!(faults("{ span.payment_monitor.run.id = 1 }").len(), 0);
    assert_eq!(faults("{ span.payment_monitor.run.ID = 1 }"), ["expr: payment_monitor.run"]);
}

#[test]
fn a_label_that_a_metric_does_not_have_is_found() {
    let fine = "sum(payment_monitor_runs_total{payment_monitor_run_status=~\"a, b\",job=\"x\"})";
    assert_eq!(label_faults(fine), Vec::<String>::new());
    let faults = label_faults("payment_monitor_runs_total{status=\"failed\"}");
    assert_eq!(faults, ["payment_monitor_runs_total has no label status"]);
}
