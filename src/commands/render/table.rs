//! Lists as tables: runs and discrepancies.
//!
//! No colour and no borders but a rule below the head; numbers stand to the right. Where a
//! narrow terminal has no room for every column, the less needed ones are left out or move
//! below, and ids stay whole, because people copy them.

use super::figures::{count, day, duration, minute};
use super::line::{self, Line};
use super::summary::stands;
use crate::domain::run::Summary;
use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::time::Duration;

/// From this width on, tables have all their columns.
pub(super) const WIDE: usize = 124;

/// A discrepancy that is left for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDiscrepancy {
    pub kind: String,
    pub subject: String,
    pub provider_id: String,
    pub user_id: Option<i64>,
    pub reason: String,
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

/// Runs, in the order given.
pub fn runs(runs: &[Summary], width: usize) -> String {
    if runs.is_empty() {
        return line::text([Line::new().text("No runs yet.")], width);
    }
    let table = if width < WIDE { runs_narrow(runs, width) } else { runs_wide(runs, width) };
    let dead = runs.iter().filter(|run| run.needs_rescue == Some(true));
    let notes = dead.flat_map(|run| {
        let open = count(run.operations.open);
        let first = format!("The process of run {} is gone, {open} operations", run.run_id);
        let then = "are still open. The next run, or `payment-monitor rescue`, ends it.";
        [Line::new().text(first), Line::new().text(then)]
    });
    table + &line::text(notes, width)
}

fn took(run: &Summary) -> String {
    run.duration_ms.map_or("-".to_owned(), |ms| duration(Duration::from_millis(ms)))
}

fn runs_wide(runs: &[Summary], width: usize) -> String {
    let head = [
        "<RUN",
        "<STARTED (UTC)",
        ">TOOK",
        "<STATUS",
        ">PLANNED",
        ">APPLIED",
        ">FAILED",
        ">CONFLICT",
        ">WITHHELD",
    ];
    let rows = runs.iter().map(|run| {
        vec![
            run.run_id.clone(),
            minute(run.started_at),
            took(run),
            stands(run).to_string(),
            count(run.operations.planned),
            count(run.operations.applied),
            count(run.operations.failed),
            count(run.operations.conflict),
            count(run.withheld_deletes),
        ]
    });
    table(&head, rows, width)
}

/// A second line below each run says what the missing columns would.
fn runs_narrow(runs: &[Summary], width: usize) -> String {
    let head = ["<RUN", "<STARTED (UTC)", "<STATUS", ">TOOK"];
    let rows = runs.iter().map(|run| {
        let counts = run.operations;
        let some = |number: u64, what: &str| match number {
            0 => String::new(),
            number => format!("{} {what}", count(number)),
        };
        let done = match counts.planned {
            0 => "  nothing planned".to_owned(),
            planned => format!("  {} of {} applied", count(counts.applied), count(planned)),
        };
        let wrong = [some(counts.failed, "failed"), some(counts.conflict, "conflict")];
        let wrong: Vec<String> = wrong.into_iter().filter(|text| !text.is_empty()).collect();
        let withheld = some(run.withheld_deletes, "withheld");
        vec![
            format!("{}\n{done}", run.run_id),
            format!("{}\n{}", minute(run.started_at), wrong.join("\n")),
            format!("{}\n{withheld}", stands(run)),
            took(run),
        ]
    });
    table(&head, rows, width)
}

/// What is left for a person, in the order given.
pub fn discrepancies(open: &[OpenDiscrepancy], width: usize) -> String {
    if open.is_empty() {
        return line::text([Line::new().text("Nothing is left for a person.")], width);
    }
    if width < WIDE {
        let head = ["<RECORD", "<KIND", "<LEFT BECAUSE", ">SINCE"];
        let rows = open.iter().map(|d| {
            let since = day(d.first_seen.date_naive());
            vec![d.provider_id.clone(), d.kind.clone(), d.reason.clone(), since]
        });
        return table(&head, rows, width);
    }
    let head =
        ["<RECORD", "<SUBJECT", ">USER", "<KIND", "<LEFT BECAUSE", "<FIRST SEEN", "<LAST SEEN"];
    let rows = open.iter().map(|d| {
        vec![
            d.provider_id.clone(),
            d.subject.clone(),
            d.user_id.map_or("-".to_owned(), |id| id.to_string()),
            d.kind.clone(),
            d.reason.clone(),
            minute(d.first_seen),
            minute(d.last_seen),
        ]
    });
    table(&head, rows, width)
}

/// Heads begin with `<` or `>`: on which side the column stands.
pub(super) fn table(
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    width: usize,
) -> String {
    let rule = comfy_table::LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Disabled)
        .load_style(presets::NOTHING.header_separator(rule))
        .set_header(head.iter().map(|name| &name[1..]))
        .add_rows(rows.map(|row| row.iter().map(|cell| clean(cell)).collect::<Vec<_>>()));
    for (column, name) in table.column_iter_mut().zip(head) {
        column.set_padding((0, 1));
        if name.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    line::text(table.lines().map(|row| Line::new().text(row)), width)
}

/// Line feeds are ours; any other control character is a record's, and becomes a space.
fn clean(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
