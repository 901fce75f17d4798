//! The dashboards as they are in the folder, and every query for PostgreSQL in them.

use serde_json::Value;
use std::path::Path;

/// The data source that is asked here; the other ones are asked in tests/stack.
const POSTGRESQL: &str = "grafana-postgresql-datasource";

/// A dashboard's file.
pub struct Board {
    pub uid: String,
    pub json: Value,
}

/// Something that is filled by queries.
pub struct Place {
    pub board: String,
    pub name: String,
    pub kind: Kind,
    pub targets: Vec<Target>,
}

pub enum Kind {
    Panel(Value),
    Variable,
    Annotation,
}

#[derive(Debug, Clone)]
pub struct Target {
    pub sql: String,
    /// `time_series`, else a table.
    pub is_series: bool,
}

/// Every dashboard, in the order of their names.
pub fn all() -> Vec<Board> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/dashboards");
    let mut boards: Vec<Board> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let uid = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{uid}: {e}"));
            Board { uid, json }
        })
        .collect();
    assert!(boards.len() >= 5, "{}", folder.display());
    boards.sort_by(|a, b| a.uid.cmp(&b.uid));
    boards
}

impl Board {
    pub fn named(uid: &str) -> Self {
        all().into_iter().find(|board| board.uid == uid).unwrap()
    }

    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    /// What asks PostgreSQL: variables, annotations and panels.
    pub fn places(&self) -> Vec<Place> {
        let place =
            |kind, name: String, targets| Place { board: self.uid.clone(), name, kind, targets };
        let variables = self.variables().iter().filter_map(|variable| {
            let name = format!("the variable {}", variable["name"]);
            query_of(variable).map(|target| place(Kind::Variable, name, vec![target]))
        });
        let annotations = list(&self.json["annotations"]["list"])
            .iter()
            .filter(|annotation| annotation["datasource"]["type"] == POSTGRESQL);
        let annotations = annotations.map(|annotation| {
            let name = format!("the annotation {}", annotation["name"]);
            place(Kind::Annotation, name, vec![target(&annotation["target"])])
        });
        let panels = self.panels().into_iter().filter_map(|panel| {
            let targets = targets(panel);
            let name = format!("panel {} {}", panel["id"], panel["title"]);
            (!targets.is_empty()).then(|| place(Kind::Panel(panel.clone()), name, targets))
        });
        variables.chain(annotations).chain(panels).collect()
    }

    /// The panel with this title.
    pub fn panel(&self, title: &str) -> &Value {
        let panels = self.panels();
        let found = panels.into_iter().find(|panel| panel["title"] == title);
        found.unwrap_or_else(|| panic!("{}: no panel {title:?}", self.uid))
    }

    /// Those in collapsed rows too.
    fn panels(&self) -> Vec<&Value> {
        let top = list(&self.json["panels"]);
        top.iter().chain(top.iter().flat_map(|panel| list(&panel["panels"]))).collect()
    }
}

/// The queries of a panel that are for PostgreSQL.
pub fn targets(panel: &Value) -> Vec<Target> {
    let of = |one: &Value| {
        let source = if one["datasource"].is_object() { one } else { panel };
        source["datasource"]["type"] == POSTGRESQL
    };
    list(&panel["targets"]).iter().filter(|one| of(one)).map(target).collect()
}

/// Of a variable that PostgreSQL fills.
pub fn query_of(variable: &Value) -> Option<Target> {
    let is_ours = variable["type"] == "query" && variable["datasource"]["type"] == POSTGRESQL;
    let query = &variable["query"];
    let sql = query.as_str().or(query["rawSql"].as_str()).or(query["query"].as_str());
    is_ours.then(|| Target { sql: sql.expect("a query").to_owned(), is_series: false })
}

fn target(target: &Value) -> Target {
    let sql = target["rawSql"].as_str().unwrap_or_else(|| panic!("no rawSql: {target}"));
    Target { sql: sql.to_owned(), is_series: target["format"] == "time_series" }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
