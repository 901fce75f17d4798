//! Fields by name: what an override, a link, a sort or a transformation calls a field of a panel
//! that asks in SQL only is a column of its queries.

use serde_json::Value;

use super::{Document, dashboards, items, panels, strings, text};
use crate::text::mentions;

/// What Grafana calls fields by itself.
const OF_GRAFANA: [&str; 3] = ["Time", "Value", "time"];

#[test]
fn fields_are_called_by_names_that_the_panels_queries_give() {
    crate::assert_none(dashboards().iter().flat_map(|dashboard| {
        let faults = faults(dashboard).into_iter();
        faults.map(|fault| format!("{}: {fault}", dashboard.path)).collect::<Vec<_>>()
    }));
}

fn faults(dashboard: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    for panel in panels(&dashboard.value) {
        let targets = items(panel, "targets");
        let sql: Vec<&str> = targets.iter().filter_map(|t| t["rawSql"].as_str()).collect();
        let makes_series = sql.iter().any(|sql| mentions(sql, "AS metric"));
        if sql.is_empty() || sql.len() < targets.len() || makes_series {
            continue; // series are called by their labels, or by the values of `metric`
        }
        let renamed: Vec<&str> = renamed(panel);
        let unknown = called(panel).into_iter().filter(|name| {
            let given = sql.iter().any(|sql| mentions(sql, name));
            !given && !renamed.contains(&name.as_str()) && !OF_GRAFANA.contains(&name.as_str())
        });
        let title = text(panel, "title");
        faults.extend(unknown.map(|name| format!("{title}: there is no field {name}")));
    }
    faults
}

fn called(panel: &Value) -> Vec<String> {
    let mut names: Vec<&str> = vec![text(&panel["options"], "xField")];
    for matcher in items(&panel["fieldConfig"], "overrides").iter().map(|o| &o["matcher"]) {
        match text(matcher, "id") {
            "byName" => names.push(text(matcher, "options")),
            "byNames" => {
                let listed = items(&matcher["options"], "names").into_iter();
                names.extend(listed.filter_map(Value::as_str));
            }
            _ => {}
        }
    }
    names.extend(items(&panel["options"], "sortBy").iter().map(|sort| text(sort, "displayName")));
    for transformation in items(panel, "transformations") {
        for key in ["excludeByName", "indexByName", "renameByName"] {
            let keys = transformation["options"][key].as_object();
            names.extend(keys.into_iter().flatten().map(|(name, _)| name.as_str()));
        }
    }
    for (_, said) in strings(panel) {
        names.extend(said.split("__data.fields").skip(1).map(field));
    }
    let names = names.into_iter().filter(|name| !name.is_empty() && !name.contains('$'));
    names.map(str::to_owned).collect()
}

/// `.name`, `["name"]` or `['name']`, perhaps with a format behind it.
fn field(rest: &str) -> &str {
    let quoted = |quote| rest.strip_prefix('[')?.strip_prefix(quote)?.split(quote).next();
    quoted('"').or(quoted('\'')).unwrap_or_else(|| {
        let name = rest.strip_prefix('.').unwrap_or_default();
        name.split(['}', ':', '.']).next().unwrap_or_default()
    })
}

/// Names that the panel gives itself.
fn renamed(panel: &Value) -> Vec<&str> {
    let overrides = items(&panel["fieldConfig"], "overrides");
    let properties = overrides.into_iter().flat_map(|o| items(o, "properties"));
    let displayed = properties.filter(|property| text(property, "id") == "displayName");
    let displayed = displayed.map(|property| text(property, "value"));
    let organized = items(panel, "transformations")
        .into_iter()
        .filter_map(|transformation| transformation["options"]["renameByName"].as_object());
    displayed.chain(organized.flatten().filter_map(|(_, name)| name.as_str())).collect()
}

#[test]
fn a_field_that_no_query_gives_is_found() {
    let value = serde_json::json!({"panels": [{
        "title": "Runs",
        "targets": [{"rawSql": "SELECT run_id, host AS \"Host of it\" FROM run_summary"}],
        "fieldConfig": {"overrides": [
            {"matcher": {"id": "byName", "options": "Host of it"}, "properties": [
                {"id": "links", "value": [{"url": "/d/run?var-run=${__data.fields.run_id}"}]},
                {"id": "links", "value": [{"url": "/?x=${__data.fields[\"runid\"]:raw}"}]},
            ]},
            {"matcher": {"id": "byName", "options": "hosts"}, "properties": []},
        ]},
        "options": {"sortBy": [{"displayName": "Started"}]},
    }, {"title": "Series", "targets": [{"expr": "up"}], "fieldConfig": {"overrides": [
        {"matcher": {"id": "byName", "options": "whatever"}, "properties": []},
    ]}}]});
    let found = faults(&Document { path: "x".into(), value });
    let expected = ["hosts", "Started", "runid"].map(|n| format!("Runs: there is no field {n}"));
    assert_eq!(found, expected);
}
