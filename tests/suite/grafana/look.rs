//! Somebody looks at a dashboard: with a time range, and values for its variables.

use super::boards::{Board, Target, list, query_of};
use super::fit::{Answer, ask};
use super::macros::{Range, expand};
use super::variables::{Chosen, Values, interpolate};
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// What is chosen or typed in, by the variable's name. The others are as the dashboard opens.
#[derive(Debug, Clone, Default)]
pub struct Look(pub BTreeMap<&'static str, String>);

impl Look {
    pub fn at(chosen: &[(&'static str, &str)]) -> Self {
        Self(chosen.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }
}

/// Asks one query of a dashboard as Grafana would.
///
/// # Errors
/// What is wrong with the query, in words.
pub async fn answer(
    reader: &mut PgConnection,
    target: &Target,
    values: &Values,
    range: &Range,
) -> Result<Answer, String> {
    let query = asked(target, values, range)?;
    ask(reader, target, &query).await.map_err(|error| format!("{error}\n{query}"))
}

/// What Grafana makes of a query.
///
/// # Errors
/// What is wrong with it, in words.
pub fn asked(target: &Target, values: &Values, range: &Range) -> Result<String, String> {
    let query = expand(&interpolate(&target.sql, values)?, range)?;
    match left_over(&query) {
        Some(left) => Err(format!("{left} is no variable and no macro")),
        None => Ok(query),
    }
}

/// A dollar sign that still begins a name.
fn left_over(query: &str) -> Option<String> {
    let parts = query.split('$').skip(1);
    let mut names = parts
        .filter(|part| part.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()));
    names.next().map(|part| format!("${}", part.chars().take(20).collect::<String>()))
}

/// The variables of a dashboard, each seen by those after it.
pub async fn values(
    reader: &mut PgConnection,
    board: &Board,
    look: &Look,
    range: &Range,
) -> Result<Values, String> {
    let mut values = Values::new();
    for variable in board.variables() {
        let name = variable["name"].as_str().unwrap();
        let chosen = match look.0.get(name) {
            Some(value) => One::of(variable).of_one(value),
            None => opened(reader, variable, &values, range).await?,
        };
        values.insert(name.to_owned(), chosen);
    }
    Ok(values)
}

/// The value that a variable has when the dashboard is opened.
async fn opened(
    reader: &mut PgConnection,
    variable: &Value,
    values: &Values,
    range: &Range,
) -> Result<Chosen, String> {
    let is_many = One::of(variable);
    if let Some(all) = variable["allValue"].as_str() {
        return Ok(Chosen::All(all.to_owned()));
    }
    let options = if let Some(target) = query_of(variable) {
        let answer = answer(reader, &target, values, range).await?;
        let value = |row: &Value| {
            let field = if row["__value"].is_null() { &answer.columns[0].0 } else { "__value" };
            row[field].as_str().map_or_else(|| row[field].to_string(), str::to_owned)
        };
        answer.rows.iter().map(value).collect()
    } else if variable["type"] == "custom" {
        let every = list(&variable["options"]).iter().filter_map(|one| one["value"].as_str());
        every.filter(|value| *value != "$__all").map(str::to_owned).collect()
    } else if variable["type"] == "textbox" {
        vec![variable["query"].as_str().unwrap_or_default().to_owned()]
    } else {
        // Filled by another data source.
        vec!["host".to_owned()]
    };
    Ok(match is_many {
        One::OfMany => Chosen::Many(options),
        One::Alone => Chosen::One(options.into_iter().next().unwrap_or_default()),
    })
}

/// Whether a variable may have several values.
#[derive(Clone, Copy)]
enum One {
    OfMany,
    Alone,
}

impl One {
    fn of(variable: &Value) -> Self {
        let is = |key: &str| variable[key] == true;
        if is("multi") || is("includeAll") { Self::OfMany } else { Self::Alone }
    }

    fn of_one(self, value: &str) -> Chosen {
        match self {
            Self::OfMany => Chosen::Many(vec![value.to_owned()]),
            Self::Alone => Chosen::One(value.to_owned()),
        }
    }
}
