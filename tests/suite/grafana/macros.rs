//! What Grafana's PostgreSQL data source makes of `$__...` before the query is sent.
//!
//! After grafana/grafana, `pkg/tsdb/grafana-postgresql-datasource/macros.go` (`Interpolate`,
//! `evaluateMacro`) and `sqleng/sql_engine.go` (`Interpolate`, which comes first). A macro's
//! arguments end at the first closing parenthesis, and any `$name(` is taken for one.

use chrono::{DateTime, SecondsFormat, Utc};

/// The time that a dashboard shows, and the width of a point in it.
#[derive(Debug, Clone)]
pub struct Range {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// As `gtime.FormatInterval` writes it: `1h`.
    pub interval: &'static str,
}

/// # Errors
/// A macro that there is none of, or arguments that it can't take.
pub fn expand(query: &str, range: &Range) -> Result<String, String> {
    let seconds = seconds(range.interval)?;
    let query = query
        .replace("$__interval_ms", &(seconds * 1000).to_string())
        .replace("$__interval", range.interval)
        .replace("$__unixEpochFrom()", &range.from.timestamp().to_string())
        .replace("$__unixEpochTo()", &range.to.timestamp().to_string());
    let mut expanded = String::new();
    let mut rest = query.as_str();
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((whole, name, arguments)) = call(rest) else {
            expanded.push('$');
            rest = &rest[1..];
            continue;
        };
        // The old way to ask for the alias: a comma after the first such call of the query.
        let first = query.find(whole).unwrap_or_default() + whole.len();
        let is_old_alias = name == "__timeGroup" && query[first..].starts_with(',');
        let name = if is_old_alias { "__timeGroupAlias" } else { name };
        expanded.push_str(&evaluate(name, &arguments, range)?);
        rest = &rest[whole.len()..];
    }
    Ok(expanded + rest)
}

/// The call that a text begins with, its name and its arguments.
fn call(text: &str) -> Option<(&str, &str, Vec<&str>)> {
    let after = &text[1..];
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let end = after.find(|c| !is_part(c))?;
    let arguments = after[end..].strip_prefix('(')?;
    let length = arguments.find(')')?;
    let whole = &text[.."$()".len() + end + length];
    (end > 0).then(|| {
        let arguments = arguments[..length].split(',').map(|argument| argument.trim_matches(' '));
        (whole, &after[..end], arguments.collect())
    })
}

fn evaluate(name: &str, arguments: &[&str], range: &Range) -> Result<String, String> {
    let column = arguments[0];
    let time = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let (from, to) = (time(range.from), time(range.to));
    Ok(match name {
        "__time" => format!("{column} AS \"time\""),
        "__timeEpoch" => format!("extract(epoch from {column}) as \"time\""),
        "__timeFilter" => format!("{column} BETWEEN '{from}' AND '{to}'"),
        "__timeFrom" => format!("'{from}'"),
        "__timeTo" => format!("'{to}'"),
        "__timeGroup" => {
            let interval = arguments.get(1).ok_or(format!("{name} needs an interval"))?;
            let width = seconds(interval.trim_matches('\''))?;
            format!("floor(extract(epoch from {column})/{width})*{width}")
        }
        "__timeGroupAlias" => evaluate("__timeGroup", arguments, range)? + " AS \"time\"",
        "__unixEpochFilter" => {
            let (from, to) = (range.from.timestamp(), range.to.timestamp());
            format!("{column} >= {from} AND {column} <= {to}")
        }
        "__unixEpochGroup" => {
            let interval = arguments.get(1).ok_or(format!("{name} needs an interval"))?;
            let width = seconds(interval.trim_matches('\''))?;
            format!("floor(({column})/{width})*{width}")
        }
        "__unixEpochGroupAlias" => evaluate("__unixEpochGroup", arguments, range)? + " AS \"time\"",
        unknown => return Err(format!("there is no macro ${unknown}")),
    })
}

/// An interval as Grafana writes it.
fn seconds(interval: &str) -> Result<i64, String> {
    let wrong = || format!("{interval:?} is no interval");
    let digits = interval.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &interval[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    Ok(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> Range {
        let time = |text: &str| text.parse().unwrap();
        Range {
            from: time("2026-11-01T00:00:00Z"),
            to: time("2026-11-02T00:00:00.5Z"),
            interval: "15m",
        }
    }

    fn made(query: &str) -> String {
        expand(query, &range()).unwrap()
    }

    #[test]
    fn times_are_in_utc_and_the_filter_has_both_ends() {
        let (from, to) = ("'2026-11-01T00:00:00Z'", "'2026-11-02T00:00:00.500Z'");
        assert_eq!(made("$__timeFilter(a.at)"), format!("a.at BETWEEN {from} AND {to}"));
        assert_eq!(made("f($__timeFrom(), $__timeTo())"), format!("f({from}, {to})"));
        let epochs = "at >= 1793491200 AND at <= 1793577600";
        assert_eq!(made("$__unixEpochFilter(at)"), epochs);
        assert_eq!(made("$__unixEpochFrom() $__unixEpochTo()"), "1793491200 1793577600");
    }

    #[test]
    fn groups_are_seconds_since_1970_and_have_an_alias_where_it_is_asked_for() {
        let group = "floor(extract(epoch from at)/3600)*3600";
        assert_eq!(made("ORDER BY $__timeGroup(at, '1h')"), format!("ORDER BY {group}"));
        assert_eq!(made("$__timeGroupAlias(at,'1h'), x"), format!("{group} AS \"time\", x"));
        assert_eq!(made("$__timeGroup(at,1h), x"), format!("{group} AS \"time\", x"));
        let quarter = "floor(extract(epoch from at)/900)*900";
        assert_eq!(made("$__timeGroup(at,$__interval)"), quarter);
        assert_eq!(made("$__interval_ms $__interval"), "900000 15m");
        assert_eq!(made("$__unixEpochGroup(at,'1d')"), "floor((at)/86400)*86400");
    }

    #[test]
    fn what_is_no_macro_is_refused_and_a_lone_dollar_is_left() {
        for query in ["$__timeFiltre(at)", "$nosuch(1)", "$__timeGroup(at)", "$__timeGroup(at,'x')"]
        {
            assert!(expand(query, &range()).is_err(), "{query}");
        }
        assert_eq!(made("a ~ '^[0-9]$' AND b"), "a ~ '^[0-9]$' AND b");
    }

    #[test]
    fn arguments_end_at_the_first_closing_parenthesis() {
        let broken = made("$__timeFilter(coalesce(a, b))");
        assert!(broken.starts_with("coalesce(a BETWEEN"), "{broken}");
    }
}
