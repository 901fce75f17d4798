//! Payment failures of a stretch of time: in total, by code, by user.

use super::chart::{self, sparkline};
use super::figures::{count, counted, day, minute, percent};
use super::line::{Line, Palette, columns, text, wrapped};
use super::table::{WIDE, table};
use crate::domain::Stretch;
use crate::store::failures::{Counts, FailingUser, Step};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What is left of a narrow terminal beside the other columns of the table of codes.
const SPARKLINE_MIN: usize = 8;
const SPARKLINE_MAX: usize = 40;

/// Failures over time. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Serialize)]
pub struct OverTime {
    #[serde(flatten)]
    pub asked: Asked,
    /// The only code whose failures are counted, and which codes there are in this time.
    pub code: Option<String>,
    pub codes: Option<Vec<String>>,
    pub totals: Counts,
    /// The same of the stretch before that is as long; none where nothing was attempted in it.
    pub previous: Option<Previous>,
    pub steps: Vec<Step>,
}

/// Which stretch of time, in which steps.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Asked {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    #[serde(serialize_with = "as_name")]
    pub per: crate::domain::Per,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Previous {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    #[serde(flatten)]
    pub totals: Counts,
}

/// Failures by code. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Serialize)]
pub struct ByCode {
    #[serde(flatten)]
    pub asked: Asked,
    pub totals: Counts,
    /// How many codes there are; `codes` has the first (`--limit`).
    pub total_codes: usize,
    pub codes: Vec<Code>,
}

#[derive(Debug, Serialize)]
pub struct Code {
    pub failure_code: String,
    pub failures: u64,
    pub failed_payments: u64,
    /// Of all failures.
    pub share: Option<f64>,
    /// Against all attempts.
    pub failure_rate: Option<f64>,
    pub steps: Vec<CodeCount>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct CodeCount {
    pub at: DateTime<Utc>,
    pub failures: u64,
}

/// Failures by user. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Serialize)]
pub struct ByUser {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// How many users had a failure; `users` has the first (`--limit`).
    pub total_users: u64,
    pub users: Vec<FailingUser>,
    pub guests: Guests,
}

/// The attempts that belong to no user.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Guests {
    pub attempts: u64,
    pub failures: u64,
    pub failure_rate: Option<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn as_name<S: serde::Serializer>(per: &crate::domain::Per, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(per.as_str())
}

impl Asked {
    pub fn stretch(self) -> Stretch {
        Stretch { since: self.since, until: self.until }
    }
}

/// A chart and the totals.
pub fn over_time(told: &OverTime, width: usize, palette: Palette) -> String {
    let (totals, code) = (told.totals, told.code.as_deref());
    if totals.failures == 0 {
        let mut lines = none(totals.attempts, code, told.asked.stretch(), width);
        lines.extend(told.codes.iter().flat_map(|codes| codes_there_are(codes, width)));
        lines.extend(previous(told, palette));
        return text(lines, width);
    }
    let chart = chart::failures(&told.steps, told.asked.per, code, width, palette);
    let mut lines = vec![once(totals)];
    lines.extend(previous(told, palette));
    chart + &text(lines, width)
}

/// That nothing failed, in words.
fn none(attempts: u64, code: Option<&str>, stretch: Stretch, width: usize) -> Vec<Line> {
    let between = format!("between {} and {} UTC", minute(stretch.since), minute(stretch.until));
    let told = match (attempts, code) {
        (0, _) => format!("No payment was attempted {between}."),
        (some, None) => {
            format!("No payment failed {between}, of {}.", counted(some, "attempt"))
        }
        (some, Some(code)) => {
            let attempts = counted(some, "attempt");
            format!("No payment failed with {code} {between}, of {attempts}.")
        }
    };
    wrapped(&told, width).into_iter().map(|piece| Line::new().text(piece)).collect()
}

fn codes_there_are(codes: &[String], width: usize) -> Vec<Line> {
    if codes.is_empty() {
        return Vec::new();
    }
    let told = format!("Codes in this time: {}.", codes.join(", "));
    wrapped(&told, width).into_iter().map(|piece| Line::new().text(piece)).collect()
}

fn once(totals: Counts) -> Line {
    Line::new().text(format!(
        "Retries counted once: {} of {} payments failed ({})",
        count(totals.failed_payments),
        count(totals.payments),
        percent(totals.failed_payments, totals.payments)
    ))
}

fn unpaid(palette: Palette) -> Line {
    let told = "UNPAID: failures that were not followed by another attempt at the same payment";
    Line::new().styled(palette.dim, told)
}

fn all(totals: Counts) -> Line {
    Line::new().text(format!(
        "{} of {} attempts failed ({})",
        count(totals.failures),
        count(totals.attempts),
        percent(totals.failures, totals.attempts)
    ))
}

/// How the rate compares with that of the stretch before.
fn previous(told: &OverTime, palette: Palette) -> Option<Line> {
    let before = told.previous?.totals;
    let share = percent(before.failures, before.attempts);
    let was = format!(
        "Before that, as long: {} of {} failed ({share})",
        count(before.failures),
        count(before.attempts),
    );
    let line = Line::new().text(was);
    let (was, is) = (before.failure_rate()?, told.totals.failure_rate());
    let Some(is) = is else { return Some(line) };
    let points = format!("{:.1} points", (is - was).abs() * 100.0);
    Some(match is - was {
        same if same.abs() < 0.0005 => line.text(", as often"),
        more if more > 0.0 => line.text(", now ").styled(palette.bad, format!("{points} more")),
        _ => line.text(", now ").styled(palette.good, format!("{points} less")),
    })
}

fn heading(what: &str, stretch: Stretch, palette: Palette) -> Line {
    let span = format!("  {} to {}, UTC", minute(stretch.since), minute(stretch.until));
    Line::new().styled(palette.strong, what).styled(palette.dim, span)
}

/// Codes with most failures, in the order given.
pub fn by_code(told: &ByCode, width: usize, palette: Palette) -> String {
    let stretch = told.asked.stretch();
    if told.codes.is_empty() {
        return text(none(told.totals.attempts, None, stretch, width), width);
    }
    let head = ["<CODE", ">FAILURES", ">SHARE", ">RATE", ">UNPAID", "<OVER TIME"];
    let longest = told.codes.iter().map(|code| columns(&code.failure_code)).max().unwrap_or(0);
    let room = width.saturating_sub(longest.max(4) + 38).clamp(SPARKLINE_MIN, SPARKLINE_MAX);
    let rows = told.codes.iter().map(|code| {
        let steps: Vec<u64> = code.steps.iter().map(|step| step.failures).collect();
        vec![
            code.failure_code.clone(),
            count(code.failures),
            percent(code.failures, told.totals.failures),
            percent(code.failures, told.totals.attempts),
            count(code.failed_payments),
            sparkline(&steps, room),
        ]
    });
    let table = table(&head, rows, width);
    let mut lines = Vec::new();
    if told.codes.len() < told.total_codes {
        let of = count(told.total_codes as u64);
        lines.push(Line::new().styled(
            palette.dim,
            format!("{} of {of} codes (--limit)", count(told.codes.len() as u64)),
        ));
    }
    lines.extend([unpaid(palette), Line::new(), all(told.totals), once(told.totals)]);
    let title = heading("Payment failures by code", stretch, palette);
    text([title, Line::new()], width) + &table + &text(lines, width)
}

/// Users with most failures, in the order given.
pub fn by_user(told: &ByUser, width: usize, palette: Palette) -> String {
    let stretch = Stretch { since: told.since, until: told.until };
    let guests = told.guests;
    let guests = (guests.attempts > 0).then(|| {
        Line::new().text(format!(
            "Guests: {} of {} attempts failed ({})",
            count(guests.failures),
            count(guests.attempts),
            percent(guests.failures, guests.attempts)
        ))
    });
    if told.users.is_empty() {
        let (since, until) = (minute(stretch.since), minute(stretch.until));
        let none = format!("No user's payment failed between {since} and {until} UTC.");
        return text([Line::new().text(none)].into_iter().chain(guests), width);
    }
    let shown = told.users.len() as u64;
    let cut = (shown < told.total_users).then(|| {
        let of = count(told.total_users);
        Line::new().styled(palette.dim, format!("{} of {of} users (--limit)", count(shown)))
    });
    let title = heading("The users with most failures", stretch, palette);
    text([title, Line::new()], width)
        + &users(&told.users, width)
        + &text(cut.into_iter().chain([unpaid(palette)]).chain(guests), width)
}

/// A table of users, in the order given.
pub fn users(users: &[FailingUser], width: usize) -> String {
    if users.is_empty() {
        return text([Line::new().text("No payment has failed.")], width);
    }
    let head = [">USER", ">FAILURES", ">ATTEMPTS", ">RATE", ">UNPAID", "<MOST OFTEN", "<LAST"];
    let rows = users.iter().map(|user| {
        let last = user.last_failure_at;
        vec![
            user.user_id.to_string(),
            count(user.failures),
            count(user.attempts),
            percent(user.failures, user.attempts),
            count(user.failed_payments),
            user.most_frequent_failure_code.clone().unwrap_or_else(|| "unknown".to_owned()),
            if width < WIDE { day(last.date_naive()) } else { minute(last) },
        ]
    });
    table(&head, rows, width)
}
