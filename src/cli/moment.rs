//! A moment, as people write it: a time, a date, or a span from or before now.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    At(DateTime<Utc>),
    /// Counted from now, in the direction that the argument says.
    Span(TimeDelta),
}

impl Moment {
    /// A span counts back from now; none where that is before all times.
    pub fn before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::Span(span) => now.checked_sub_signed(span),
        }
    }

    /// A span counts from now on; none where that is after all times.
    pub fn after(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::Span(span) => now.checked_add_signed(span),
        }
    }
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(chrono::NaiveTime::MIN).and_utc()));
        }
        let span = humantime::parse_duration(text).ok();
        let span = span.and_then(|span| TimeDelta::from_std(span).ok());
        span.map(Self::Span).ok_or_else(|| {
            format!(
                "{text:?} is not a time (2026-11-24T18:00:00Z), a date (2026-11-24) or a span \
                 of time (7d)"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_dates_and_spans_are_read_and_all_else_is_refused() {
        let now: DateTime<Utc> = "2026-11-24T18:00:00Z".parse().unwrap();
        let moment = |text: &str| text.parse::<Moment>().unwrap();
        assert_eq!(moment("2026-11-24T19:00:00+01:00").before(now), Some(now));
        assert_eq!(moment("2026-11-24").after(now), Some(now - TimeDelta::hours(18)));
        assert_eq!(moment("90m").before(now), Some(now - TimeDelta::minutes(90)));
        assert_eq!(moment("7d").after(now), Some(now + TimeDelta::days(7)));
        assert_eq!(moment("999999years").before(now), None);
        for wrong in ["", "yesterday", "2026-13-01", "7", "-7d", "99999999999years"] {
            assert!(wrong.parse::<Moment>().unwrap_err().contains(wrong));
        }
    }
}
