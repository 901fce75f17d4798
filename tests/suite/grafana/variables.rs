//! What Grafana makes of a dashboard's variables in a query for PostgreSQL.
//!
//! After grafana/grafana: which texts are variables, `public/app/features/variables/utils.ts`
//! (`variableRegex`); without a format, `packages/grafana-sql/src/datasource/SqlDatasource.ts`
//! (`interpolateVariable`); the formats, grafana/scenes `formatRegistry.ts`, as the page "Variable
//! syntax" tells. What is no variable is left as it is, macros among it.

use std::collections::BTreeMap;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    One(String),
    /// Of a variable with `multi` or `includeAll`; "all" without an `allValue` is every option.
    Many(Vec<String>),
    /// "All" with an `allValue`: that text, whatever the format.
    All(String),
}

pub type Values = BTreeMap<String, Chosen>;

/// # Errors
/// A format that these tests know nothing of.
pub fn interpolate(text: &str, values: &Values) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((length, name, format)) = reference(rest) else {
            made.push('$');
            rest = &rest[1..];
            continue;
        };
        match values.get(name) {
            Some(chosen) => made.push_str(&written(chosen, format)?),
            None => made.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    Ok(made + rest)
}

/// The reference that a text begins with: its length, the variable's name, and the format.
fn reference(text: &str) -> Option<(usize, &str, Option<&str>)> {
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let after = &text[1..];
    if let Some(inside) = after.strip_prefix('{') {
        let end = inside.find('}')?;
        let (name, format) = match inside[..end].split_once(':') {
            Some((name, format)) => (name, Some(format)),
            None => (&inside[..end], None),
        };
        let name = name.split('.').next().unwrap_or(name);
        let is_name = !name.is_empty() && name.chars().all(is_word);
        return is_name.then_some((end + 3, name, format));
    }
    let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
    (end > 0).then(|| (1 + end, &after[..end], None))
}

fn written(chosen: &Chosen, format: Option<&str>) -> Result<String, String> {
    let literal = |value: &String| format!("'{}'", value.replace('\'', "''"));
    let sqlstring =
        |value: &String| format!("'{}'", value.replace('\'', "''").replace('"', "\\\""));
    let each = |values: &[String], write: &dyn Fn(&String) -> String| {
        values.iter().map(write).collect::<Vec<_>>().join(",")
    };
    Ok(match (chosen, format) {
        (Chosen::All(text), _) => text.clone(),
        (Chosen::One(value), None) => value.replace('\'', "''"),
        (Chosen::Many(values), None) => each(values, &literal),
        (Chosen::One(value), Some("sqlstring")) => sqlstring(value),
        (Chosen::Many(values), Some("sqlstring")) => each(values, &sqlstring),
        (Chosen::One(value), Some("raw" | "csv")) => value.clone(),
        (Chosen::Many(values), Some("raw" | "csv")) => values.join(","),
        (_, Some(other)) => return Err(format!("the format {other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> String {
        let many = ["a", "it's"].map(str::to_owned).to_vec();
        let values = Values::from([
            ("one".to_owned(), Chosen::One("it's \"x\"".to_owned())),
            ("many".to_owned(), Chosen::Many(many)),
            ("all".to_owned(), Chosen::All("anything".to_owned())),
        ]);
        interpolate(text, &values).unwrap()
    }

    #[test]
    fn without_a_format_one_value_is_bare_and_many_are_quoted() {
        assert_eq!(made("'$one'"), "'it''s \"x\"'");
        assert_eq!(made("IN ($many)"), "IN ('a','it''s')");
        assert_eq!(made("${all}"), "anything");
    }

    #[test]
    fn formats_are_those_of_the_documentation() {
        assert_eq!(made("${many:sqlstring} ${one:sqlstring}"), "'a','it''s' 'it''s \\\"x\\\"'");
        assert_eq!(made("${many:csv}|${many:raw}|${all:sqlstring}"), "a,it's|a,it's|anything");
        let values = Values::from([("one".to_owned(), Chosen::One(String::new()))]);
        assert!(interpolate("${one:glob}", &values).is_err());
    }

    #[test]
    fn macros_and_other_texts_are_left() {
        for text in ["$__timeFilter(at)", "${__data.fields.x}", "'^[0-9]{1,18}$'", "$other $"] {
            assert_eq!(made(text), text);
        }
    }
}
