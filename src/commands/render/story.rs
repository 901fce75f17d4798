//! A run's operations by their fate: completed, failed, in conflict, not done.

use super::figures::{count, second};
use super::line::{Line, Palette, text};
use super::state::states;
use crate::domain::run::{Counts, Status, Summary};
use crate::store::events::Decision;
use crate::store::runs::OperationStory;
use anstyle::Style;
use serde::Serialize;
use std::collections::BTreeMap;

/// The fates of operations, in the order in which they are told.
pub const FATES: [&str; 6] = ["failed", "conflict", "not_done", "open", "held", "applied"];

/// A run's story. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Serialize)]
pub struct Story {
    #[serde(flatten)]
    pub run: Summary,
    pub decision: Option<Decision>,
    /// The operations by their fate, the first of each (`--limit`).
    pub operations_by_fate: BTreeMap<&'static str, Vec<OperationStory>>,
}

/// What the fates are called, for people.
fn heading(fate: &str) -> &'static str {
    match fate {
        "failed" => "Failed: the database refused the change, nothing was changed",
        "conflict" => "In conflict: the row had changed since the plan, nothing was changed",
        "not_done" => "Not done: no effect left, whether attempted or not",
        "open" => "Still open: the run has not ended",
        "held" => "Held: waits for a person's approval",
        _ => "Completed: the change and its result were committed together",
    }
}

fn style(fate: &str, palette: Palette) -> Style {
    match fate {
        "failed" => palette.bad,
        "conflict" | "not_done" | "held" => palette.warning,
        "applied" => palette.good,
        _ => palette.dim,
    }
}

fn total(fate: &str, counts: Counts) -> u64 {
    match fate {
        "failed" => counts.failed,
        "conflict" => counts.conflict,
        "applied" => counts.applied,
        "open" => counts.open,
        _ => counts.not_done,
    }
}

/// What became of a run's operations, the first of each fate.
pub fn story(story: &Story, width: usize, palette: Palette) -> String {
    let mut lines = Vec::new();
    if story.run.status == Status::Running {
        lines.push(Line::new());
        lines.push(Line::new().styled(palette.warning, still_running(story.run.needs_rescue)));
    }
    if let Some(decision) = &story.decision {
        let at = second(decision.occurred_at);
        let who = format!("{} by {}, {at} UTC: {}", decision.kind, decision.actor, decision.reason);
        lines.push(Line::new());
        lines.push(Line::new().styled(palette.strong, who));
    }
    for fate in FATES {
        let Some(operations) = story.operations_by_fate.get(fate) else { continue };
        let total = total(fate, story.run.operations);
        lines.push(Line::new());
        let head = format!("{} ({})", heading(fate), count(total));
        lines.push(Line::new().styled(style(fate, palette), head));
        for operation in operations {
            lines.extend(told(operation, width, palette));
        }
        let shown = operations.len() as u64;
        if shown < total {
            let rest = format!("  ... and {} more (--limit)", count(total - shown));
            lines.push(Line::new().styled(palette.dim, rest));
        }
    }
    text(lines, width)
}

fn still_running(needs_rescue: Option<bool>) -> &'static str {
    match needs_rescue {
        Some(true) => {
            "Its process is gone, and what has no result is still open: rescue first \
             (`payment-monitor rescue`, or the next run)"
        }
        Some(false) => "It is running now",
        None => "It has not ended; whether its process is there is seen on the primary only",
    }
}

fn told(operation: &OperationStory, width: usize, palette: Palette) -> Vec<Line> {
    let what = format!("  {} {}", operation.action, operation.provider_id);
    let mut lines = vec![Line::new().text(what).text("  ").text(&operation.description)];
    lines.extend(states(operation, width, palette));
    let at = operation.occurred_at.map(|at| format!("at {} UTC, ", second(at)));
    let span = format!("    {}span {}", at.unwrap_or_default(), operation.span_id);
    lines.push(Line::new().styled(palette.dim, span));
    if let Some(error) = &operation.error {
        lines.push(Line::new().styled(palette.bad, format!("    {error}")));
    }
    lines
}
