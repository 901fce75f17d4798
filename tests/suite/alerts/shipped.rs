//! The rules as they are shipped, read from `grafana/provisioning/alerting`. Also of tests/alerts.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub const POSTGRESQL: &str = "payment-monitor-postgresql";
pub const PROMETHEUS: &str = "payment-monitor-prometheus";

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
pub struct Rule {
    pub uid: String,
    pub title: String,
    data: Vec<Query>,
    #[serde(rename = "noDataState")]
    pub no_data: String,
    #[serde(rename = "execErrState")]
    pub on_error: String,
    #[serde(rename = "for")]
    pub pending: String,
    #[serde(rename = "keepFiringFor")]
    pub kept: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "refId")]
    ref_id: String,
    #[serde(rename = "datasourceUid")]
    datasource: String,
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "rawSql")]
    sql: Option<String>,
    expr: Option<String>,
}

impl Rule {
    pub fn datasource(&self) -> &str {
        &self.data[0].datasource
    }

    /// The text of a query.
    pub fn query(&self, ref_id: &str) -> &str {
        self.find(ref_id).unwrap_or_else(|| panic!("{} has no query {ref_id}", self.uid))
    }

    pub fn find(&self, ref_id: &str) -> Option<&str> {
        let query = self.data.iter().find(|query| query.ref_id == ref_id)?;
        query.model.sql.as_deref().or(query.model.expr.as_deref())
    }

    /// The names after `$labels.` in the annotations.
    pub fn labels_used(&self) -> Vec<String> {
        let texts = self.annotations.values().flat_map(|text| text.split("$labels.").skip(1));
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        texts.map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default().into()).collect()
    }
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("grafana/provisioning/alerting")
}

/// All rules of a data source.
pub fn rules(datasource: &str) -> Vec<Rule> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let names = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("rules-");
    let mut rules: Vec<Rule> = files
        .filter(names)
        .flat_map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let file: File = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}"));
            file.groups.into_iter().flat_map(|group| group.rules).collect::<Vec<_>>()
        })
        .filter(|rule| rule.datasource() == datasource)
        .collect();
    rules.sort_by(|a, b| a.uid.cmp(&b.uid));
    assert!(rules.len() > 5, "{} rules of {datasource}", rules.len());
    rules
}

/// The rule of a uid, which asks PostgreSQL.
pub fn rule(uid: &str) -> Rule {
    let found = rules(POSTGRESQL).into_iter().find(|rule| rule.uid == uid);
    found.unwrap_or_else(|| panic!("no rule {uid}"))
}
