//! What alerts say: labels and values in their annotations come out of their queries, and
//! templates use labels and annotations that some alert has.

use std::collections::BTreeSet;

use payment_monitor::telemetry::names::METRICS;
use serde_json::Value;

use super::{items, provisioning, rules, strings, text, words};
use crate::text::mentions;

/// On every alert, or on every series that is not aggregated.
const EVERYWHERE: [&str; 8] = [
    "alertname",
    "grafana_folder",
    "severity",
    "area",
    "instance",
    "job",
    "host_name",
    "payment_monitor_host_role",
];

#[test]
fn labels_and_values_in_annotations_come_out_of_the_rules_queries() {
    let alerting = provisioning("alerting");
    crate::assert_none(rules(&alerting).into_iter().flat_map(|rule| {
        let faults = faults(rule).into_iter();
        faults.map(|fault| format!("{}: {fault}", text(rule, "uid"))).collect::<Vec<_>>()
    }));
}

#[test]
fn templates_use_labels_and_annotations_that_alerts_have() {
    let alerting = provisioning("alerting");
    let rules = rules(&alerting);
    let said: String = rules
        .iter()
        .flat_map(|rule| strings(&rule["data"]))
        .fold(String::new(), |all, (_, text)| all + text + "\n");
    let templates = alerting.iter().flat_map(|file| items(&file.value, "templates"));
    crate::assert_none(templates.flat_map(|template| {
        let template = text(template, "template");
        let has_label = |label: &str| EVERYWHERE.contains(&label) || mentions(&said, label);
        let labels = after(template, "Labels.").into_iter().filter(move |label| !has_label(label));
        let annotations = after(template, "Annotations.");
        let has_annotation =
            |name: &str| rules.iter().any(|rule| rule["annotations"].get(name).is_some());
        let annotations = annotations.into_iter().filter(move |name| !has_annotation(name));
        labels.chain(annotations).map(str::to_owned).collect::<Vec<_>>()
    }));
}

/// Where a query fails there are no values, and a template that compares one fails as well:
/// Grafana then sends it as it is written.
#[test]
fn rules_that_fire_on_errors_speak_without_values_too() {
    let alerting = provisioning("alerting");
    crate::assert_none(rules(&alerting).into_iter().flat_map(|rule| {
        let fires = ["execErrState", "noDataState"].iter().any(|key| rule[*key] == "Alerting");
        let unguarded = strings(&rule["annotations"]).into_iter().filter(move |(_, said)| {
            let first = said.find("$values.");
            let is_asked = |at: usize| {
                let ends =
                    said[at..].split_once(' ').is_some_and(|(_, after)| after.starts_with("}}"));
                said[..at].ends_with("{{ if and ") || (ends && said[..at].ends_with("{{ if "))
            };
            let guarded = first.is_none_or(is_asked);
            fires && !guarded
        });
        unguarded.map(|(place, _)| format!("{}: {place}", text(rule, "uid"))).collect::<Vec<_>>()
    }));
}

fn faults(rule: &Value) -> Vec<String> {
    let queries: Vec<&str> = items(rule, "data")
        .into_iter()
        .filter_map(|query| query["model"]["rawSql"].as_str().or(query["model"]["expr"].as_str()))
        .collect();
    let names: BTreeSet<&str> =
        items(rule, "data").into_iter().map(|query| text(query, "refId")).collect();
    let mut faults = Vec::new();
    for (place, said) in strings(&rule["annotations"]) {
        let labels = after(said, "$labels.").into_iter();
        let unknown = labels.filter(|label| !is_label(label, &queries));
        faults.extend(unknown.map(|label| format!("{place}: no label {label}")));
        let values = after(said, "$values.").into_iter();
        let unknown = values.filter(|name| !names.contains(name));
        faults.extend(unknown.map(|name| format!("{place}: no query {name}")));
    }
    faults
}

/// Not a parser: a label is a word of the query, or an attribute of a metric in it.
fn is_label(label: &str, queries: &[&str]) -> bool {
    let carried = |query: &&str| {
        METRICS.iter().any(|(name, _, attributes)| {
            let carries = attributes.iter().any(|attribute| attribute.replace('.', "_") == label);
            carries && query.contains(&name.replace('.', "_"))
        })
    };
    EVERYWHERE.contains(&label)
        || queries.iter().any(|query| mentions(query, label) || carried(query))
}

/// The words right behind a prefix.
fn after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let names = words(text).into_iter().filter(|(at, _)| text[..*at].ends_with(prefix));
    names.map(|(_, name)| name).collect()
}

#[test]
fn a_label_and_a_value_that_no_query_gives_are_found() {
    let rule = serde_json::json!({
        "data": [
            {"refId": "A", "model": {"rawSql": "SELECT 1 AS found, run_id::text AS run_id"}},
            {"refId": "V", "model": {"expr": "payment_monitor_runs_total"}},
        ],
        "annotations": {
            "summary": "{{ $labels.run_id }} {{ $labels.payment_monitor_run_status }}",
            "description": "{{ $labels.run }} {{ $values.A.Value }} {{ $values.C.Value }}",
        },
    });
    assert_eq!(faults(&rule), ["description: no label run", "description: no query C"]);
}
