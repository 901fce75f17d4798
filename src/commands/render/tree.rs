//! A run's trace as a tree: phases with their place in time, and under `perform` the operations
//! by span name and outcome. What went wrong stands first, with the database's reason.

use super::figures::{count, duration};
use super::line::{Line, Palette, text, wrapped};
use super::summary::status_style;
use crate::domain::Outcome;
use crate::domain::run::{PerformedOperation, Phase, Summary};
use anstyle::Style;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many operations of a group are shown.
const EXAMPLES_MAX: usize = 3;
/// Where the durations end and the bars begin.
const DURATIONS: usize = 14;
const BARS: usize = 28;
/// Where reasons begin, below the descriptions.
const REASONS: usize = 18;
const BARS_MAX: usize = 100;
const PERFORM: &str = "perform";

/// The run, its phases and its operations.
pub fn tree(
    run: &Summary,
    operations: &[PerformedOperation],
    width: usize,
    palette: Palette,
) -> String {
    let phases = phases(run, operations);
    let ends = phases.iter().map(|phase| phase.offset_us + phase.duration_us).max().unwrap_or(0);
    let total_us = run.duration_ms.unwrap_or(0).saturating_mul(1_000).max(ends);
    let mut lines = vec![root(run, total_us, palette)];
    for (at, phase) in phases.iter().enumerate() {
        let is_last = at + 1 == phases.len();
        lines.push(phase_line(phase, total_us, is_last, width, palette));
        if phase.name == PERFORM {
            let trunk = if is_last { "   " } else { "│  " };
            lines.extend(groups(operations, trunk, width, palette));
        }
    }
    text(lines, width)
}

/// The run's phases. Operations have a place even where the phase itself was not recorded.
fn phases(run: &Summary, operations: &[PerformedOperation]) -> Vec<Phase> {
    let mut phases = run.phases.clone();
    if operations.is_empty() || phases.iter().any(|phase| phase.name == PERFORM) {
        return phases;
    }
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let offset_us = operations.iter().map(|o| us(o.offset)).min().unwrap_or(0);
    let end = operations.iter().map(|o| us(o.offset + o.duration)).max().unwrap_or(0);
    let name = PERFORM.to_owned();
    phases.push(Phase { name, offset_us, duration_us: end - offset_us, error: None });
    phases.sort_by_key(|phase| phase.offset_us);
    phases
}

fn root(run: &Summary, total_us: u64, palette: Palette) -> Line {
    Line::new()
        .styled(palette.strong, format!("run {}", run.run_id))
        .text("  ")
        .styled(status_style(run.status, palette), run.status.as_str())
        .text(format!("  {}", duration(Duration::from_micros(total_us))))
}

fn phase_line(phase: &Phase, total_us: u64, is_last: bool, width: usize, palette: Palette) -> Line {
    let branch = if is_last { "└─ " } else { "├─ " };
    let took = duration(Duration::from_micros(phase.duration_us));
    let room = width.saturating_sub(BARS).min(BARS_MAX);
    Line::new()
        .styled(palette.dim, branch)
        .text(&phase.name)
        .until(DURATIONS)
        .text(format!("{took:>11}"))
        .until(BARS)
        .styled(palette.bar, bar(phase, total_us, room))
}

/// When the phase ran, as a piece of the run's time.
fn bar(phase: &Phase, total_us: u64, room: usize) -> String {
    if total_us == 0 || room == 0 {
        return String::new();
    }
    // Halves of a column, so that short phases still differ.
    let scale = |us: u64| (u128::from(us) * room as u128 * 2 / u128::from(total_us)) as usize;
    let (from, to) = (scale(phase.offset_us), scale(phase.offset_us + phase.duration_us));
    let from = from.min(room * 2 - 1);
    let blank = " ".repeat(from / 2);
    match to - from.min(to) {
        0 => blank + "▏",
        1 => blank + "▌",
        halves => blank + &"█".repeat(halves / 2),
    }
}

/// Failed and conflicting groups before those that were applied, then by name.
fn groups(
    operations: &[PerformedOperation],
    trunk: &str,
    width: usize,
    palette: Palette,
) -> Vec<Line> {
    let mut groups: BTreeMap<(u8, &str), Vec<&PerformedOperation>> = BTreeMap::new();
    for operation in operations {
        let key = (rank(operation.outcome), operation.span_name.as_str());
        groups.entry(key).or_default().push(operation);
    }
    let last = groups.len();
    let mut lines = Vec::new();
    for (at, members) in (1..).zip(groups.values_mut()) {
        let (branch, below) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(group_line(members, &format!("{trunk}{branch}"), palette));
        lines.extend(examples(members, &format!("{trunk}{below}"), width, palette));
    }
    lines
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 0,
        Outcome::Conflict => 1,
        Outcome::Applied => 2,
    }
}

fn outcome_style(outcome: Outcome, palette: Palette) -> Style {
    match outcome {
        Outcome::Applied => palette.good,
        Outcome::Failed => palette.bad,
        Outcome::Conflict => palette.warning,
    }
}

/// Slowest first, which also orders the examples.
fn group_line(members: &mut [&PerformedOperation], branch: &str, palette: Palette) -> Line {
    members.sort_by_key(|operation| std::cmp::Reverse(operation.duration));
    let first = members[0];
    let (max, median) = (first.duration, members[members.len() / 2].duration);
    Line::new()
        .styled(palette.dim, branch)
        .text(format!("{:<20}  ", first.span_name))
        .styled(outcome_style(first.outcome, palette), format!("{:<8}", first.outcome))
        .styled(palette.strong, format!("{:>6}", count(members.len() as u64)))
        .styled(palette.dim, format!("  median {}  max {}", duration(median), duration(max)))
}

fn examples(
    members: &[&PerformedOperation],
    trunk: &str,
    width: usize,
    palette: Palette,
) -> Vec<Line> {
    let shown = members.len().min(EXAMPLES_MAX);
    let hidden = members.len() - shown;
    let mut lines = Vec::new();
    for (at, operation) in members.iter().take(shown).enumerate() {
        let is_last = at + 1 == shown && hidden == 0;
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(
            Line::new()
                .styled(palette.dim, format!("{trunk}{branch}"))
                .styled(palette.dim, format!("{:>7}  ", duration(operation.duration)))
                .text(&operation.description),
        );
        let style = outcome_style(operation.outcome, palette);
        let reasons = operation.error.iter();
        for piece in reasons.flat_map(|told| wrapped(told, width.saturating_sub(REASONS))) {
            let start = Line::new().styled(palette.dim, format!("{trunk}{below}"));
            lines.push(start.until(REASONS).styled(style, piece));
        }
    }
    if hidden > 0 {
        let more = format!("{trunk}└─ and {} more", count(hidden as u64));
        lines.push(Line::new().styled(palette.dim, more));
    }
    lines
}
