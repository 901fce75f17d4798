//! Whether a query of a dashboard, asked as Grafana would ask it, gets an answer that its panel can
//! show: data, the labels that its legend names, and values in the unit that is written beside.

use crate::expand::{STEP_SECONDS, Setting, Variable};
use crate::grafana::{Dashboard, Query, Source, list, text};
use crate::promql;
use crate::stack::Stack;
use chrono::{TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// As Grafana is when one looks at the last 15 minutes.
pub fn setting(variables: BTreeMap<String, Variable>) -> Setting {
    let to = Utc::now();
    Setting { from: to - TimeDelta::minutes(15), to, variables }
}

/// What may be missing here, each with the reason why.
pub struct Excuses {
    /// Metrics that can't be here.
    pub metrics: &'static [(&'static str, &'static str)],
    /// Whole queries that have no answer here, by a part of their text.
    pub queries: &'static [(&'static str, &'static str)],
}

pub struct Checks<'a> {
    pub stack: &'a Stack,
    pub excuses: &'a Excuses,
}

impl Checks<'_> {
    /// The values of a dashboard's variables: as their queries say, else as given.
    pub async fn variables(
        &self,
        dashboard: &Dashboard,
        given: &[(&str, Vec<String>)],
    ) -> Result<BTreeMap<String, Variable>, String> {
        let mut variables = BTreeMap::new();
        for one in &dashboard.variables {
            let name = text(&one["name"]);
            let fault = |fault| format!("{}, variable {name}: {fault}", dashboard.uid);
            let is_multi = one["multi"] == true || one["includeAll"] == true;
            let of_prometheus =
                one["type"] == "query" && one["datasource"]["uid"] == "payment-monitor-prometheus";
            let mut values = if of_prometheus {
                let so_far = setting(variables.clone());
                let query = so_far.expand(Source::Prometheus, &text(&one["query"]["query"]));
                self.label_values(&query.map_err(fault)?).await.map_err(fault)?
            } else {
                let given = given.iter().find(|(known, _)| *known == name);
                given.unwrap_or_else(|| panic!("{}: which {name}?", dashboard.uid)).1.clone()
            };
            if !is_multi {
                values.truncate(1);
            }
            variables.insert(name, Variable { values, is_multi });
        }
        Ok(variables)
    }

    /// `label_values(series, label)`, which is an endpoint of Prometheus and not `PromQL`.
    pub async fn label_values(&self, query: &str) -> Result<Vec<String>, String> {
        let inner = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
        let inner = inner.ok_or_else(|| format!("{query:?} is not known here"))?;
        let (series, label) =
            inner.rsplit_once(',').ok_or_else(|| format!("{query:?}: of what"))?;
        let path = format!("/api/v1/label/{}/values", label.trim());
        let answer = self.stack.prometheus.get(&path, &[("match[]", series.trim())]).await?;
        let values: Vec<String> = list(&answer["data"]).iter().map(text).collect();
        if values.is_empty() { Err(format!("no values: {query}")) } else { Ok(values) }
    }

    pub async fn check(
        &self,
        query: &Query,
        variables: &BTreeMap<String, Variable>,
    ) -> Result<(), String> {
        let setting = setting(variables.clone());
        let asked = setting.expand(query.source, &query.text)?;
        match query.source {
            Source::Prometheus => self.prometheus(query, &asked, &setting).await,
            Source::Loki => self.loki(query, &asked, &setting).await,
            Source::Tempo => self.tempo(&asked).await,
            Source::Postgresql => Err("SQL is not asked for here".to_owned()),
        }
    }

    async fn prometheus(&self, query: &Query, asked: &str, at: &Setting) -> Result<(), String> {
        let tree = self.stack.prometheus.get("/api/v1/parse_query", &[("query", asked)]).await?;
        let tree = &tree["data"];
        let excuse = self.excuses.queries.iter().find(|(part, _why)| asked.contains(part));
        if excuse.is_none() {
            self.names(tree).await?;
        }
        if let Some(units) = &query.units {
            let faults: Vec<_> = units.iter().map(|unit| promql::fits(tree, unit)).collect();
            if faults.iter().all(Result::is_err) {
                return faults.into_iter().next().unwrap_or(Ok(()));
            }
        }
        let (from, to) = (at.from.timestamp().to_string(), at.to.timestamp().to_string());
        let step = STEP_SECONDS.to_string();
        let answer = if query.is_instant {
            self.stack.prometheus.get("/api/v1/query", &[("query", asked)]).await?
        } else {
            let range = [("query", asked), ("start", &from), ("end", &to), ("step", &step)];
            self.stack.prometheus.get("/api/v1/query_range", &range).await?
        };
        let shown = shown(&answer["data"]["result"], &query.legend);
        match (excuse, shown) {
            (Some(_), Err(_)) => Ok(()),
            (Some((part, _)), Ok(())) => Err(format!("{part}: has data, so needs no excuse")),
            (None, shown) => shown,
        }
    }

    /// The values of an alert rule's query, which Grafana asks for one moment.
    pub async fn rule(&self, asked: &str) -> Result<Vec<String>, String> {
        let tree = self.stack.prometheus.get("/api/v1/parse_query", &[("query", asked)]).await?;
        let is_excused = self.excuses.queries.iter().any(|(part, _why)| asked.contains(part));
        if !is_excused {
            self.names(&tree["data"]).await?;
        }
        let series = self.stack.prometheus.series(asked).await?;
        if series.is_empty() && !is_excused {
            return Err("no data".to_owned());
        }
        Ok(series.iter().map(|one| text(&one["value"][1])).collect())
    }

    /// Every metric is there, with every label that is asked of it. A misspelt one behind an `or`,
    /// or in a `!=`, would not be missed otherwise.
    async fn names(&self, tree: &Value) -> Result<(), String> {
        for selector in promql::selectors(tree).iter().filter(|s| !s.metric.is_empty()) {
            let labels = self.labels(&selector.metric).await?;
            if let Some(label) = selector.labels.iter().find(|label| !labels.contains(*label)) {
                self.excused(&selector.metric, &format!("has no label {label}"))?;
            }
        }
        for promql::Grouping { labels, below } in promql::groupings(tree) {
            // A metric whose name is a pattern may have any label.
            if below.iter().any(|selector| selector.metric.is_empty()) {
                continue;
            }
            let mut known = BTreeSet::new();
            for selector in &below {
                known.extend(self.labels(&selector.metric).await?);
            }
            if let Some(label) = labels.iter().find(|label| !known.contains(*label)) {
                let excused = below.iter().find_map(|s| self.excused(&s.metric, "").ok());
                excused.ok_or_else(|| format!("grouped by {label}, which no metric has"))?;
            }
        }
        Ok(())
    }

    async fn labels(&self, metric: &str) -> Result<BTreeSet<String>, String> {
        let name = format!("{{__name__=\"{metric}\"}}");
        let answer = self.stack.prometheus.get("/api/v1/series", &[("match[]", &name)]).await?;
        let series = list(&answer["data"]);
        if series.is_empty() {
            self.excused(metric, "is not there")?;
        }
        let labels = series.iter().filter_map(Value::as_object).flat_map(|one| one.keys());
        Ok(labels.cloned().collect())
    }

    fn excused(&self, metric: &str, fault: &str) -> Result<(), String> {
        let is_excused = self.excuses.metrics.iter().any(|(name, _why)| *name == metric);
        if is_excused { Ok(()) } else { Err(format!("the metric {metric} {fault}")) }
    }

    async fn loki(&self, query: &Query, asked: &str, at: &Setting) -> Result<(), String> {
        let (from, to) = (at.from.timestamp().to_string(), at.to.timestamp().to_string());
        let answer = if query.is_instant {
            self.stack.loki.get("/loki/api/v1/query", &[("query", asked), ("time", &to)]).await?
        } else {
            let step = STEP_SECONDS.to_string();
            let range = [("query", asked), ("start", &from), ("end", &to), ("step", &step)];
            self.stack.loki.get("/loki/api/v1/query_range", &range).await?
        };
        let result = &answer["data"]["result"];
        if answer["data"]["resultType"] == "streams" {
            let is_empty = list(result).iter().all(|stream| list(&stream["values"]).is_empty());
            return if is_empty { Err(format!("no lines: {asked}")) } else { Ok(()) };
        }
        shown(result, &query.legend)
    }

    async fn tempo(&self, asked: &str) -> Result<(), String> {
        let is_id = asked.len() == 32 && asked.chars().all(|c| c.is_ascii_hexdigit());
        let found = if is_id {
            self.stack.tempo.spans(asked).await?.len() as u64
        } else {
            self.stack.tempo.matches(asked).await?
        };
        if found == 0 { Err(format!("no spans: {asked}")) } else { Ok(()) }
    }
}

/// Whether there is a number to show, and each label that the legend names on every series.
fn shown(result: &Value, legend: &str) -> Result<(), String> {
    let series = list(result);
    let mut values = series.iter().flat_map(|one| {
        let points = list(&one["values"]).into_iter().chain([one["value"].clone()]);
        points.filter_map(|point| text(&point[1]).parse::<f64>().ok())
    });
    if !values.any(f64::is_finite) {
        return Err("no data".to_owned());
    }
    for label in labels_of(legend) {
        if let Some(one) = series.iter().find(|one| one["metric"][&label].is_null()) {
            return Err(format!("the legend names {label}: {}", one["metric"]));
        }
    }
    Ok(())
}

/// `{{label}}`
fn labels_of(legend: &str) -> Vec<String> {
    let parts = legend.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    parts.map(|(label, _rest)| label.trim().to_owned()).collect()
}

#[test]
fn a_series_without_a_number_or_without_the_legends_label_is_refused() {
    let series = |value: &str| {
        let metric = serde_json::json!({ "state": "used" });
        serde_json::json!([{ "metric": metric, "values": [[0, "NaN"], [15, value]] }])
    };
    assert_eq!(shown(&series("1"), "{{ state }}, all"), Ok(()));
    assert!(shown(&series("1"), "{{stat}}").unwrap_err().contains("stat"));
    assert!(shown(&series("NaN"), "").is_err(), "0 divided by 0");
    assert!(shown(&series("+Inf"), "").is_err(), "1 divided by 0");
    assert!(shown(&serde_json::json!([]), "").is_err(), "no series");
}
