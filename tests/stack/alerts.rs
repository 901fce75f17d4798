//! The `PromQL` of the alert rules in front of the real servers: promtool's scenarios make their
//! series up, so only here a misspelt metric shows. And where it is known, who fires and who not.

use crate::asking::until;
use crate::checks::Checks;
use crate::grafana::{list, text};
use crate::servers::repository;
use serde_json::Value;

/// Loki has refused a line for good; the heartbeat is for ever.
const FIRING: [&str; 2] = ["backend-refuses-data", "heartbeat"];
/// All servers are there, and the last run has just succeeded. What hosts do is not up to a test.
const SILENT: [&str; 5] = [
    "agent-silent",
    "postgresql-down",
    "postgresql-connections",
    "postgresql-replication-lag",
    "run-missed-prometheus",
];

/// A rule's queries to Prometheus; the first decides, and says 0 or 1.
pub struct Rule {
    pub uid: String,
    queries: Vec<String>,
}

/// Of every file, so none where there is none.
pub fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    let Ok(folder) = std::fs::read_dir(repository("grafana/provisioning/alerting")) else {
        return rules;
    };
    for file in folder.map(|entry| entry.unwrap().path()) {
        let file = std::fs::read_to_string(file).unwrap();
        let file: Value = serde_saphyr::from_str(&file).unwrap();
        for rule in list(&file["groups"]).iter().flat_map(|group| list(&group["rules"])) {
            let data = list(&rule["data"]);
            let asked = data.iter().filter(|q| q["datasourceUid"] == "payment-monitor-prometheus");
            let queries: Vec<_> = asked.map(|query| text(&query["model"]["expr"])).collect();
            if !queries.is_empty() {
                rules.push(Rule { uid: text(&rule["uid"]), queries });
            }
        }
    }
    assert!(rules.len() >= 10, "{} rules", rules.len());
    rules
}

pub async fn assert_each_reads_what_is_there(checks: &Checks<'_>, rules: &[Rule]) {
    for rule in rules {
        until(&rule.uid, async || check(checks, rule).await).await;
    }
    let planted = |uid: &str, query: &str| Rule { uid: uid.into(), queries: vec![query.into()] };
    for (rule, fault) in [
        (planted("misspelt", "max(system_memory_limit_byte) > bool 1"), "is not there"),
        (planted("no-number", "max(system_memory_limit_bytes)"), "neither 0 nor 1"),
        (planted("agent-silent", "vector(1)"), "fires: true"),
        (planted("heartbeat", "vector(0)"), "fires: false"),
        (planted("silent-for-ever", "up{job=\"backend\"} > bool 1"), "no data"),
    ] {
        let found = check(checks, &rule).await.expect_err(fault);
        assert!(found.contains(fault), "{found:?} instead of {fault:?}");
    }
}

async fn check(checks: &Checks<'_>, rule: &Rule) -> Result<(), String> {
    let fault = |fault| format!("{}: {fault}", rule.uid);
    for (query, is_condition) in rule.queries.iter().zip([true, false]) {
        let values = checks.rule(query).await.map_err(fault)?;
        if !is_condition {
            continue;
        }
        if let Some(other) = values.iter().find(|value| !["0", "1"].contains(&value.as_str())) {
            return Err(fault(format!("neither 0 nor 1: {other}")));
        }
        let (fires, uid) = (values.iter().any(|value| value == "1"), rule.uid.as_str());
        if (FIRING.contains(&uid) && !fires) || (SILENT.contains(&uid) && fires) {
            return Err(fault(format!("fires: {fires}")));
        }
    }
    Ok(())
}
