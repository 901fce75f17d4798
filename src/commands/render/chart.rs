//! Payment failures per day as columns: what a quiet week looks like, and the day that was not.
//!
//! One column per day, wider where there is room; several days in one where there is none.

use super::figures::{count, day, percent};
use super::line::{Line, Palette, text};
use chrono::NaiveDate;

const HEIGHT: u64 = 8;
/// The axis' numbers and its line.
const MARGIN: usize = 8;
/// Wider columns don't read better.
const COLUMN_MAX: usize = 4;
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// One column: a day, or several.
struct Column {
    from: NaiveDate,
    to: NaiveDate,
    failed: u64,
    attempts: u64,
}

/// Days with how many attempts failed and how many there were, in order of time.
pub fn failures_per_day(days: &[(NaiveDate, u64, u64)], width: usize, palette: Palette) -> String {
    let failed: u64 = days.iter().map(|day| day.1).sum();
    let attempts: u64 = days.iter().map(|day| day.2).sum();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return text([Line::new().text("No payments yet.")], width);
    };
    let room = width.saturating_sub(MARGIN).max(1);
    let days_per_column = days.len().div_ceil(room);
    let columns: Vec<Column> = days.chunks(days_per_column).map(column).collect();
    let column_width = (room / columns.len()).clamp(1, COLUMN_MAX);

    let title = match days_per_column {
        1 => "Payment failures per day".to_owned(),
        several => format!("Payment failures per {several} days"),
    };
    let span = format!("  {} to {} {}, UTC", day(first.0), day(last.0), last.0.format("%Y"));
    let mut lines = vec![Line::new().styled(palette.strong, title).styled(palette.dim, span)];
    if failed > 0 {
        lines.extend(bars(&columns, column_width, width, palette));
        lines.push(axis(&columns, column_width, palette));
        lines.push(dates(&columns, column_width, palette));
    }
    lines.push(totals(days, failed, attempts, palette));
    text(lines, width)
}

fn column(days: &[(NaiveDate, u64, u64)]) -> Column {
    Column {
        from: days[0].0,
        to: days[days.len() - 1].0,
        failed: days.iter().map(|day| day.1).sum(),
        attempts: days.iter().map(|day| day.2).sum(),
    }
}

fn bars(columns: &[Column], column_width: usize, width: usize, palette: Palette) -> Vec<Line> {
    let peak = columns.iter().map(|column| column.failed).max().unwrap_or(0).max(1);
    let peak_at = columns.iter().position(|column| column.failed == peak).unwrap_or(0);
    let row = |row: u64| {
        let label = match row {
            HEIGHT => count(peak),
            half if half == HEIGHT / 2 && peak > 1 => count(peak / 2),
            _ => String::new(),
        };
        let tick = if label.is_empty() { "│" } else { "┤" };
        let mut line = Line::new().styled(palette.dim, format!("{label:>6} {tick}"));
        for (at, column) in columns.iter().enumerate() {
            // What rises above this row's floor, in eighths of a row.
            let eighths =
                (u128::from(column.failed) * u128::from(HEIGHT) * 8).div_ceil(peak.into());
            let here = eighths.saturating_sub(u128::from(row - 1) * 8).min(8) as usize;
            let style = if at == peak_at { palette.bad } else { palette.bar };
            line = line.styled(style, bar(EIGHTHS[here], column_width));
        }
        line
    };
    let note = peak_note(&columns[peak_at], MARGIN + peak_at * column_width, width);
    let note = note.into_iter().map(|(at, note)| Line::new().until(at).styled(palette.bad, note));
    note.chain((1..=HEIGHT).rev().map(row)).collect()
}

/// A column keeps a gap to the next where it is wide enough.
fn bar(block: &str, column_width: usize) -> String {
    match column_width {
        1 => block.to_owned(),
        wide => block.repeat(wide - 1) + " ",
    }
}

/// What happened at the peak, and where that text begins: above it, to whichever side has room.
fn peak_note(peak: &Column, starts: usize, width: usize) -> Option<(usize, String)> {
    let when = if peak.from == peak.to {
        format!("on {}", day(peak.from))
    } else {
        format!("{} to {}", day(peak.from), day(peak.to))
    };
    let note = format!("{} of {} failed {when}", count(peak.failed), count(peak.attempts));
    if starts + 2 + note.len() <= width {
        return Some((starts, format!("▼ {note}")));
    }
    let left = starts.checked_sub(note.len() + 1)?;
    Some((left, format!("{note} ▼")))
}

/// A tick below every Monday.
fn axis(columns: &[Column], column_width: usize, palette: Palette) -> Line {
    let ticks = columns.iter().map(|column| {
        let tick = if has_monday(column) { "┴" } else { "─" };
        tick.to_owned() + &"─".repeat(column_width - 1)
    });
    Line::new().styled(palette.dim, format!("{:>6} ┼{}", 0, ticks.collect::<String>()))
}

fn has_monday(column: &Column) -> bool {
    use chrono::{Datelike, Weekday};
    let mut days = column.from.iter_days().take_while(|day| *day <= column.to);
    days.any(|day| day.weekday() == Weekday::Mon)
}

/// The dates of Mondays, as many as fit beside each other.
fn dates(columns: &[Column], column_width: usize, palette: Palette) -> Line {
    let mut line = Line::new();
    for (at, column) in columns.iter().enumerate() {
        let starts = MARGIN + at * column_width;
        if has_monday(column) && (line.columns() == 0 || line.columns() < starts) {
            line = line.until(starts).styled(palette.dim, day(column.from));
        }
    }
    line
}

fn totals(days: &[(NaiveDate, u64, u64)], failed: u64, attempts: u64, palette: Palette) -> Line {
    let mut sorted: Vec<u64> = days.iter().map(|day| day.1).collect();
    sorted.sort_unstable();
    let median = sorted[sorted.len() / 2];
    Line::new()
        .styled(palette.strong, format!("{} failed", count(failed)))
        .text(format!(" of {} attempts ({}), ", count(attempts), percent(failed, attempts)))
        .text(format!("on a usual day {}", count(median)))
}
