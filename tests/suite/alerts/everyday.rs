//! Every rule that asks PostgreSQL, whatever it asks: on a database in which nothing has happened,
//! on a company where all is well, and in the form that Grafana needs.

use super::shipped::{POSTGRESQL, rules};
use super::{charges, columns, is_silent, reader, succeed};
use crate::harness::{Ledger, Listing};
use std::collections::BTreeSet;

/// The scenarios' own text: what is not called there is not tested.
const SCENARIOS: [&str; 4] = [
    include_str!("ledger.rs"),
    include_str!("payments.rs"),
    include_str!("runs.rs"),
    include_str!("everyday.rs"),
];

#[test]
fn every_rule_has_a_scenario_in_which_it_fires_and_one_in_which_it_resolves() {
    for rule in rules(POSTGRESQL) {
        for call in ["fires", "is_silent"] {
            let call = format!("{call}(&mut ledger, \"{}\"", rule.uid);
            let calls = SCENARIOS.iter().filter(|text| text.contains(&call)).count();
            let is_database = rule.uid == "database-unreachable"; // below
            assert!(calls > 0 || is_database, "no scenario has `{call}`");
        }
    }
}

#[tokio::test]
async fn a_query_has_one_number_and_text_beside_it_and_annotations_name_its_columns() {
    let mut ledger = Ledger::empty().await;
    let mut reader = reader(&mut ledger).await;
    for rule in rules(POSTGRESQL) {
        let mut labels = BTreeSet::new();
        for ref_id in ["A", "V"] {
            let Some(sql) = rule.find(ref_id) else { continue };
            let columns = columns(&mut reader, sql).await;
            let (text, numbers): (Vec<_>, Vec<_>) =
                columns.into_iter().partition(|(_, name)| name == "TEXT");
            assert_eq!(numbers.len(), 1, "{} {ref_id}: {numbers:?}", rule.uid);
            let number = numbers[0].1.as_str();
            assert!(matches!(number, "INT4" | "INT8" | "FLOAT8"), "{}: {number}", rule.uid);
            labels.extend(text.into_iter().map(|(name, _)| name));
        }
        for used in rule.labels_used() {
            assert!(labels.contains(&used), "{}: $labels.{used} is in {labels:?}", rule.uid);
        }
        // A label of the rule and a column of the same name: Grafana takes the one and warns.
        let both: Vec<_> = rule.labels.keys().filter(|name| labels.contains(*name)).collect();
        assert!(both.is_empty(), "{}: {both:?}", rule.uid);
        let is_severe = rule.labels.contains_key("severity") || labels.contains("severity");
        assert!(is_severe && rule.labels.contains_key("area"), "{}", rule.uid);
    }
}

#[tokio::test]
async fn where_nothing_has_happened_only_the_dead_man_speaks() {
    let mut ledger = Ledger::empty().await;
    for rule in rules(POSTGRESQL).iter().filter(|rule| rule.uid != "run-missed") {
        is_silent(&mut ledger, &rule.uid).await;
    }
    super::fires(&mut ledger, "run-missed", &[]).await;
}

#[tokio::test]
async fn at_a_healthy_company_every_rule_is_silent() {
    let mut ledger = Ledger::with_users(3).await;
    let listing = |n: i64| {
        let mut charges = charges(n);
        charges[4] = charges[4].clone().failed("expired_card");
        Listing::of(charges)
    };
    for n in 30..36 {
        succeed(&ledger, &listing(n)).await;
    }
    for rule in rules(POSTGRESQL) {
        is_silent(&mut ledger, &rule.uid).await;
    }
}

/// What can only be silent as long as there is an answer fires when there is none. The others wait.
#[tokio::test]
async fn without_an_answer_the_data_sources_own_rule_and_the_dead_man_fire() {
    let mut ledger = Ledger::empty().await;
    is_silent(&mut ledger, "database-unreachable").await;
    for rule in rules(POSTGRESQL) {
        let fires = ["database-unreachable", "run-missed"].contains(&rule.uid.as_str());
        let expected = if fires { ("Alerting", "Alerting") } else { ("OK", "KeepLast") };
        assert_eq!((&*rule.no_data, &*rule.on_error), expected, "{}", rule.uid);
    }
    // In this order, so that what is told first is the cause.
    let pending = |uid: &str| super::shipped::rule(uid).pending;
    assert_eq!((&*pending("database-unreachable"), &*pending("run-missed")), ("2m", "5m"));
}
