//! A value that is written as text: a CSV cell, or a simple JSON value of another provider.
//! Reads ids, amounts, times and flags from it; a refusal names the field, never its content.

use super::error::Refusal;
use super::stripe::{TIME_MAX, TIME_MIN};
use crate::domain::{Currency, Stated, text};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};
use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    /// The format lacks it.
    Absent,
    Blank,
    Text(Cow<'a, str>),
    NotUtf8,
    /// A JSON array or object.
    Nested,
}

impl<'a> Cell<'a> {
    /// A cell of a table.
    pub fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes).map(str::trim) {
            Err(_) => Self::NotUtf8,
            Ok("") => Self::Blank,
            Ok(text) => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// The text, where there is one.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        match self {
            Self::Absent | Self::Blank => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::NotUtf8 => Err(Refusal(format!("{name} is not valid UTF-8"))),
            Self::Nested => Err(Refusal(format!("{name} is not a simple value"))),
        }
    }

    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal(format!("{name} is missing")))
    }

    pub fn identifier(&self, name: &'static str) -> Result<String, Refusal> {
        Ok(text::identifier(name, self.required(name)?)?)
    }

    pub fn optional(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        let text = self.text(name)?;
        Ok(text.map(|text| text::identifier(name, text)).transpose()?)
    }

    pub fn stated(&self, name: &'static str) -> Result<Stated<String>, Refusal> {
        match self {
            Self::Absent => Ok(Stated::NotStated),
            _ => self.optional(name).map(Stated::from),
        }
    }

    pub fn message(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        Ok(self.text(name)?.map(text::message))
    }

    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Some(true)),
            "false" | "no" | "0" => Ok(Some(false)),
            _ => Err(Refusal(format!("{name} is neither true nor false"))),
        }
    }

    pub fn currency(&self, name: &'static str) -> Result<Currency, Refusal> {
        let wrong = |_| Refusal(format!("{name} is not three letters"));
        self.required(name)?.parse().map_err(wrong)
    }

    /// An amount in units, digit by digit, as minor units.
    pub fn decimal(&self, name: &'static str, currency: Currency) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let minor = currency
            .minor_from_decimal(text)
            .map_err(|error| Refusal(format!("{name}: {error}")))?;
        not_negative(minor, name).map(Some)
    }

    /// An amount in minor units.
    pub fn minor(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = |_| Refusal(format!("{name} is not an integer of at most 64 bits"));
        not_negative(text.parse().map_err(wrong)?, name).map(Some)
    }

    pub fn time(
        &self,
        name: &'static str,
        format: &TimeFormat,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let time = format.read(text);
        let time = time.ok_or_else(|| Refusal(format!("{name} is not a time in the format")))?;
        if !(TIME_MIN..TIME_MAX).contains(&time.timestamp()) {
            return Err(Refusal(format!("{name} is not between 2000 and 2100")));
        }
        Ok(Some(time.trunc_subsecs(6)))
    }
}

fn not_negative(minor: i64, name: &'static str) -> Result<i64, Refusal> {
    if minor < 0 { Err(Refusal(format!("{name} is negative"))) } else { Ok(minor) }
}

/// How times are written. Without a zone they are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeFormat {
    UnixSeconds,
    UnixMilliseconds,
    Rfc3339,
    /// chrono's `strftime` letters.
    Pattern(String),
}

impl TimeFormat {
    /// Reads a format's name, or takes it as a pattern.
    ///
    /// # Errors
    /// Says in words why a pattern can't be used.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "unix" => return Ok(Self::UnixSeconds),
            "unix-ms" => return Ok(Self::UnixMilliseconds),
            "rfc3339" => return Ok(Self::Rfc3339),
            _ => {}
        }
        if !text.contains('%') {
            return Err("is neither unix, unix-ms, rfc3339 nor a pattern such as %Y-%m-%d %H:%M");
        }
        if StrftimeItems::new(text).any(|item| item == Item::Error) {
            return Err("has a letter after % that is not known");
        }
        // A pattern must be able to say which day it was.
        let sample = DateTime::from_timestamp(1_614_834_367, 0).unwrap_or_default();
        let pattern = Self::Pattern(text.to_owned());
        let read = pattern.read(&sample.format(text).to_string());
        if read.map(|time| time.date_naive()) != Some(sample.date_naive()) {
            return Err("does not say year, month and day in full");
        }
        Ok(pattern)
    }

    fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::UnixSeconds => DateTime::from_timestamp(text.parse().ok()?, 0),
            Self::UnixMilliseconds => DateTime::from_timestamp_millis(text.parse().ok()?),
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
            Self::Pattern(pattern) => DateTime::parse_from_str(text, pattern)
                .map(|time| time.to_utc())
                .or_else(|_| NaiveDateTime::parse_from_str(text, pattern).map(|t| t.and_utc()))
                .or_else(|_| {
                    let day = NaiveDate::parse_from_str(text, pattern);
                    day.map(|day| day.and_time(NaiveTime::MIN).and_utc())
                })
                .ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell<'_> {
        Cell::of(text.as_bytes())
    }

    #[test]
    fn times_are_read_in_every_format() {
        let seconds = |format: &str, text: &str| {
            let format = TimeFormat::parse(format).unwrap();
            cell(text).time("created", &format).unwrap().unwrap().timestamp()
        };
        assert_eq!(seconds("unix", "1700000000"), 1_700_000_000);
        assert_eq!(seconds("unix-ms", "1700000000123"), 1_700_000_000);
        assert_eq!(seconds("rfc3339", "2023-11-14T23:13:20+01:00"), 1_700_000_000);
        assert_eq!(seconds("%d.%m.%Y %H:%M:%S", "14.11.2023 22:13:20"), 1_700_000_000);
        assert_eq!(seconds("%Y-%m-%d %H:%M", "2023-11-14 22:13"), 1_699_999_980);
        assert_eq!(seconds("%Y-%m-%d", "2023-11-14"), 1_699_920_000);
        assert_eq!(seconds("%Y-%m-%dT%H:%M:%S%z", "2023-11-14T23:13:20+0100"), 1_700_000_000);
    }

    #[test]
    fn patterns_that_say_no_day_are_refused() {
        for nonsense in ["", "iso", "%H:%M", "%Y-%m", "%Q", "%m/%d"] {
            assert!(TimeFormat::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn refusals_name_the_field_and_quote_nothing() {
        let usd: Currency = "usd".parse().unwrap();
        let unix = TimeFormat::UnixSeconds;
        let refusals = [
            cell("12.345").decimal("amount", usd).unwrap_err(),
            cell("12,34").decimal("amount", usd).unwrap_err(),
            cell("-1").decimal("amount", usd).unwrap_err(),
            cell("1.5").minor("amount").unwrap_err(),
            cell("dollar").currency("amount").unwrap_err(),
            cell("0").time("amount", &unix).unwrap_err(),
            cell("soon").time("amount", &unix).unwrap_err(),
            cell("maybe").flag("amount").unwrap_err(),
            cell("a\0b").identifier("amount").unwrap_err(),
            cell("").identifier("amount").unwrap_err(),
            Cell::of(b"\xff").identifier("amount").unwrap_err(),
            Cell::Nested.identifier("amount").unwrap_err(),
        ];
        for refusal in refusals {
            assert!(refusal.0.starts_with("amount"), "{refusal}");
        }
    }
}
