//! docs/runbook.md: a section for each alert, and none for an alert that is gone.

use std::collections::BTreeSet;

use super::{provisioning, rules, text};
use crate::files::root;

/// What whoever was woken up asks, in this order.
const PARTS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];

#[test]
fn every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() {
    let alerting = provisioning("alerting");
    let rules = rules(&alerting);
    let uids: BTreeSet<&str> = rules.iter().map(|rule| text(rule, "uid")).collect();
    let runbook = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap_or_default();
    crate::assert_none(faults(&runbook, &uids));
}

#[test]
fn alerts_lead_to_their_section_at_one_address() {
    let alerting = provisioning("alerting");
    let rules = rules(&alerting);
    let addresses: BTreeSet<&str> = rules
        .iter()
        .map(|rule| text(&rule["annotations"], "runbook_url").split('#').next().unwrap_or_default())
        .collect();
    assert!(addresses.len() <= 1, "{addresses:?}");
    crate::assert_none(rules.iter().filter_map(|rule| {
        let (uid, url) = (text(rule, "uid"), text(&rule["annotations"], "runbook_url"));
        (!url.ends_with(&format!("docs/runbook.md#{uid}"))).then(|| format!("{uid}: {url}"))
    }));
}

fn faults(runbook: &str, uids: &BTreeSet<&str>) -> Vec<String> {
    let sections: Vec<(&str, &str)> = sections(runbook);
    let titles: BTreeSet<&str> = sections.iter().map(|(title, _)| *title).collect();
    let missing = uids.difference(&titles).map(|uid| format!("no section {uid}"));
    let left = titles.difference(uids).map(|title| format!("no alert {title}"));
    let mut faults: Vec<String> = missing.chain(left).collect();
    for (title, section) in sections {
        let at = PARTS.map(|part| {
            section.find(&format!("**{part}**")).or_else(|| {
                section.find(&format!("**{part}.**")).or(section.find(&format!("**{part}:**")))
            })
        });
        for (part, _) in PARTS.iter().zip(at).filter(|(_, at)| at.is_none()) {
            faults.push(format!("{title}: no {part}"));
        }
        if at.iter().all(Option::is_some) && !at.is_sorted() {
            faults.push(format!("{title}: the parts are not in the order of {PARTS:?}"));
        }
    }
    faults
}

/// The titles and texts of the sections of second order.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let sections = text.split("\n## ").skip(1);
    sections.map(|section| section.split_once('\n').unwrap_or((section, ""))).collect()
}

#[test]
fn a_missing_section_one_too_many_and_a_missing_part_are_found() {
    let whole = "**Meaning** a **Impact** b **Diagnosis** c **Mitigation** d";
    let runbook = format!("# Runbook\n\n## run-failed\n{whole}\n\n## run-mist\n**Meaning** only");
    let uids = BTreeSet::from(["run-failed", "run-missed"]);
    let expected = [
        "no section run-missed",
        "no alert run-mist",
        "run-mist: no Impact",
        "run-mist: no Diagnosis",
        "run-mist: no Mitigation",
    ];
    assert_eq!(faults(&runbook, &uids), expected);
}
