//! What a run did, in a block that is read at a glance: how it ended, what it found, what it
//! changed, and what is left for a person to do.

use super::figures::{count, counted, duration, second};
use super::findings::assessed;
use super::line::{Line, Palette, text, wrapped};
use crate::domain::Account;
use crate::domain::discrepancy::KINDS;
use crate::domain::run::{Status, Summary};
use anstyle::Style;
use serde_json::Value;
use std::time::Duration;

/// Where the values of the head begin.
const VALUES: usize = 13;
/// What a count of discrepancies takes: the longest name and a number.
const CELL: usize = 34;

/// The colour that a status is shown in.
pub(super) fn status_style(status: Status, palette: Palette) -> Style {
    match status {
        Status::Succeeded => palette.good,
        Status::Running | Status::Skipped => palette.dim,
        Status::Held | Status::Interrupted => palette.warning,
        Status::Failed => palette.bad,
    }
}

/// How a run stands: one whose process is gone is interrupted, although the record does not say
/// so before a rescue.
pub(super) fn stands(run: &Summary) -> Status {
    match (run.status, run.needs_rescue) {
        (Status::Running, Some(true)) => Status::Interrupted,
        (status, _) => status,
    }
}

/// A run's summary as a block of lines.
pub fn summary(run: &Summary, width: usize, palette: Palette) -> String {
    let mut lines = head(run, width, palette);
    lines.extend(run.statement.iter().flat_map(|facts| statement(facts, width, palette)));
    lines.extend(discrepancies(run, width, palette));
    lines.extend(operations(run, palette));
    lines.extend(left(run, palette));
    lines.extend(withheld(run, palette));
    let assessment = run.assessment.iter();
    lines.extend(assessment.flat_map(|assessment| assessed(assessment, width, palette)));
    text(lines, width)
}

fn head(run: &Summary, width: usize, palette: Palette) -> Vec<Line> {
    let took = run.duration_ms.map(|ms| duration(Duration::from_millis(ms)));
    let took = took.unwrap_or_else(|| "not ended".to_owned());
    let mut lines = vec![
        Line::new()
            .styled(palette.strong, format!("Run {}", run.run_id))
            .text("  ")
            .styled(status_style(stands(run), palette), stands(run).as_str()),
    ];
    if run.needs_rescue == Some(true) && run.error.is_none() {
        let why = "its process is gone, and nobody has ended it yet: rescue first";
        lines.extend(below(field("because", palette), why, width, palette.bad));
    }
    if let Some(error) = &run.error {
        lines.extend(below(field("because", palette), error, width, palette.bad));
    }
    if let Some(parent) = &run.parent_id {
        lines.push(field("approved", palette).text(format!("the plan of run {parent}")));
    }
    lines.push(field("started", palette).text(format!("{} UTC", second(run.started_at))));
    lines.push(field("took", palette).text(took));
    lines.push(field("trace", palette).text(&run.trace_id));
    lines.push(field("on", palette).text(format!("{}, version {}", run.host, run.version)));
    lines.extend(run.telemetry.iter().flat_map(|account| telemetry(account, palette)));
    lines
}

fn telemetry(account: &Account, palette: Palette) -> Vec<Line> {
    let Account { traces, metrics, logs } = account;
    let all = [("spans", traces), ("metrics", metrics), ("logs", logs)];
    let used = all.into_iter().filter(|(_, signal)| signal.made > 0);
    used.map(|(name, signal)| {
        let style = if signal.lost() > 0 { palette.warning } else { Style::new() };
        let told = format!(
            "{} made, {} delivered, {} lost",
            count(signal.made),
            count(signal.acknowledged),
            count(signal.lost())
        );
        field(name, palette).styled(style, told)
    })
    .collect()
}

fn field(name: &str, palette: Palette) -> Line {
    Line::new().styled(palette.dim, format!("  {name}")).until(VALUES)
}

/// A text of any length, which goes on below where it began.
fn below(start: Line, told: &str, width: usize, style: Style) -> Vec<Line> {
    let column = start.columns();
    let mut start = Some(start);
    wrapped(told, width.saturating_sub(column))
        .into_iter()
        .map(|piece| start.take().unwrap_or_default().until(column).styled(style, piece))
        .collect()
}

/// Reads what it knows of `statement::Facts` and passes over what it does not.
fn statement(facts: &Value, width: usize, palette: Palette) -> Vec<Line> {
    let number = |name: &str| facts[name].as_u64().unwrap_or(0);
    let files = facts["files"].as_array().map_or(0, Vec::len) as u64;
    let read = format!(
        "{}, {} and {} in {}",
        counted(number("payments"), "payment"),
        counted(number("subscriptions"), "subscription"),
        counted(number("customers"), "customer"),
        counted(files, "file"),
    );
    let mut lines = vec![field("statement", palette).text(read)];
    for (kind, listing) in
        [("payments", "payments_listing"), ("subscriptions", "subscriptions_listing")]
    {
        let listing = &facts[listing];
        let words = |key: &str| listing[key].as_str().unwrap_or("?").to_owned();
        let (style, verdict) = match listing["proof"].as_str() {
            Some("proven") => (palette.good, format!("complete, by {}", words("by"))),
            Some("unproven") => (palette.warning, format!("not proven complete: {}", words("why"))),
            _ => (palette.dim, "not in this statement".to_owned()),
        };
        let start = Line::new().until(VALUES).text(format!("{kind} "));
        lines.extend(below(start, &verdict, width, style));
    }
    if number("malformed") > 0 {
        let malformed = counted(number("malformed"), "malformed record");
        let told = format!("{malformed}, so nothing is deleted");
        lines.push(Line::new().until(VALUES).styled(palette.bad, told));
        for example in facts["malformed_examples"].as_array().into_iter().flatten().take(3) {
            let text = |name: &str| example[name].as_str().unwrap_or_default().to_owned();
            let line = example["line"].as_u64().unwrap_or(0);
            let place = format!("{}:{line}: {}", text("file"), text("reason"));
            lines.push(Line::new().until(VALUES).styled(palette.dim, place));
        }
    }
    lines
}

/// Whether the run came to its end and had records to compare. An approved one has none.
fn is_compared(run: &Summary) -> bool {
    let records = |facts: &Value| {
        facts["payments"].as_u64().unwrap_or(0) + facts["subscriptions"].as_u64().unwrap_or(0)
    };
    run.status == Status::Succeeded && run.statement.as_ref().is_some_and(|f| records(f) > 0)
}

fn discrepancies(run: &Summary, width: usize, palette: Palette) -> Vec<Line> {
    let total = run.discrepancies.values().sum();
    let title = match total {
        // A run that came to its end compared everything; any other says nothing by silence.
        0 if is_compared(run) => "Ledger and statement agree.".to_owned(),
        0 => return Vec::new(),
        total => counted(total, "discrepancy").replace("discrepancys", "discrepancies"),
    };
    let mut lines = vec![Line::new(), Line::new().styled(palette.strong, title)];
    let known = KINDS.iter().map(|kind| kind.as_str());
    let unknown = run.discrepancies.keys().map(String::as_str);
    let unknown = unknown.filter(|name| KINDS.iter().all(|kind| kind.as_str() != *name));
    let found: Vec<(&str, u64)> = known
        .chain(unknown)
        .filter_map(|name| Some((name, *run.discrepancies.get(name)?)))
        .filter(|(_, number)| *number > 0)
        .collect();
    // Read downwards, in as many columns as there is room for, at most three.
    let columns = (width.saturating_sub(2) / CELL).clamp(1, 3);
    let rows = found.len().div_ceil(columns);
    for row in 0..rows {
        let mut line = Line::new();
        for (column, (name, number)) in found.iter().skip(row).step_by(rows).enumerate() {
            line = line.until(2 + column * CELL).text(format!("{name:<22} {:>6}", count(*number)));
        }
        lines.push(line);
    }
    lines
}

fn operations(run: &Summary, palette: Palette) -> Vec<Line> {
    let counts = run.operations;
    if counts.planned == 0 {
        let told = match run.status {
            Status::Succeeded => "No operation was needed.",
            Status::Running => return Vec::new(),
            _ => "No operation was planned; nothing was changed.",
        };
        return vec![Line::new(), Line::new().styled(palette.strong, told)];
    }
    let part = |number: u64, what: &str, style: Style| {
        (if number > 0 { style } else { palette.dim }, format!("{} {what}", count(number)))
    };
    let parts = [
        part(counts.applied, "applied", palette.good),
        part(counts.failed, "failed", palette.bad),
        part(counts.conflict, "in conflict", palette.warning),
        part(counts.not_done, "not done", palette.warning),
        part(counts.open, "still open", palette.warning),
    ];
    // Said only where there is something: an ended run has nothing open.
    let parts = parts.into_iter().take(if counts.open > 0 { 5 } else { 4 });
    let title = format!("{} planned", counted(counts.planned, "operation"));
    let mut line = Line::new().styled(palette.strong, title);
    for (at, (style, told)) in parts.enumerate() {
        line = line.text(if at == 0 { ": " } else { ", " }).styled(style, told);
    }
    vec![Line::new(), line]
}

fn left(run: &Summary, palette: Palette) -> Vec<Line> {
    let total: u64 = run.left.values().sum();
    if total == 0 {
        return Vec::new();
    }
    let title =
        format!("{} left as {}", count(total), if total == 1 { "it is" } else { "they are" });
    let mut lines = vec![Line::new().styled(palette.strong, title)];
    for (reason, number) in &run.left {
        lines.push(
            Line::new()
                .text(format!("  {reason:<16} {:>5}  ", count(*number)))
                .styled(palette.dim, what_to_do(reason)),
        );
    }
    lines
}

/// What a person can do about a discrepancy that was left for this reason.
pub fn what_to_do(reason: &str) -> &'static str {
    match reason {
        "max_deletes" => "look at them, then `approve` or raise --max-deletes",
        "needs_approval" => "check with the provider, then `approve`",
        "unproven" => "give a statement that is proven complete",
        "never_made" => "a settled payment stays settled; ask the provider",
        "duplicate" => "listed more than once; ask for a new statement",
        "unknown_customer" => "link the customer to a user in the ledger",
        "newer_in_ledger" => "nothing; the next statement will know",
        "conflict" => "changed meanwhile; the next run looks again",
        "failed" => "the database refused; see `show` for its reason",
        "contended" => "others kept it from its row; the next run tries again",
        _ => "",
    }
}

/// Said once: where the reasons above name the deletes, they have told.
fn withheld(run: &Summary, palette: Palette) -> Option<Line> {
    let is_told = ["max_deletes", "unproven"].iter().any(|reason| run.left.contains_key(*reason));
    (run.withheld_deletes > 0 && !is_told).then(|| {
        let deletes = counted(run.withheld_deletes, "delete");
        Line::new()
            .styled(palette.warning, format!("{deletes} withheld"))
            .text(": see `discrepancies`, then `approve` this run")
    })
}
