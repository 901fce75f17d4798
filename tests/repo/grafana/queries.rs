//! The queries in Grafana's files, each with its language: that of the data source which the
//! nearest object around it names.

use serde_json::Value;

use super::{Document, dashboards, provisioning};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Language {
    Sql,
    PromQl,
    LogQl,
    TraceQl,
}

pub struct Query {
    pub place: String,
    pub language: Language,
    pub text: String,
}

/// All queries of the repository.
pub fn all() -> Vec<Query> {
    let raw = dashboards().into_iter().chain(provisioning("alerting"));
    let mut found: Vec<Query> = raw.flat_map(|document| in_document(&document)).collect();
    // There, a dollar is written twice.
    let sources = provisioning("datasources");
    found.extend(
        sources
            .iter()
            .flat_map(in_document)
            .map(|query| Query { text: query.text.replace("$$", "$"), ..query }),
    );
    found
}

pub fn in_document(document: &Document) -> Vec<Query> {
    let mut found = Vec::new();
    collect(&document.value, None, &document.path, &mut found);
    found
}

fn collect(value: &Value, around: Option<Language>, place: &str, found: &mut Vec<Query>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, around, &format!("{place}.{index}"), found);
            }
        }
        Value::Object(entries) => {
            let here = language(value).or(around);
            for (key, item) in entries {
                let place = format!("{place}.{key}");
                match (key.as_str(), item.as_str(), here) {
                    ("rawSql" | "expr" | "query", Some(text), Some(language)) => {
                        found.push(Query { place, language, text: text.to_owned() });
                    }
                    _ => collect(item, here, &place, found),
                }
            }
        }
        _ => {}
    }
}

/// By the data source that an object names; `targetUID` is a correlation's.
fn language(object: &Value) -> Option<Language> {
    let named = [&object["targetUID"], &object["datasourceUid"], &object["datasource"]["uid"]];
    match named.into_iter().find_map(Value::as_str)? {
        "payment-monitor-postgresql" => Some(Language::Sql),
        "payment-monitor-prometheus" => Some(Language::PromQl),
        "payment-monitor-loki" => Some(Language::LogQl),
        "payment-monitor-tempo" => Some(Language::TraceQl),
        _ => None,
    }
}

#[test]
fn queries_are_found_wherever_grafana_keeps_them() {
    let value = serde_json::json!({
        "panels": [{"targets": [
            {"datasource": {"uid": "payment-monitor-postgresql"}, "rawSql": "SELECT 1"},
        ]}],
        "annotations": {"list": [
            {"datasource": {"uid": "payment-monitor-prometheus"}, "target": {"expr": "up"}},
        ]},
        "rules": [{"datasourceUid": "payment-monitor-loki", "model": {"expr": "{a=\"b\"}"}}],
        "correlations": [
            {"targetUID": "payment-monitor-tempo", "config": {"target": {"query": "{ }"}}},
        ],
        "text": {"query": "a text field"},
    });
    let found = in_document(&Document { path: "x".into(), value });
    let mut found: Vec<(Language, &str)> =
        found.iter().map(|query| (query.language, query.text.as_str())).collect();
    found.sort_by_key(|(_, text)| text.len());
    let expected = [
        (Language::PromQl, "up"),
        (Language::TraceQl, "{ }"),
        (Language::LogQl, "{a=\"b\"}"),
        (Language::Sql, "SELECT 1"),
    ];
    assert_eq!(found, expected);
}
