//! Numbers, times and durations as people read them.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use std::time::Duration;

/// Thousands apart: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 delete`, `12 deletes`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// In the unit that suits: `87 µs`, `1.2 ms`, `340 ms`, `4.21 s`, `2 min 03 s`, `1 h 02 min`.
pub fn duration(time: Duration) -> String {
    let us = time.as_micros();
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ if time.as_secs() < 3_600 => {
            format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
        }
        _ => format!("{} h {:02} min", time.as_secs() / 3_600, time.as_secs() % 3_600 / 60),
    }
}

/// A share of a whole: `8.6 %`; nothing of nothing is `-`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let per_mille = (u128::from(part) * 1_000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// `2026-03-04 15:06`, in UTC.
pub fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// `2026-03-04 15:06:07`, in UTC.
pub fn second(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `15:06`, in UTC.
pub fn clock_time(time: DateTime<Utc>) -> String {
    time.format("%H:%M").to_string()
}

/// `4 Mar`.
pub fn day(date: NaiveDate) -> String {
    format!("{} {}", date.day(), date.format("%b"))
}
