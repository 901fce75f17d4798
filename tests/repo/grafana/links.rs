//! Links between dashboards: each leads to one of ours, and sets variables that it has. They are
//! in data links, in what queries return, and in alerts' annotations.

use std::collections::{BTreeMap, BTreeSet};

use super::variables::defined;
use super::{Document, dashboards, provisioning, strings, text};

#[test]
fn every_link_leads_to_a_dashboard_and_sets_its_variables() {
    let dashboards = dashboards();
    let targets = targets(&dashboards);
    let others = [provisioning("alerting"), provisioning("datasources")];
    let documents = dashboards.iter().chain(others.iter().flatten());
    crate::assert_none(documents.flat_map(|document| {
        let faults = faults(document, &targets).into_iter();
        faults.map(|fault| format!("{}: {fault}", document.path)).collect::<Vec<_>>()
    }));
}

type Targets<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn targets(dashboards: &[Document]) -> Targets<'_> {
    dashboards.iter().map(|file| (text(&file.value, "uid"), defined(file))).collect()
}

fn faults(document: &Document, targets: &Targets) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, text) in strings(&document.value) {
        for text in alternatives(text) {
            for (uid, variables) in links(&text) {
                let Some(known) = targets.get(uid) else {
                    faults.push(format!("{place}: there is no dashboard {uid}"));
                    continue;
                };
                let unknown = variables.into_iter().filter(|name| !known.contains(name));
                faults.extend(unknown.map(|name| format!("{place}: {uid} has no variable {name}")));
            }
        }
    }
    faults
}

/// What a template may become: with either part of each `{{ if }}a{{ else }}b{{ end }}`.
fn alternatives(text: &str) -> Vec<String> {
    let parts = text.split_once("{{ if ").and_then(|(before, rest)| {
        let (_, rest) = rest.split_once("}}")?;
        let (one, rest) = rest.split_once("{{ else }}")?;
        let (other, after) = rest.split_once("{{ end }}")?;
        Some((before, [one, other], after))
    });
    let Some((before, either, after)) = parts else {
        return vec![text.to_owned()];
    };
    either.iter().flat_map(|part| alternatives(&format!("{before}{part}{after}"))).collect()
}

/// The uid behind each `d/`, and the names behind `var-` up to the next one.
fn links(text: &str) -> Vec<(&str, Vec<&str>)> {
    let starts: Vec<usize> = text
        .match_indices("d/")
        .map(|(at, _)| at)
        .filter(|at| !text[..*at].ends_with(|before: char| before.is_ascii_alphanumeric()))
        .filter(|at| text[at + 2..].starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let links = starts.iter().zip(ends).map(|(start, end)| {
        let link = &text[start + 2..end];
        let variables =
            link.match_indices("var-").map(|(at, found)| name(&link[at + found.len()..]));
        (name(link), variables.collect())
    });
    links.collect()
}

fn name(text: &str) -> &str {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    &text[..text.find(|character| !is_part(character)).unwrap_or(text.len())]
}

#[test]
fn a_link_to_nowhere_and_one_with_a_wrong_variable_are_found() {
    let run = serde_json::json!({
        "uid": "run",
        "templating": {"list": [{"name": "run"}]},
        "url": "/d/run?var-run=${__value.raw}&from=1",
        "sql": "SELECT '<a href=\"/d/run?var-ran=' || run_id || '\">' AS text",
        "dashboard": "{{ if $labels.user }}d/user?var-user=1{{ else }}d/run{{ end }}",
        "choice": "d/run?var-{{ if $a }}run{{ else }}ruin{{ end }}={{ $labels.run_id }}",
        "prose": "and/or https://example.org/end/",
    });
    let documents = [Document { path: "x".into(), value: run }];
    let mut faults = faults(&documents[0], &targets(&documents));
    faults.sort();
    let expected = [
        "choice: run has no variable ruin",
        "dashboard: there is no dashboard user",
        "sql: run has no variable ran",
    ];
    assert_eq!(faults, expected);
}
