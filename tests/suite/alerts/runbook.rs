//! docs/runbook.md: a section for each rule, with the same four parts, and commands and queries
//! that are understood.

use super::shipped::{POSTGRESQL, PROMETHEUS, rules};
use super::{charges, reader, succeed};
use crate::harness::{Ledger, Listing};
use clap::Parser as _;
use payment_monitor::cli::Cli;
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const RUN: &str = "01a20885-bce3-7583-980b-1b3816e9c8e2";

/// Heading and text of each section.
fn sections() -> Vec<(&'static str, &'static str)> {
    RUNBOOK.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

#[test]
fn every_rule_has_a_section_with_four_parts_and_every_section_a_rule() {
    let all: Vec<_> = rules(POSTGRESQL).into_iter().chain(rules(PROMETHEUS)).collect();
    let sections = sections();
    for rule in &all {
        let text = sections.iter().find(|(heading, _)| *heading == rule.uid);
        let (_, text) = text.unwrap_or_else(|| panic!("no section {}", rule.uid));
        let parts = ["Meaning", "Impact", "Diagnosis", "Mitigation"];
        let places = parts.map(|part| text.find(&format!("**{part}.**")));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", rule.uid);
        let link = &rule.annotations["runbook_url"];
        let (page, anchor) = link.split_once('#').unwrap();
        assert!(page.starts_with("https://") && page.ends_with("/docs/runbook.md"), "{link}");
        assert_eq!(anchor, rule.uid);
    }
    assert_eq!(sections.len(), all.len());
}

#[test]
fn every_command_is_one_of_the_programs() {
    let spans = RUNBOOK.split('`').skip(1).step_by(2);
    let commands: Vec<String> = spans
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|span| span.starts_with("payment-monitor "))
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let told = command
            .replace("...", "--by NAME --reason TEXT")
            .replace(" RUN", &format!(" {RUN}"))
            .replace(" ID", " 332")
            .replace(" RULE", " many_failures");
        if let Err(error) = Cli::try_parse_from(told.split(' ')) {
            panic!("{command}: {error}");
        }
    }
}

/// The queries of a section.
pub(super) fn queries(heading: &str) -> Vec<String> {
    let sections = sections();
    let (_, text) = sections.iter().find(|(found, _)| *found == heading).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    let block = lines.collect::<Vec<_>>().join("\n").replace("'RUN'", &format!("'{RUN}'"));
    block.split(';').filter(|query| !query.trim().is_empty()).map(str::to_owned).collect()
}

/// Of those on the database's own statistics only what PostgreSQL 15 has, and anybody may ask.
#[tokio::test]
async fn every_query_runs_as_a_reader() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(2))).await;
    let mut reader = reader(&mut ledger).await;
    let mut asked = 0;
    for (heading, _) in sections() {
        for query in queries(heading) {
            let answer = reader.fetch_all(AssertSqlSafe(query.clone()).into_sql_str()).await;
            answer.unwrap_or_else(|error| panic!("{heading}: {error}: {query}"));
            asked += 1;
        }
    }
    assert!(asked > 12, "{asked}");
}
