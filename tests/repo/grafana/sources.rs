//! Data sources and environment variables: those that are used are provisioned, or set by
//! grafana/grafana.env.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Document, dashboards, items, provisioning, strings, text};
use crate::files::{files, root};

/// Not provisioned, because every Grafana has them.
const OF_GRAFANA: [&str; 5] = ["__expr__", "-- Mixed --", "-- Dashboard --", "-- Grafana --", ""];
const KINDS: [&str; 3] = ["alerting", "dashboards", "datasources"];

#[test]
fn every_data_source_that_is_used_is_provisioned() {
    let sources = provisioning("datasources");
    let provisioned = provisioned(&sources);
    let documents = dashboards().into_iter().chain(provisioning("alerting"));
    crate::assert_none(documents.chain(provisioning("datasources")).flat_map(|document| {
        let unknown = used(&document.value)
            .into_iter()
            .filter(|uid| !provisioned.contains(uid.as_str()) && !OF_GRAFANA.contains(&&**uid));
        unknown.map(|uid| format!("{}: {uid}", document.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_environment_variable_is_set_by_grafana_env_and_none_in_vain() {
    let set = std::fs::read_to_string(root().join("grafana/grafana.env")).unwrap_or_default();
    let kinds = KINDS.iter().flat_map(|kind| provisioning(kind));
    let used = kinds.flat_map(|document| environment(&document)).collect();
    crate::assert_none(environment_faults(&set, &used));
}

#[test]
fn yaml_files_of_grafana_are_where_it_looks_for_them() {
    let files = files(&["yaml", "yml"]).into_iter();
    let elsewhere = files.filter(|file| {
        let read = |kind| {
            let folder = format!("grafana/provisioning/{kind}/");
            file.path.strip_prefix(&folder).is_some_and(|name| !name.contains('/'))
        };
        file.is_under("grafana/provisioning") && !KINDS.iter().any(read)
    });
    crate::assert_none(elsewhere.map(|file| file.path));
}

fn provisioned(sources: &[Document]) -> BTreeSet<&str> {
    let sources = sources.iter().flat_map(|file| items(&file.value, "datasources"));
    sources.map(|source| text(source, "uid")).collect()
}

/// Named by a reference, or in the address of an exploration, where quotes are encoded.
fn used(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (place, text) in strings(value) {
        let keys: Vec<&str> = place.rsplit('.').take(2).collect();
        let is_reference = matches!(
            keys[..],
            ["uid", "datasource"] | ["datasourceUid" | "targetUID", _] | ["targetUID"]
        );
        if is_reference {
            found.insert(text.to_owned());
        }
        for key in ["%22datasource%22%3A%22", "%22uid%22%3A%22"] {
            let values = text.split(key).skip(1).filter_map(|rest| rest.split("%22").next());
            found.extend(values.map(str::to_owned));
        }
    }
    found
}

/// `$NAME` and `${NAME}` where Grafana replaces them: not in a rule's model, nor in a template.
fn environment(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for (place, text) in strings(&document.value) {
        if place.contains(".model.") || place.starts_with("templates.") {
            continue;
        }
        for part in text.replace("$$", " ").split('$').skip(1) {
            let part = part.strip_prefix('{').unwrap_or(part);
            let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let end = part.find(|character| !is_part(character)).unwrap_or(part.len());
            if end > 0 && !part.starts_with('_') {
                found.push(part[..end].to_owned());
            }
        }
    }
    found
}

/// Settings of Grafana itself begin with `GF_`.
fn environment_faults(set: &str, used: &BTreeSet<String>) -> Vec<String> {
    let lines = set.lines().filter(|line| !line.starts_with('#'));
    let set: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).collect();
    let is_set = |name: &&String| set.iter().any(|(key, value)| key == name && !value.is_empty());
    let missing = used.iter().filter(|name| !is_set(name)).map(|name| format!("{name} is not set"));
    let vain = set.iter().filter(|(key, _)| !key.starts_with("GF_") && !used.contains(*key));
    missing.chain(vain.map(|(key, _)| format!("{key} is set in vain"))).collect()
}

#[test]
fn an_unknown_data_source_is_found_in_references_and_addresses() {
    let value = serde_json::json!({
        "targets": [{"datasource": {"type": "loki", "uid": "one"}}],
        "data": [{"datasourceUid": "two"}],
        "url": "/explore?panes=%7B%22t%22%3A%7B%22datasource%22%3A%22three%22%2C%22a%22%3A1",
        "uid": "of-the-dashboard",
    });
    let expected = ["one", "three", "two"].map(str::to_owned);
    assert_eq!(used(&value), BTreeSet::from(expected));
}

#[test]
fn a_variable_that_is_not_set_one_set_in_vain_and_an_empty_one_are_found() {
    let value = serde_json::json!({
        "url": "http://$HOST:${PORT}/", "text": "$$PAID ${__value.raw}",
        "data": [{"model": {"rawSql": "SELECT $NOT"}}],
    });
    let used: BTreeSet<String> =
        environment(&Document { path: "x".into(), value }).into_iter().collect();
    assert_eq!(used, BTreeSet::from(["HOST".to_owned(), "PORT".to_owned()]));
    let faults = environment_faults("# COMMENT=1\nPORT=\nLEFT=1\nGF_X=1\n", &used);
    assert_eq!(faults, ["HOST is not set", "PORT is not set", "LEFT is set in vain"]);
}
