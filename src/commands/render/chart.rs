//! Payment failures over time as columns: what a quiet week looks like, and the day that was not.
//!
//! One column per hour, day or week, wider where there is room; several in one where there is
//! none.

use super::axis;
use super::figures::{clock_time, count, day, percent};
use super::line::{Line, Palette, text};
use crate::domain::Per;
use crate::store::failures::Step;
use chrono::{DateTime, Datelike, TimeDelta, Utc};

const HEIGHT: usize = 8;
/// The axis' numbers and its line.
pub(super) const MARGIN: usize = 8;
/// Wider columns don't read better.
const COLUMN_MAX: usize = 4;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One column: a step, or several.
pub(super) struct Column {
    pub from: DateTime<Utc>,
    /// The end of its last step.
    pub to: DateTime<Utc>,
    failed: u64,
    attempts: u64,
}

/// Failures by step, in order of time; `code`: of those with this code only.
pub fn failures(
    steps: &[Step],
    per: Per,
    code: Option<&str>,
    width: usize,
    palette: Palette,
) -> String {
    if steps.is_empty() {
        return text([Line::new().text("No payments yet.")], width);
    }
    let room = width.saturating_sub(MARGIN).max(1);
    let steps_per_column = steps.len().div_ceil(room);
    let columns: Vec<Column> =
        steps.chunks(steps_per_column).map(|steps| column(steps, per)).collect();
    let column_width = (room / columns.len()).clamp(1, COLUMN_MAX);

    let mut lines = vec![title(&columns, steps_per_column, per, code, palette)];
    if columns.iter().any(|column| column.failed > 0) {
        lines.extend(bars(&columns, per, column_width, width, palette));
        lines.extend(axis::below(&columns, per, column_width, palette));
    }
    lines.push(totals(steps, per, palette));
    text(lines, width)
}

fn column(steps: &[Step], per: Per) -> Column {
    Column {
        from: steps[0].at,
        to: steps[steps.len() - 1].at + per.length(),
        failed: steps.iter().map(|step| step.counts.failures).sum(),
        attempts: steps.iter().map(|step| step.counts.attempts).sum(),
    }
}

fn title(
    columns: &[Column],
    steps_per_column: usize,
    per: Per,
    code: Option<&str>,
    palette: Palette,
) -> Line {
    let with = code.map(|code| format!(" with {code}")).unwrap_or_default();
    let step = match steps_per_column {
        1 => per.to_string(),
        several => format!("{several} {per}s"),
    };
    let (first, last) = (columns[0].from, columns[columns.len() - 1].to);
    let (from, to) = match per {
        Per::Hour => (moment(first), moment(last)),
        Per::Day | Per::Week => (day(first.date_naive()), day((last - per.length()).date_naive())),
    };
    let year = (last - TimeDelta::microseconds(1)).year();
    let from = match first.year() {
        _ if from == to => String::new(),
        same if same == year => format!("{from} to "),
        other => format!("{from} {other} to "),
    };
    let span = format!("  {from}{to} {year}, UTC");
    Line::new()
        .styled(palette.strong, format!("Payment failures{with} per {step}"))
        .styled(palette.dim, span)
}

fn moment(time: DateTime<Utc>) -> String {
    format!("{} {}", day(time.date_naive()), clock_time(time))
}

fn bars(
    columns: &[Column],
    per: Per,
    column_width: usize,
    width: usize,
    palette: Palette,
) -> Vec<Line> {
    let peak = columns.iter().map(|column| column.failed).max().unwrap_or(0).max(1);
    let peak_at = columns.iter().position(|column| column.failed == peak).unwrap_or(0);
    let row = |row: usize| {
        let label = match row {
            HEIGHT => count(peak),
            half if half == HEIGHT / 2 && peak > 1 => count(peak / 2),
            _ => String::new(),
        };
        let tick = if label.is_empty() { "│" } else { "┤" };
        let mut line = Line::new().styled(palette.dim, format!("{label:>6} {tick}"));
        for (at, column) in columns.iter().enumerate() {
            // What rises above this row's floor, in eighths of a row.
            let here = eighths(column.failed, peak, HEIGHT).saturating_sub((row - 1) * 8).min(8);
            let style = if at == peak_at { palette.bad } else { palette.bar };
            line = line.styled(style, bar(EIGHTHS[here], column_width));
        }
        line
    };
    let note = peak_note(&columns[peak_at], per, MARGIN + peak_at * column_width, width);
    let note = note.into_iter().map(|(at, note)| Line::new().until(at).styled(palette.bad, note));
    note.chain((1..=HEIGHT).rev().map(row)).collect()
}

/// How high a value stands where the peak is `rows` high, in eighths of a row, rounded up.
fn eighths(value: u64, peak: u64, rows: usize) -> usize {
    let eighths = (u128::from(value) * rows as u128 * 8).div_ceil(peak.max(1).into());
    usize::try_from(eighths).unwrap_or(rows * 8)
}

/// A column keeps a gap to the next where it is wide enough.
fn bar(block: &str, column_width: usize) -> String {
    match column_width {
        1 => block.to_owned(),
        wide => block.repeat(wide - 1) + " ",
    }
}

/// What happened at the peak, and where that text begins: above it, to whichever side has room.
fn peak_note(peak: &Column, per: Per, starts: usize, width: usize) -> Option<(usize, String)> {
    let from = day(peak.from.date_naive());
    let is_one = peak.to - peak.from == per.length();
    let when = match per {
        Per::Hour if is_one => format!("on {from} at {}", clock_time(peak.from)),
        Per::Hour => format!("{} to {}", moment(peak.from), moment(peak.to)),
        Per::Day if is_one => format!("on {from}"),
        Per::Week if is_one => format!("in the week of {from}"),
        Per::Day | Per::Week => {
            format!("{from} to {}", day((peak.to - TimeDelta::days(1)).date_naive()))
        }
    };
    let note = format!("{} of {} failed {when}", count(peak.failed), count(peak.attempts));
    if starts + 2 + note.len() <= width {
        return Some((starts, format!("▼ {note}")));
    }
    let left = starts.checked_sub(note.len() + 1)?;
    Some((left, format!("{note} ▼")))
}

fn totals(steps: &[Step], per: Per, palette: Palette) -> Line {
    let failed: u64 = steps.iter().map(|step| step.counts.failures).sum();
    let attempts: u64 = steps.iter().map(|step| step.counts.attempts).sum();
    let mut sorted: Vec<u64> = steps.iter().map(|step| step.counts.failures).collect();
    sorted.sort_unstable();
    let median = count(sorted[sorted.len() / 2]);
    let usual = match per {
        Per::Hour => "in a usual hour",
        Per::Day => "on a usual day",
        Per::Week => "in a usual week",
    };
    Line::new().styled(palette.strong, format!("{} failed", count(failed))).text(format!(
        " of {} attempts ({}), {usual} {median}",
        count(attempts),
        percent(failed, attempts)
    ))
}

/// Values as a line of blocks, at most `width` of them: each as high as its share of the highest.
pub(super) fn sparkline(values: &[u64], width: usize) -> String {
    let values: Vec<u64> = values
        .chunks(values.len().div_ceil(width.max(1)).max(1))
        .map(|chunk| chunk.iter().sum())
        .collect();
    let peak = values.iter().copied().max().unwrap_or(0);
    values.iter().map(|value| EIGHTHS[eighths(*value, peak, 1)]).collect()
}
