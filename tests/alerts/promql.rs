//! The rules that ask Prometheus: their own expressions, lifted from the shipped files, in promtool
//! with made-up series (`*.yaml` beside this file).

use crate::shipped::{POSTGRESQL, PROMETHEUS, Rule, rules};
use crate::{attempt, here, tool};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[derive(Deserialize)]
struct Scenarios {
    tests: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    alert_rule_test: Vec<Expectation>,
}

/// What is to fire at a time. The order in the file is that of time.
#[derive(Deserialize)]
struct Expectation {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    exp_labels: BTreeMap<String, String>,
}

fn files() -> Vec<PathBuf> {
    let all = std::fs::read_dir(here("")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(files.len() > 2, "{files:?}");
    files
}

/// Grafana fires where A is above 0.
fn lifted(rule: &Rule) -> Value {
    json!({
        "alert": rule.uid, "expr": format!("({}) > 0", rule.query("A")), "for": rule.pending,
        "keep_firing_for": rule.kept, "labels": rule.labels,
    })
}

fn write_rules(folder: &Path, rules: &[Value]) {
    let groups = json!({ "groups": [{ "name": "lifted", "rules": rules }] });
    std::fs::write(folder.join("rules.yaml"), groups.to_string()).unwrap();
}

#[test]
#[ignore = "needs promtool: stack/alerts"]
fn every_scenario_fires_is_silent_and_resolves_as_it_says() {
    let folder = TempDir::new().unwrap();
    write_rules(folder.path(), &rules(PROMETHEUS).iter().map(lifted).collect::<Vec<_>>());
    for file in files() {
        let name = file.file_name().unwrap();
        std::fs::copy(&file, folder.path().join(name)).unwrap();
        tool("promtool", folder.path(), &["test", "rules", name.to_str().unwrap()]);
    }
}

/// The scenarios would say nothing of a rule whose expression doesn't matter to them.
#[test]
#[ignore = "needs promtool: stack/alerts"]
fn a_rule_that_always_or_never_fires_breaks_its_scenarios() {
    for (expr, spared) in [("vector(1)", "heartbeat"), ("vector(0) > 1", "")] {
        let folder = TempDir::new().unwrap();
        let broken = rules(PROMETHEUS).into_iter().map(|rule| {
            let mut lifted = lifted(&rule);
            lifted["expr"] = json!(expr);
            lifted
        });
        write_rules(folder.path(), &broken.collect::<Vec<_>>());
        let mut told = String::new();
        for file in files() {
            let name = file.file_name().unwrap().to_str().unwrap();
            std::fs::copy(&file, folder.path().join(name)).unwrap();
            told += &attempt("promtool", folder.path(), &["test", "rules", name]).1;
        }
        for rule in rules(PROMETHEUS).iter().filter(|rule| rule.uid != spared) {
            let failure = format!("alertname: {},", rule.uid);
            assert!(told.contains(&failure), "{} passes as {expr}:\n{told}", rule.uid);
        }
    }
}

#[test]
fn every_rule_has_scenarios_in_which_it_is_silent_fires_and_resolves() {
    let scenarios: Vec<Scenario> = files()
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            serde_saphyr::from_str::<Scenarios>(&text).unwrap().tests
        })
        .collect();
    let told = |scenario: &Scenario, uid: &str| -> Vec<bool> {
        let of_rule = scenario.alert_rule_test.iter().filter(|test| test.alertname == uid);
        of_rule.map(|test| !test.exp_alerts.is_empty()).collect()
    };
    let all = rules(PROMETHEUS);
    for rule in &all {
        let fires: Vec<Vec<bool>> = scenarios.iter().map(|s| told(s, &rule.uid)).collect();
        assert!(fires.iter().flatten().any(|fires| *fires), "{} never fires", rule.uid);
        let resolves = fires.iter().any(|times| times.windows(2).any(|two| two == [true, false]));
        let has_silence = fires.iter().flatten().any(|fires| !fires);
        let is_heartbeat = rule.uid == "heartbeat";
        assert!(is_heartbeat || (has_silence && resolves), "{} never resolves", rule.uid);
    }
    for test in scenarios.iter().flat_map(|scenario| &scenario.alert_rule_test) {
        let rule = all.iter().find(|rule| rule.uid == test.alertname);
        let rule = rule.unwrap_or_else(|| panic!("there is no rule {}", test.alertname));
        for alert in &test.exp_alerts {
            for used in rule.labels_used() {
                // What the text asks for first may be missing.
                let asked = format!("{{{{ if $labels.{used} }}}}");
                let has = alert.exp_labels.contains_key(&used)
                    || rule.annotations.values().any(|text| text.contains(&asked));
                assert!(has, "{}: $labels.{used} is in {:?}", rule.uid, alert.exp_labels);
            }
        }
    }
}

/// Prometheus' templates are Grafana's but for `$values`.
#[test]
#[ignore = "needs promtool: stack/alerts"]
fn every_annotation_is_a_template() {
    let folder = TempDir::new().unwrap();
    let all = rules(PROMETHEUS).into_iter().chain(rules(POSTGRESQL));
    let told: Vec<Value> = all
        .map(|rule| {
            let mut annotations = BTreeMap::new();
            for (name, text) in &rule.annotations {
                for value in text.split("$values.").skip(1) {
                    let ref_id = value.split(['.', ' ']).next().unwrap();
                    assert!(rule.find(ref_id).is_some(), "{}: no query {ref_id}", rule.uid);
                }
                // A value, or whether there is one.
                let values = ["$values.A.Value", "$values.V.Value", "$values.V"];
                let text = values.iter().fold(text.clone(), |text, v| text.replace(v, "$value"));
                annotations.insert(name.clone(), text);
            }
            json!({ "alert": rule.uid, "expr": "vector(1)", "annotations": annotations })
        })
        .collect();
    write_rules(folder.path(), &told);
    tool("promtool", folder.path(), &["check", "rules", "--lint=none", "rules.yaml"]);
}
