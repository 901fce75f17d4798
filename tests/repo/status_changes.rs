//! docs/status-changes.md against the code: every cell of its status tables, every kind and every
//! reason. Nothing is read from the document that the code does not say.

use payment_monitor::domain::discrepancy::KINDS;
use payment_monitor::domain::record::StatusChange;
use payment_monitor::domain::{Reason, payment, subscription};

use crate::files::root;

const REASONS: [Reason; 10] = [
    Reason::MaxDeletes,
    Reason::NeedsApproval,
    Reason::Unproven,
    Reason::NeverMade,
    Reason::Duplicate,
    Reason::UnknownCustomer,
    Reason::NewerInLedger,
    Reason::Conflict,
    Reason::Failed,
    Reason::Contended,
];

#[test]
fn every_status_change_of_a_payment_is_as_documented() {
    check("## Status changes of a payment", payment::status_change, 16);
}

#[test]
fn every_status_change_of_a_subscription_is_as_documented() {
    check("## Status changes of a subscription", subscription::status_change, 18);
}

#[test]
fn every_kind_and_every_reason_is_documented_in_its_order() {
    let first = |heading| table(heading).into_iter().skip(1).map(|row| row[0].clone());
    let kinds: Vec<String> = first("## Kinds of discrepancy").collect();
    assert_eq!(kinds, KINDS.map(|kind| kind.to_string()));
    let reasons: Vec<String> = first("## Reasons why a discrepancy is left").collect();
    assert_eq!(reasons, REASONS.map(|reason| reason.to_string()));
}

fn check(heading: &str, rule: fn(&str, &str) -> StatusChange, cells: usize) {
    let rows = table(heading);
    let (head, body) = rows.split_first().expect("a head and rows");
    let known: Vec<&str> = body.iter().map(|row| row[0].as_str()).collect();
    let mut checked = 0;
    for row in body {
        let from = word(&row[0], "an unknown word");
        for (column, cell) in head.iter().zip(row).skip(1) {
            for to in targets(column, &known, &head[1..]) {
                let to = word(to, "another unknown word");
                if cell == "same" {
                    assert_eq!(row[0], *column, "{heading}: only the same is the same");
                } else if from != to {
                    assert_eq!(rule(from, to), change(cell), "{heading}: {from} -> {to}");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, cells, "{heading}: cells");
}

/// `any other` is every status of the rows that has no column of its own.
fn targets<'a>(column: &'a str, known: &[&'a str], columns: &[String]) -> Vec<&'a str> {
    if column != "any other" {
        return vec![column];
    }
    known.iter().copied().filter(|status| !columns.iter().any(|c| c == status)).collect()
}

fn word<'a>(status: &'a str, unknown: &'a str) -> &'a str {
    if status == "other" { unknown } else { status }
}

fn change(cell: &str) -> StatusChange {
    match cell {
        "applied" => StatusChange::Applied,
        "approval" => StatusChange::NeedsApproval,
        "never" => StatusChange::Never,
        cell => panic!("no such change: {cell:?}"),
    }
}

/// The cells of the first table below a heading, without the line of dashes.
fn table(heading: &str) -> Vec<Vec<String>> {
    let path = root().join("docs/status-changes.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let (_, section) = text.split_once(&format!("{heading}\n")).expect("its heading");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let row = |line: &str| line.trim_matches('|').split('|').map(cell).collect();
    lines.filter(|line| !line.starts_with("|--")).map(row).collect()
}
