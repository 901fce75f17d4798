//! The axis below a chart over time: ticks and their names, as many as fit beside each other.

use super::chart::{Column, MARGIN};
use super::figures::{clock_time, day};
use super::line::{Line, Palette};
use crate::domain::Per;
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Timelike, Utc};

/// Where the ticks stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ticks {
    SixHours,
    Midnights,
    Mondays,
    Months,
    Years,
}

/// Ticks, and below them their names.
pub(super) fn below(
    columns: &[Column],
    per: Per,
    column_width: usize,
    palette: Palette,
) -> [Line; 2] {
    let ticks = suitable(columns, per, column_width);
    let mut line = String::new();
    let mut names = Line::new();
    for (at, column) in columns.iter().enumerate() {
        let tick = ticks.next(column.from);
        let is_here = tick < column.to;
        line.push_str(if is_here { "┴" } else { "─" });
        line.push_str(&"─".repeat(column_width - 1));
        let starts = MARGIN + at * column_width;
        if is_here && (names.columns() == 0 || names.columns() < starts) {
            names = names.until(starts).styled(palette.dim, ticks.name(tick));
        }
    }
    [Line::new().styled(palette.dim, format!("{:>6} ┼{line}", 0)), names]
}

/// The closest ticks that don't crowd the axis.
fn suitable(columns: &[Column], per: Per, column_width: usize) -> Ticks {
    use Ticks::{Midnights, Mondays, Months, SixHours, Years};
    let candidates: &[Ticks] = match per {
        Per::Hour => &[SixHours, Midnights, Mondays, Months],
        Per::Day => &[Mondays, Months],
        Per::Week => &[Months],
    };
    let room = columns.len() * column_width;
    let fits = |ticks: &&Ticks| {
        let number = columns.iter().filter(|c| ticks.next(c.from) < c.to).count();
        // Hours without their day next to them would not be understood.
        let space = if **ticks == SixHours { 6 } else { 3 };
        number > 0 && number * space <= room
    };
    let least = if per == Per::Day && columns.len() < 7 { Midnights } else { Years };
    candidates.iter().find(fits).copied().unwrap_or(least)
}

impl Ticks {
    /// The first tick from a time on.
    fn next(self, from: DateTime<Utc>) -> DateTime<Utc> {
        let day = Per::Day.start(from);
        let tick = match self {
            Self::SixHours => day + TimeDelta::hours(i64::from(from.hour() / 6 * 6)),
            Self::Midnights => day,
            Self::Mondays => Per::Week.start(from),
            Self::Months => first_of(from.year(), from.month()),
            Self::Years => first_of(from.year(), 1),
        };
        if tick >= from {
            return tick;
        }
        match self {
            Self::SixHours => tick + TimeDelta::hours(6),
            Self::Midnights => tick + TimeDelta::days(1),
            Self::Mondays => tick + TimeDelta::weeks(1),
            Self::Months => tick + Months::new(1),
            Self::Years => tick + Months::new(12),
        }
    }

    fn name(self, tick: DateTime<Utc>) -> String {
        match self {
            Self::SixHours if tick.hour() > 0 => clock_time(tick),
            Self::Months if tick.month() > 1 => tick.format("%b").to_string(),
            Self::Months | Self::Years => tick.year().to_string(),
            _ => day(tick.date_naive()),
        }
    }
}

fn first_of(year: i32, month: u32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, month, 1).expect("every month has a first day");
    Per::Day.start(day.and_hms_opt(0, 0, 0).expect("midnight").and_utc())
}
