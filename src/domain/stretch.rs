//! A stretch of time and the steps that it is counted in: hours, days and weeks of UTC.
//!
//! The ledger's failures are kept by whole hours, so a stretch consists of whole hours too.

use chrono::{DateTime, Datelike, Days, NaiveDate, SubsecRound as _, TimeDelta, Timelike, Utc};
use std::fmt;
use std::str::FromStr;

/// How long a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    Hour,
    Day,
    /// From Monday.
    Week,
}

/// A moment as people name it: a time, a date (its midnight), or a time span from now, of which the
/// place where it is told says whether it counts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    At(DateTime<Utc>),
    Span(TimeDelta),
}

/// Whole hours, from the one that begins at `since` to the one that ends at `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A stretch that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StretchError {
    #[error("since ({since}) is not before until ({until})")]
    Empty { since: DateTime<Utc>, until: DateTime<Utc> },
    #[error("times must be of the years 1970 to 9999")]
    OutOfRange,
}

impl Per {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// `hour`, `day`, `week`: PostgreSQL's names, too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    pub fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
            Self::Week => TimeDelta::weeks(1),
        }
    }

    /// How many steps are looked at unless told otherwise: two days, a month, half a year.
    fn usual(self) -> i32 {
        match self {
            Self::Hour => 48,
            Self::Day => 30,
            Self::Week => 26,
        }
    }

    /// When the step began that a time lies in.
    pub fn start(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let day = time.date_naive();
        match self {
            Self::Hour => time.trunc_subsecs(0) - past_the_hour(time),
            Self::Day => midnight(day),
            Self::Week => {
                let days = u64::from(day.weekday().num_days_from_monday());
                midnight(day.checked_sub_days(Days::new(days)).unwrap_or(day))
            }
        }
    }
}

fn past_the_hour(time: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(i64::from(time.minute() * 60 + time.second()))
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Per {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|per| per.as_str() == name);
        found.ok_or_else(|| format!("{name:?} is neither hour, day nor week"))
    }
}

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse::<DateTime<Utc>>() {
            return Ok(Self::At(time));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::At(midnight(day)));
        }
        let span = humantime::parse_duration(text).map_err(|_| {
            format!(
                "{text:?} is neither a time (2026-11-01T12:00:00Z), a date (2026-11-01) nor a \
                 time span (7d)"
            )
        })?;
        TimeDelta::from_std(span).map(Self::Span).map_err(|_| format!("{text} is too long"))
    }
}

impl Moment {
    /// A span counts back from now.
    ///
    /// # Errors
    /// [`StretchError::OutOfRange`].
    pub fn before(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, StretchError> {
        self.at(|span| now.checked_sub_signed(span))
    }

    /// A span counts from now on.
    ///
    /// # Errors
    /// [`StretchError::OutOfRange`].
    pub fn after(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, StretchError> {
        self.at(|span| now.checked_add_signed(span))
    }

    fn at(
        self,
        counted: impl FnOnce(TimeDelta) -> Option<DateTime<Utc>>,
    ) -> Result<DateTime<Utc>, StretchError> {
        let at = match self {
            Self::At(time) => Some(time),
            Self::Span(span) => counted(span),
        };
        at.filter(|at| (1970..=9999).contains(&at.year())).ok_or(StretchError::OutOfRange)
    }
}

impl Stretch {
    /// The stretch between two moments; until now and over the usual number of steps, where they
    /// are not given.
    ///
    /// # Errors
    /// `since` is not before `until`, or either lies out of range.
    pub fn of(
        now: DateTime<Utc>,
        per: Per,
        since: Option<Moment>,
        until: Option<Moment>,
    ) -> Result<Self, StretchError> {
        let until = Self::end(now, until)?;
        let usual =
            per.start(until - TimeDelta::microseconds(1)) - per.length() * (per.usual() - 1);
        Self::between(now, since, usual, until)
    }

    /// The same from another start where none is given, be it an hour before the end.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn from(
        now: DateTime<Utc>,
        since: Option<Moment>,
        otherwise: DateTime<Utc>,
        until: Option<Moment>,
    ) -> Result<Self, StretchError> {
        let until = Self::end(now, until)?;
        Self::between(now, since, otherwise.min(until - TimeDelta::hours(1)), until)
    }

    fn end(now: DateTime<Utc>, until: Option<Moment>) -> Result<DateTime<Utc>, StretchError> {
        until.map_or(Ok(now), |until| until.before(now))
    }

    fn between(
        now: DateTime<Utc>,
        since: Option<Moment>,
        otherwise: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, StretchError> {
        let since = since.map_or(Ok(otherwise), |since| since.before(now))?;
        if since >= until {
            return Err(StretchError::Empty { since, until });
        }
        let last = Per::Hour.start(until - TimeDelta::microseconds(1));
        Ok(Self { since: Per::Hour.start(since), until: last + TimeDelta::hours(1) })
    }

    /// The stretch before it that is as long.
    #[must_use]
    pub fn before(self) -> Self {
        Self { since: self.since - (self.until - self.since), until: self.since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// A Tuesday.
    fn now() -> DateTime<Utc> {
        time("2026-11-24T18:55:53.25Z")
    }

    fn told(stretch: Stretch) -> String {
        let form = "%m-%dT%H:%M";
        format!("{} to {}", stretch.since.format(form), stretch.until.format(form))
    }

    #[test]
    fn usual_stretches_end_with_the_hour_that_it_is_now() {
        let usual = |per| told(Stretch::of(now(), per, None, None).unwrap());
        assert_eq!(usual(Per::Hour), "11-22T19:00 to 11-24T19:00");
        assert_eq!(usual(Per::Day), "10-26T00:00 to 11-24T19:00");
        assert_eq!(usual(Per::Week), "06-01T00:00 to 11-24T19:00");
    }

    #[test]
    fn a_week_begins_with_monday_at_midnight() {
        let monday = time("2026-11-23T00:00:00Z");
        assert_eq!(Per::Week.start(now()), monday);
        assert_eq!(Per::Week.start(monday), monday);
        let sunday = monday - TimeDelta::microseconds(1);
        assert_eq!(Per::Week.start(sunday), time("2026-11-16T00:00:00Z"));
    }

    #[test]
    fn a_moment_is_a_time_a_date_or_a_span_back_from_now() {
        let between = |since: &str, until: &str| {
            let moment = |text: &str| Some(text.parse().unwrap());
            Stretch::of(now(), Per::Day, moment(since), moment(until)).map(told)
        };
        let at = "2026-11-01T12:30:00+02:00";
        assert_eq!(between(at, "2026-11-02").unwrap(), "11-01T10:00 to 11-02T00:00");
        assert_eq!(between("7d", "30m").unwrap(), "11-17T18:00 to 11-24T19:00");
        assert_eq!(between("90m", "1h").unwrap(), "11-24T17:00 to 11-24T18:00");
        assert!(matches!(between("1h", "1h"), Err(StretchError::Empty { .. })));
        assert!(matches!(between("1h", "2h"), Err(StretchError::Empty { .. })));
        assert_eq!(between("2000y", "1h"), Err(StretchError::OutOfRange));
        assert_eq!(between("1969-12-31", "1h"), Err(StretchError::OutOfRange));
        let ahead: Moment = "7d".parse().unwrap();
        assert_eq!(ahead.after(now()), Ok(now() + TimeDelta::days(7)));
        assert!("yesterday".parse::<Moment>().is_err());
        assert!("2026-13-01".parse::<Moment>().is_err());
    }

    #[test]
    fn the_stretch_before_is_as_long_and_ends_where_this_one_begins() {
        let stretch = Stretch::of(now(), Per::Hour, None, None).unwrap();
        assert_eq!(told(stretch.before()), "11-20T19:00 to 11-22T19:00");
    }
}
