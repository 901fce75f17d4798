//! Variables in dashboards: each that is used is defined there or is Grafana's own.

use std::collections::BTreeSet;

use super::{Document, dashboards, items, strings, text, words};

/// Macros of SQL data sources, intervals, what links may say of the value that was clicked on.
const OF_GRAFANA: [&str; 30] = [
    "__all",
    "__all_variables",
    "__dashboard",
    "__data",
    "__field",
    "__from",
    "__interval",
    "__interval_ms",
    "__name",
    "__org",
    "__range",
    "__range_ms",
    "__range_s",
    "__rate_interval",
    "__series",
    "__span",
    "__tags",
    "__timeFilter",
    "__timeFrom",
    "__timeGroup",
    "__timeGroupAlias",
    "__timeTo",
    "__timezone",
    "__to",
    "__trace",
    "__unixEpochFilter",
    "__unixEpochGroup",
    "__url_time_range",
    "__user",
    "__value",
];

#[test]
fn every_variable_is_defined_by_its_dashboard_or_by_grafana() {
    crate::assert_none(dashboards().iter().flat_map(|dashboard| {
        let faults = faults(dashboard).into_iter();
        faults.map(|fault| format!("{}: {fault}", dashboard.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_variable_that_is_defined_is_used() {
    crate::assert_none(dashboards().iter().flat_map(|dashboard| {
        let strings = strings(&dashboard.value);
        let used: BTreeSet<&str> = strings.iter().flat_map(|(_, text)| used(text)).collect();
        let unused = defined(dashboard).into_iter().filter(|name| !used.contains(name));
        unused.map(|name| format!("{}: {name}", dashboard.path)).collect::<Vec<_>>()
    }));
}

pub fn defined(dashboard: &Document) -> BTreeSet<&str> {
    let variables = items(&dashboard.value["templating"], "list");
    variables.into_iter().map(|variable| text(variable, "name")).collect()
}

fn faults(dashboard: &Document) -> Vec<String> {
    let defined = defined(dashboard);
    let mut faults = Vec::new();
    for (place, text) in strings(&dashboard.value) {
        let unknown = used(text)
            .into_iter()
            .filter(|name| !defined.contains(name) && !OF_GRAFANA.contains(name));
        faults.extend(unknown.map(|name| format!("{place}: ${name}")));
    }
    faults
}

/// `$name`, `${name}`, `${name:format}` and `${name.field}`; a digit behind the dollar is a group
/// of a regular expression.
fn used(text: &str) -> Vec<&str> {
    let names = words(text).into_iter().filter(|(at, name)| {
        let before = &text[..*at];
        let opens = before.ends_with('$') || before.ends_with("${");
        opens && !name.starts_with(|first: char| first.is_ascii_digit())
    });
    names.map(|(_, name)| name).collect()
}

#[test]
fn a_variable_that_nobody_defines_is_found() {
    let value = serde_json::json!({
        "title": "Run $run of ${usr:raw}, ${__data.fields.x} and $__timeFilter(a)",
        "regex": "^[0-9]{1,18}$",
        "templating": {"list": [{"name": "run"}]},
    });
    let faults = faults(&Document { path: "x".into(), value });
    assert_eq!(faults, ["title: $usr"]);
}
