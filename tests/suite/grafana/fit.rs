//! Whether what PostgreSQL answers is what a panel can show.

use super::boards::{Kind, Place, Target};
use super::fields::{named, reduced, renamed, units, unknown};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Column as _, Executor as _, PgConnection, SqlSafeStr as _};
use sqlx::{Statement as _, TypeInfo as _};
use std::collections::BTreeSet;

/// What Grafana takes a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Number,
    Time,
    Text,
    Truth,
    /// Arrives as a text that nobody wants to read.
    Raw,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Value>,
    pub is_series: bool,
}

/// Asks a query that has no variables and macros any more.
///
/// # Errors
/// What PostgreSQL says.
pub async fn ask(
    reader: &mut PgConnection,
    target: &Target,
    sql: &str,
) -> Result<Answer, sqlx::Error> {
    let prepared = reader.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await?;
    let columns = prepared.columns().iter();
    let columns = columns.map(|c| (c.name().to_owned(), type_of(c.type_info().name()))).collect();
    let rows = format!("SELECT to_jsonb(q) FROM ({sql}\n) q");
    let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut *reader).await?;
    Ok(Answer { columns, rows, is_series: target.is_series })
}

fn type_of(name: &str) -> Type {
    match name {
        "INT2" | "INT4" | "INT8" | "FLOAT4" | "FLOAT8" | "NUMERIC" => Type::Number,
        "TIMESTAMPTZ" | "TIMESTAMP" | "DATE" => Type::Time,
        "BOOL" => Type::Truth,
        "TEXT" | "VARCHAR" | "BPCHAR" | "NAME" => Type::Text,
        _ => Type::Raw,
    }
}

/// What is wrong with the answers to all queries of a place.
pub fn faults(place: &Place, answers: &[Answer]) -> Vec<String> {
    let mut faults: Vec<String> = answers.iter().flat_map(columns).collect();
    match &place.kind {
        Kind::Panel(panel) => {
            faults.extend(unknown(panel));
            faults.extend(names(panel, answers));
            faults.extend(unit_faults(panel, answers));
            for answer in answers {
                faults.extend(shape(panel, answer));
            }
        }
        Kind::Variable => faults.extend(answers.iter().flat_map(options)),
        Kind::Annotation => {
            for answer in answers {
                let has = |name: &str, wanted: &[Type]| {
                    answer.columns.iter().any(|(n, t)| n == name && wanted.contains(t))
                };
                if !has("time", &[Type::Time, Type::Number]) || !has("text", &[Type::Text]) {
                    faults.push("an annotation needs the columns time and text".to_owned());
                }
            }
        }
    }
    faults
}

/// Of any answer: names are there once, and types can be shown.
fn columns(answer: &Answer) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = answer.columns.iter().filter(|(name, _)| !seen.insert(name));
    let twice = twice.map(|(name, _)| format!("two columns are called {name:?}"));
    let raw = answer.columns.iter().filter(|(_, kind)| *kind == Type::Raw);
    twice.chain(raw.map(|(name, _)| format!("{name:?} must be cast to a text"))).collect()
}

/// What a panel can name: fields, and of series the names that they get.
fn shown(answers: &[Answer]) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    for answer in answers {
        let is_field = |kind| !answer.is_series || kind != Type::Text;
        let fields = answer.columns.iter().filter(|(_, kind)| is_field(*kind));
        let has_metric = answer.is_series && kind_of(answer, "metric").is_some();
        let is_named = |name: &str| name == "time" || !has_metric;
        shown.extend(fields.map(|(name, _)| name.clone()).filter(|name| is_named(name)));
        if has_metric {
            let metrics = answer.rows.iter().filter_map(|row| row["metric"].as_str());
            shown.extend(metrics.map(str::to_owned));
        }
    }
    shown
}

fn kind_of(answer: &Answer, name: &str) -> Option<Type> {
    answer.columns.iter().find(|(n, _)| n == name).map(|(_, kind)| *kind)
}

fn names(panel: &Value, answers: &[Answer]) -> Vec<String> {
    let mut shown = shown(answers);
    shown.extend(renamed(panel));
    let missing = named(panel).into_iter().filter(|(name, _)| !shown.contains(name));
    missing.map(|(name, place)| format!("{place} names {name:?}, which is no column")).collect()
}

fn unit_faults(panel: &Value, answers: &[Answer]) -> Vec<String> {
    let mut faults = Vec::new();
    let fits = |unit: &str, kind| match unit {
        "string" => true,
        _ if unit.starts_with("dateTime") || unit.starts_with("time:") => {
            matches!(kind, Type::Number | Type::Time)
        }
        _ => kind == Type::Number,
    };
    for (of, unit) in units(panel) {
        for answer in answers {
            let of = of.clone().or(reduced(panel));
            let kind = of.as_ref().and_then(|name| kind_of(answer, name));
            if kind.is_some_and(|kind| !fits(&unit, kind)) {
                faults.push(format!("the unit {unit} does not fit {of:?}, which is {kind:?}"));
            }
        }
    }
    faults
}

/// What a kind of panel needs.
fn shape(panel: &Value, answer: &Answer) -> Vec<String> {
    let has = |wanted: Type| answer.columns.iter().any(|(_, kind)| *kind == wanted);
    let time = kind_of(answer, "time");
    let is_time = matches!(time, Some(Type::Time | Type::Number));
    let numbers = answer.columns.iter().filter(|(n, k)| n != "time" && *k == Type::Number);
    let has_number = numbers.count() > 0;
    let mut faults = Vec::new();
    if answer.is_series && !is_time {
        faults.push("a series needs a column time".to_owned());
    }
    let kind = panel["type"].as_str().unwrap_or_default();
    match kind {
        "timeseries" | "heatmap" if !answer.is_series || !has_number => {
            faults.push("it needs a series of numbers".to_owned());
        }
        "state-timeline" | "status-history" if !is_time && !has(Type::Time) => {
            faults.push("it needs times".to_owned());
        }
        "stat" | "gauge" | "bargauge" | "piechart" if reduced(panel).is_none() && !has_number => {
            faults.push("it needs a number".to_owned());
        }
        "barchart" if !has_number || !(has(Type::Text) || has(Type::Time)) => {
            faults.push("it needs a number, and a text or time beside it".to_owned());
        }
        "timeseries" | "heatmap" | "state-timeline" | "status-history" | "stat" | "gauge"
        | "bargauge" | "piechart" | "barchart" | "table" => {}
        other => faults.push(format!("the panel type {other} is unknown to this test")),
    }
    faults
}

/// Options: a value and a text, of which each is there once (Grafana drops the second).
fn options(answer: &Answer) -> Vec<String> {
    let has = |name: &str| kind_of(answer, name).is_some();
    if has("__text") != has("__value") {
        return vec!["__text and __value belong together".to_owned()];
    }
    if !has("__text") {
        let count = answer.columns.len();
        return if count == 1 { vec![] } else { vec![format!("{count} columns of options")] };
    }
    let texts: BTreeSet<_> = answer.rows.iter().map(|row| row["__text"].to_string()).collect();
    let lost = answer.rows.len() - texts.len();
    if lost == 0 { vec![] } else { vec![format!("{lost} options have the text of another")] }
}
