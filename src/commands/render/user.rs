//! One user's payments, newest first, and below each what runs did to it.

use super::figures::{count, minute, percent, second};
use super::line::{Line, Palette, columns, text, wrapped};
use crate::domain::Currency;
use crate::store::failures::Counts;
use crate::store::payments::{Event, Payment};
use anstyle::Style;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Where what belongs to a payment begins.
const BELOW: usize = 4;
/// How much of a card's fingerprint tells it from the user's other cards.
const FINGERPRINT: usize = 8;

/// A user's payments in a stretch of time. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Default, Serialize)]
pub struct OfUser {
    pub user_id: i64,
    /// None where the user has no payments, and no time was asked for.
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub totals: Counts,
    /// Of all users and guests in the same time.
    pub everybody: Counts,
    /// How many payments there are; `payments` has the newest (`--limit`).
    pub total_payments: u64,
    pub payments: Vec<Told>,
}

/// A payment and its history.
#[derive(Debug, Serialize)]
pub struct Told {
    #[serde(flatten)]
    pub payment: Payment,
    pub history: Vec<Event>,
}

/// A user's totals, then payment by payment.
pub fn of_user(told: &OfUser, width: usize, palette: Palette) -> String {
    let user = told.user_id;
    let (Some(since), Some(until)) = (told.since, told.until) else {
        return text([Line::new().text(format!("User {user} has no payments."))], width);
    };
    if told.total_payments == 0 {
        let (since, until) = (minute(since), minute(until));
        let none = format!("User {user} has no payments between {since} and {until} UTC.");
        return text([Line::new().text(none)], width);
    }
    let mut lines = head(told, since, until, palette);
    for told in &told.payments {
        lines.push(Line::new());
        lines.extend(payment(&told.payment, width, palette));
        lines.extend(told.history.iter().flat_map(|event| happened(event, width, palette)));
    }
    let shown = told.payments.len() as u64;
    if shown < told.total_payments {
        let rest = format!("... and {} older (--limit)", count(told.total_payments - shown));
        lines.extend([Line::new(), Line::new().styled(palette.dim, rest)]);
    }
    text(lines, width)
}

fn head(told: &OfUser, since: DateTime<Utc>, until: DateTime<Utc>, palette: Palette) -> Vec<Line> {
    let (totals, everybody) = (told.totals, told.everybody);
    let failed = format!(
        "{} of {} attempts failed ({})",
        count(totals.failures),
        count(totals.attempts),
        percent(totals.failures, totals.attempts)
    );
    let once = format!(
        "Retries counted once: {} of {} payments failed ({})",
        count(totals.failed_payments),
        count(totals.payments),
        percent(totals.failed_payments, totals.payments)
    );
    let all = format!(
        "Everybody in the same time: {} of {} attempts failed ({})",
        count(everybody.failures),
        count(everybody.attempts),
        percent(everybody.failures, everybody.attempts)
    );
    let span = format!("  {} to {}, UTC", minute(since), minute(until));
    vec![
        Line::new()
            .styled(palette.strong, format!("User {}", told.user_id))
            .styled(palette.dim, span),
        Line::new().styled(palette.strong, failed),
        Line::new().text(once),
        Line::new().text(all),
    ]
}

fn payment(payment: &Payment, width: usize, palette: Palette) -> Vec<Line> {
    let style = match payment.status.as_str() {
        "succeeded" => palette.good,
        "failed" => palette.bad,
        _ => palette.warning,
    };
    let amount = payment.currency.parse::<Currency>().map_or_else(
        |_| format!("{} {}", payment.amount_minor, payment.currency),
        |currency| currency.display(payment.amount_minor),
    );
    let mut first = Line::new()
        .text(second(payment.created_at))
        .text("  ")
        .styled(style, format!("{:<9}", payment.status))
        .text(format!("  {amount:>14}"));
    if let Some(code) = &payment.failure_code {
        first = first.text("  ").styled(style, code);
    }
    let fingerprint = payment.payment_method_fingerprint.as_deref().map(shortened);
    let notes = [
        fingerprint.map(|card| format!("card {card}")),
        payment.retried_at.map(|at| format!("retried {}", minute(at))),
        (payment.status == "failed" && payment.retried_at.is_none())
            .then(|| "not retried".to_owned()),
        payment.removed_at.map(|at| format!("removed {}, not counted", minute(at))),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    let ids = format!("{}  payment {}", payment.provider_payment_id, payment.payment_id);
    let second = Line::new().until(BELOW).text(ids);
    if notes.is_empty() {
        return vec![first, second];
    }
    let notes = notes.join(", ");
    if second.columns() + 2 + columns(&notes) > width {
        return vec![first, second, Line::new().until(BELOW).styled(palette.dim, notes)];
    }
    vec![first, second.text("  ").styled(palette.dim, notes)]
}

fn shortened(fingerprint: &str) -> String {
    let mut characters = fingerprint.chars();
    let first: String = characters.by_ref().take(FINGERPRINT).collect();
    if characters.next().is_some() { first + "…" } else { first }
}

/// What a run did, and below it which run.
fn happened(event: &Event, width: usize, palette: Palette) -> Vec<Line> {
    let style = match event.outcome.as_str() {
        "applied" => palette.good,
        "failed" => palette.bad,
        _ => palette.warning,
    };
    let start = |style: Style, text: &str| Line::new().until(BELOW + 2).styled(style, text);
    let mut lines = vec![
        Line::new()
            .until(BELOW)
            .styled(palette.dim, second(event.occurred_at))
            .text(format!("  {} ", event.action))
            .styled(style, &event.outcome),
    ];
    let room = width.saturating_sub(BELOW + 2);
    let told = wrapped(&event.description, room).into_iter();
    lines.extend(told.map(|piece| start(Style::new(), &piece)));
    let error = event.error.iter().flat_map(|error| wrapped(error, room));
    lines.extend(error.map(|piece| start(palette.bad, &piece)));
    lines.push(start(palette.dim, &format!("run {}, {}", event.run_id, event.run_status)));
    lines
}
