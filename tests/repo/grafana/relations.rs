//! What SQL in Grafana reads: views and functions that a migration creates, and no table. Not a
//! parser; it knows where the names of relations stand.

use std::collections::BTreeSet;

use super::queries::{self, Language};
use super::words;
use crate::files::files;

/// `FROM` is no clause in the arguments of these, nor after `DISTINCT`.
const FROM_INSIDE: [&str; 4] = ["extract", "substring", "trim", "overlay"];

#[test]
fn sql_reads_views_and_functions_of_the_migrations_only() {
    let created = Created::by(&migrations());
    let sql = queries::all().into_iter().filter(|query| query.language == Language::Sql);
    crate::assert_none(sql.flat_map(|query| {
        let faults = created.faults(&query.text).into_iter();
        faults.map(move |fault| format!("{}: {fault}", query.place))
    }));
}

fn migrations() -> String {
    let files = files(&["sql"]).into_iter().filter(|file| file.is_under("migrations"));
    let mut files: Vec<_> = files.collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.into_iter().map(|file| file.text).collect::<Vec<_>>().join("\n")
}

struct Created {
    views: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Created {
    fn by(migrations: &str) -> Self {
        let named = |what: &str| {
            let mut names = BTreeSet::new();
            let tokens = tokens(migrations);
            for at in 0..tokens.len() {
                let is = |offset: usize, word: &str| {
                    tokens.get(at + offset).is_some_and(|token| token.eq_ignore_ascii_case(word))
                };
                let name = |offset: usize| tokens.get(at + offset).unwrap_or(&"").to_string();
                if is(0, "CREATE") && is(1, what) {
                    names.insert(name(2));
                } else if is(0, "CREATE") && is(1, "OR") && is(3, what) {
                    names.insert(name(4));
                } else if is(0, "DROP") && is(1, what) {
                    names.remove(&name(2));
                }
            }
            names
        };
        Self { views: named("VIEW"), functions: named("FUNCTION") }
    }

    fn faults(&self, sql: &str) -> Vec<String> {
        let sql = without_quoted(sql);
        let common = common_tables(&sql);
        let mut faults: Vec<String> = relations(&sql)
            .into_iter()
            .filter(|name| !self.views.contains(*name) && !common.contains(name))
            .map(|name| format!("{name} is no view of ours"))
            .collect();
        let ours = |name: &&str| name.starts_with("payment_") && !self.views.contains(*name);
        let called = words(&sql).into_iter().filter(|(at, name)| {
            sql[at + name.len()..].starts_with('(') && ours(name) && !self.functions.contains(*name)
        });
        faults.extend(called.map(|(_, name)| format!("{name}() is no function of ours")));
        faults
    }
}

/// Words and single other characters; comments are left out.
fn tokens(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in sql.lines() {
        let line = line.split("--").next().unwrap_or_default();
        let mut at = 0;
        for (start, word) in words(line).into_iter().chain([(line.len(), "")]) {
            let between = line[at..start].char_indices();
            let other = between.filter(|(_, character)| !character.is_whitespace());
            found.extend(
                other.map(|(offset, character)| {
                    &line[at + offset..at + offset + character.len_utf8()]
                }),
            );
            found.push(word);
            at = start + word.len();
        }
    }
    found.retain(|token| !token.is_empty());
    found
}

/// Comments, texts and names in quotes can say anything, also `from`.
fn without_quoted(sql: &str) -> String {
    let lines: Vec<&str> =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let replaced =
        |sql: &str, quote: char, by: &str| sql.split(quote).step_by(2).collect::<Vec<_>>().join(by);
    replaced(&replaced(&lines.join("\n"), '\'', "''"), '"', "quoted")
}

/// `WITH name AS (` and `, name AS (`.
fn common_tables(sql: &str) -> BTreeSet<&str> {
    let tokens = tokens(sql);
    let is = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word))
    };
    let named = (1..tokens.len()).filter(|&at| {
        let opens = is(at - 1, "WITH") || is(at - 1, ",") || is(at - 1, "RECURSIVE");
        let follows = is(at + 1, "AS") && (is(at + 2, "(") || is(at + 2, "MATERIALIZED"));
        opens && follows
    });
    named.map(|at| tokens[at]).collect()
}

/// The relations behind `FROM` and `JOIN`, and behind the commas of a `FROM`.
fn relations(sql: &str) -> Vec<&str> {
    let tokens = tokens(sql);
    let mut found = Vec::new();
    // What stands before each open parenthesis, and whether a list of relations goes on in it.
    let mut open: Vec<(&str, bool)> = vec![("", false)];
    let mut expects = false;
    for (at, &token) in tokens.iter().enumerate() {
        let before = if at == 0 { "" } else { tokens[at - 1] };
        let (caller, _) = *open.last().expect("one that is never closed");
        let in_function = FROM_INSIDE.iter().any(|name| caller.eq_ignore_ascii_case(name));
        let upper = token.to_ascii_uppercase();
        let was_expected = std::mem::take(&mut expects);
        match upper.as_str() {
            "(" => open.push((before, false)),
            ")" if open.len() > 1 => drop(open.pop()),
            "FROM" if in_function || before.eq_ignore_ascii_case("DISTINCT") => {}
            "FROM" | "JOIN" => {
                expects = true;
                open.last_mut().expect("one").1 = true;
            }
            "," if open.last().expect("one").1 => expects = true,
            "LATERAL" | "ONLY" if was_expected => expects = true,
            "WHERE" | "GROUP" | "ORDER" | "LIMIT" | "UNION" | "SELECT" | "HAVING" => {
                open.last_mut().expect("one").1 = false;
            }
            _ if was_expected => {
                let calls = tokens.get(at + 1) == Some(&"(");
                if !calls {
                    found.push(token);
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn relations_are_told_from_all_else_that_follows_from() {
    let sql = "WITH latest AS (SELECT 1 FROM a), more AS (SELECT 2) -- a comment's FROM\n\
               SELECT extract(epoch FROM t), 'FROM text', x IS DISTINCT FROM y, z AS \"From\"\n\
               FROM b AS x, c, LATERAL jsonb_each(d), (SELECT e, f FROM g) AS h\n\
               JOIN latest USING (i, j) LEFT JOIN k ON true WHERE l IN (m, n) ORDER BY o, p";
    assert_eq!(relations(&without_quoted(sql)), ["a", "b", "c", "g", "latest", "k"]);
    assert_eq!(common_tables(sql), BTreeSet::from(["latest", "more"]));
}

#[test]
fn a_table_a_misspelt_view_and_a_misspelt_function_are_found() {
    let created = Created::by(
        "CREATE TABLE payment_monitor_jobs (id uuid);\nCREATE VIEW old AS SELECT 1;\n\
         DROP VIEW old;\nCREATE OR REPLACE VIEW run_summary AS SELECT 1;\n\
         CREATE FUNCTION payment_monitor_id_at(m timestamptz) RETURNS uuid",
    );
    let fine = "SELECT * FROM run_summary WHERE run_id > payment_monitor_id_at(now())";
    assert_eq!(created.faults(fine), Vec::<String>::new());
    for (sql, fault) in [
        ("SELECT * FROM payment_monitor_jobs", "payment_monitor_jobs is no view of ours"),
        ("SELECT * FROM run_sumary", "run_sumary is no view of ours"),
        ("SELECT * FROM old", "old is no view of ours"),
        ("SELECT payment_monitor_id_of(now())", "payment_monitor_id_of() is no function of ours"),
    ] {
        assert_eq!(created.faults(sql), [fault]);
    }
}
