//! The dashboards of `grafana/dashboards`, read as lists of the queries that Grafana would send.

use crate::servers::repository;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Prometheus,
    Loki,
    Tempo,
    Postgresql,
}

impl Source {
    /// By the data source's uid; none for what Grafana answers itself.
    fn of(uid: &str) -> Option<Self> {
        match uid {
            "payment-monitor-prometheus" => Some(Self::Prometheus),
            "payment-monitor-loki" => Some(Self::Loki),
            "payment-monitor-tempo" => Some(Self::Tempo),
            "payment-monitor-postgresql" => Some(Self::Postgresql),
            "-- Grafana --" | "grafana" | "-- Dashboard --" | "__expr__" => None,
            other => panic!("no data source has the uid {other:?}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Query {
    pub dashboard: String,
    /// Which panel or annotation, and which query of it.
    pub place: String,
    pub source: Source,
    pub text: String,
    pub is_instant: bool,
    pub legend: String,
    /// The units that its values may be shown in; none where values aren't shown.
    pub units: Option<Vec<String>>,
}

pub struct Dashboard {
    pub uid: String,
    pub variables: Vec<Value>,
    pub queries: Vec<Query>,
}

/// Every file of the folder.
pub fn dashboards() -> Vec<Dashboard> {
    let folder = std::fs::read_dir(repository("grafana/dashboards")).expect("the folder");
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let text = |file| std::fs::read_to_string(file).unwrap();
    files.iter().map(|file| read(&serde_json::from_str(&text(file)).unwrap())).collect()
}

pub fn read(document: &Value) -> Dashboard {
    let uid = text(&document["uid"]);
    let mut panels = Vec::new();
    collect_panels(&document["panels"], &mut panels);
    let of_panels = panels.iter().flat_map(|panel| {
        let targets = list(&panel["targets"]).into_iter();
        targets.filter_map(|target| query(&uid, panel, &target))
    });
    let annotations = list(&document["annotations"]["list"]);
    let of_annotations = annotations.iter().filter_map(|annotation| {
        let mut query = query(&uid, annotation, &annotation["target"])?;
        query.place = format!("annotation {}", text(&annotation["name"]));
        query.units = None;
        Some(query)
    });
    Dashboard {
        queries: of_panels.chain(of_annotations).collect(),
        variables: list(&document["templating"]["list"]),
        uid,
    }
}

/// Those in rows, too.
fn collect_panels(of: &Value, panels: &mut Vec<Value>) {
    for panel in list(of) {
        collect_panels(&panel["panels"], panels);
        panels.push(panel);
    }
}

fn query(dashboard: &str, owner: &Value, target: &Value) -> Option<Query> {
    let uid = [target, owner].into_iter().find_map(|of| of["datasource"]["uid"].as_str());
    let uid = uid.unwrap_or_else(|| panic!("{dashboard}: no data source: {target}"));
    let source = Source::of(uid)?;
    let field = match source {
        Source::Prometheus | Source::Loki => "expr",
        Source::Tempo => "query",
        Source::Postgresql => "rawSql",
    };
    let reference = text(&target["refId"]);
    Some(Query {
        dashboard: dashboard.to_owned(),
        place: format!("{} ({reference})", text(&owner["title"])),
        source,
        text: text(&target[field]),
        is_instant: target["instant"] == true || target["queryType"] == "instant",
        legend: text(&target["legendFormat"]),
        units: Some(units(owner, target)),
    })
}

/// The panel's unit, or that of the override that is meant for this query. A table's columns are
/// renamed by transformations, and patterns are not read here: their units are as good as any.
fn units(panel: &Value, target: &Value) -> Vec<String> {
    let mut units = vec![text(&panel["fieldConfig"]["defaults"]["unit"])];
    for one in list(&panel["fieldConfig"]["overrides"]) {
        let properties = list(&one["properties"]);
        let Some(unit) = properties.iter().find(|property| property["id"] == "unit") else {
            continue;
        };
        let (by, of) = (&one["matcher"]["id"], &one["matcher"]["options"]);
        let is_exact = (by == "byFrameRefID" && *of == target["refId"])
            || (by == "byName" && *of == target["legendFormat"]);
        if is_exact {
            units.clear();
        }
        if is_exact || by == "byRegexp" || panel["type"] == "table" {
            units.push(text(&unit["value"]));
        }
    }
    units
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[test]
fn a_query_in_a_row_is_found_with_the_unit_that_is_meant_for_it() {
    let unit = |by: &str, of: &str, unit: &str| {
        serde_json::json!({ "matcher": { "id": by, "options": of },
            "properties": [{ "id": "unit", "value": unit }] })
    };
    let panel = serde_json::json!({ "title": "p", "type": "timeseries",
        "datasource": { "uid": "payment-monitor-prometheus" },
        "targets": [{ "refId": "A", "expr": "a" }, { "refId": "B", "expr": "b" },
            { "refId": "C", "expr": "c", "legendFormat": "limit" }],
        "fieldConfig": { "defaults": { "unit": "s" }, "overrides": [
            unit("byFrameRefID", "B", "bytes"), unit("byName", "limit", "none")] } });
    let read = read(&serde_json::json!({ "uid": "d", "panels": [{ "panels": [panel] }] }));
    let units: Vec<_> = read.queries.iter().map(|q| q.units.clone().unwrap()).collect();
    assert_eq!(units, [["s"], ["bytes"], ["none"]]);
}
