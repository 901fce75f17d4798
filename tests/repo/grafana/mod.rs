//! Grafana's files against the rest of the repository: what they name, something else defines.
//! That they have the right form is checked by `grafana/check`; that the queries work, by the
//! tests that ask real servers. Each rule is a function over text, and finds a planted mistake.

mod fields;
mod labels;
mod links;
mod names;
mod queries;
mod relations;
mod runbook;
mod sources;
mod variables;

use serde_json::Value;

use crate::files::files;

/// A file as Grafana reads it; its path is relative to the repository.
pub struct Document {
    pub path: String,
    pub value: Value,
}

pub fn dashboards() -> Vec<Document> {
    let files = files(&["json"]).into_iter().filter(|file| file.is_under("grafana/dashboards"));
    let parse = |text: &str| serde_json::from_str(text).expect("JSON");
    files.map(|file| Document { value: parse(&file.text), path: file.path }).collect()
}

/// Of one kind: `alerting`, `dashboards` or `datasources`.
pub fn provisioning(kind: &str) -> Vec<Document> {
    let folder = format!("grafana/provisioning/{kind}");
    let files = files(&["yaml"]).into_iter().filter(|file| file.is_under(&folder));
    files.map(|file| Document { value: yaml(&file.text), path: file.path }).collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// Every string below a value, with where it stands (`panels.3.title`).
pub fn strings(value: &Value) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, place: String, found: &mut Vec<(String, &'a str)>) {
    let below = |key: &str| if place.is_empty() { key.into() } else { format!("{place}.{key}") };
    match value {
        Value::String(text) => found.push((place, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, below(&index.to_string()), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                collect(item, below(key), found);
            }
        }
        _ => {}
    }
}

/// The panels of a dashboard, those in folded rows too.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let top = items(dashboard, "panels");
    top.into_iter().flat_map(|panel| [vec![panel], items(panel, "panels")].concat()).collect()
}

pub fn rules(alerting: &[Document]) -> Vec<&Value> {
    let groups = alerting.iter().flat_map(|file| items(&file.value, "groups"));
    groups.flat_map(|group| items(group, "rules")).collect()
}

/// The items of an array below a key, or none.
pub fn items<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    value[key].as_array().map(|items| items.iter().collect()).unwrap_or_default()
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Words of letters, digits and underscores, with where they begin.
pub fn words(text: &str) -> Vec<(usize, &str)> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut found = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match start {
            None if is_part(character) => start = Some(at),
            Some(from) if !is_part(character) => {
                found.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn every_dashboard_of_the_design_is_there_and_alerts_are() {
    let uids: Vec<String> =
        dashboards().iter().map(|file| text(&file.value, "uid").to_owned()).collect();
    let designed = ["audit-trail", "hosts", "payment-failures", "pipeline", "run", "runs", "user"];
    for uid in designed {
        assert!(uids.iter().any(|known| known == uid), "no dashboard {uid} among {uids:?}");
    }
    let alerting = provisioning("alerting");
    assert!(rules(&alerting).len() >= 25, "{} rules", rules(&alerting).len());
    assert!(!provisioning("datasources").is_empty());
}

#[test]
fn words_are_cut_where_they_end() {
    assert_eq!(words("a.b_1 (c)"), [(0, "a"), (2, "b_1"), (7, "c")]);
}
