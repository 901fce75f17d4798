//! Grafana's variables in queries, replaced as Grafana 13 does.
//!
//! Sources: "Global variables" and "Prometheus template variables" in Grafana's documentation
//! (`$__rate_interval` is the larger of `$__interval` + scrape interval and four scrape intervals);
//! for values `interpolateQueryExpr` of packages/grafana-prometheus/src/escaping.ts and of the Loki
//! data source, and the format `pipe` in the Tempo data source; for SQL pkg/tsdb's macros.

use crate::grafana::Source;
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeMap;

/// Prometheus' scrape interval, and the step of a dashboard that looks at 15 minutes.
pub const STEP_SECONDS: i64 = 15;

#[derive(Clone, Debug, Default)]
pub struct Variable {
    pub values: Vec<String>,
    /// Several may be chosen, or all: values are then patterns, and escaped as such.
    pub is_multi: bool,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub variables: BTreeMap<String, Variable>,
}

impl Setting {
    pub fn expand(&self, source: Source, text: &str) -> Result<String, String> {
        let text = if source == Source::Postgresql { self.macros(text)? } else { text.to_owned() };
        let (mut done, mut rest) = (String::new(), text.as_str());
        while let Some(at) = rest.find('$') {
            done.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, after) = if let Some(braced) = rest.strip_prefix('{') {
                braced.split_once('}').ok_or("a brace without its end")?
            } else {
                rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()))
            };
            // A pattern's end, or a numbered group.
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                done.push('$');
                continue;
            }
            done.push_str(&self.value(source, name)?);
            rest = after;
        }
        Ok(done + rest)
    }

    fn value(&self, source: Source, name: &str) -> Result<String, String> {
        let range = (self.to - self.from).num_seconds();
        let built_in = match name {
            "__interval" | "__auto" => format!("{STEP_SECONDS}s"),
            "__interval_ms" => (STEP_SECONDS * 1000).to_string(),
            "__rate_interval" => format!("{}s", (2 * STEP_SECONDS).max(4 * STEP_SECONDS)),
            "__range" => format!("{range}s"),
            "__range_s" => range.to_string(),
            "__range_ms" => (range * 1000).to_string(),
            "__from" => self.from.timestamp_millis().to_string(),
            "__to" => self.to.timestamp_millis().to_string(),
            _ => String::new(),
        };
        if !built_in.is_empty() {
            return Ok(built_in);
        }
        let (name, format) = name.split_once(':').unwrap_or((name, ""));
        let unknown = || format!("there is no variable {name:?}");
        let variable = self.variables.get(name).ok_or_else(unknown)?;
        let escaped = |escape: &dyn Fn(&str) -> String| -> Vec<String> {
            variable.values.iter().map(|value| escape(value)).collect()
        };
        match (format, source) {
            ("raw" | "pipe", _) | ("", Source::Tempo) => Ok(variable.values.join("|")),
            ("regex", _) => Ok(grouped(&escaped(&|v| escape_pattern(v, "\\")))),
            ("", _) if !variable.is_multi => Ok(escaped(&plain).join(",")),
            ("", Source::Loki) => Ok(escaped(&|v| escape_pattern(v, "\\\\")).join("|")),
            ("", Source::Prometheus) => Ok(grouped(&escaped(&|v| escape_pattern(v, "\\\\")))),
            _ => Err(format!("{name}: the format {format:?} is not known here")),
        }
    }

    /// Those of the PostgreSQL data source that are used where this is called for.
    fn macros(&self, sql: &str) -> Result<String, String> {
        let moment =
            |at: DateTime<Utc>| format!("'{}'", at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let (from, to) = (moment(self.from), moment(self.to));
        let mut sql = sql.replace("$__timeFrom()", &from).replace("$__timeTo()", &to);
        while let Some((before, after)) = sql.split_once("$__timeFilter(") {
            let (column, after) = after.split_once(')').ok_or("a macro without its end")?;
            sql = format!("{before}{column} BETWEEN {from} AND {to}{after}");
        }
        Ok(sql)
    }
}

fn plain(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn escape_pattern(value: &str, with: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        match c {
            '\\' => escaped.push_str(&with.repeat(2)),
            _ if "$^*{}[]+?.()|".contains(c) => escaped.extend([with, &c.to_string()]),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn grouped(values: &[String]) -> String {
    if let [one] = values { one.clone() } else { format!("({})", values.join("|")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(source: Source, text: &str) -> Result<String, String> {
        let from = "2026-11-24T12:00:00Z".parse().unwrap();
        let several = Variable { values: vec!["a.b".into(), "c".into()], is_multi: true };
        let one = Variable { values: vec!["a.b".into()], is_multi: false };
        let variables = [("several".to_owned(), several), ("one".to_owned(), one)].into();
        Setting { from, to: from + chrono::TimeDelta::minutes(15), variables }.expand(source, text)
    }

    #[test]
    fn one_value_is_itself_and_several_are_a_pattern() {
        let query = "x{h=\"$one\",i=~\"${several}\",j=~\"a$\"}[$__rate_interval] + $__range_s";
        let expected = r#"x{h="a.b",i=~"(a\\.b|c)",j=~"a$"}[60s] + 900"#;
        assert_eq!(expand(Source::Prometheus, query).as_deref(), Ok(expected));
        assert_eq!(expand(Source::Loki, "$several").as_deref(), Ok(r"a\\.b|c"));
        assert_eq!(expand(Source::Tempo, "${several:raw} $__interval").as_deref(), Ok("a.b|c 15s"));
    }

    #[test]
    fn a_variable_that_the_dashboard_lacks_is_refused() {
        let fault = expand(Source::Prometheus, "x{h=\"$onne\"}").unwrap_err();
        assert!(fault.contains("onne"), "{fault}");
    }

    #[test]
    fn macros_of_sql_are_the_time_range() {
        let sql = expand(Source::Postgresql, "WHERE $__timeFilter(r.at) AND b < $__timeTo()");
        let expected = "WHERE r.at BETWEEN '2026-11-24T12:00:00Z' AND '2026-11-24T12:15:00Z' \
                        AND b < '2026-11-24T12:15:00Z'";
        assert_eq!(sql.as_deref(), Ok(expected));
    }
}
