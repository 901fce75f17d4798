//! Which rows a run looks at, on both sides alike.
//!
//! A pair is judged by the provider's time of creation where the statement lists it. A row that
//! only the ledger has is judged by its own, well inside the window: clocks differ, and what
//! lies at its edge may have been listed just outside.

use chrono::{DateTime, TimeDelta, Utc};

/// What was asked for and what the statement says of itself.
#[derive(Debug, Clone)]
pub struct Asked {
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// The window that the statement declares, where it does.
    pub declared_since: Option<DateTime<Utc>>,
    pub declared_until: Option<DateTime<Utc>>,
    /// When the listing started.
    pub as_of: DateTime<Utc>,
    /// Rows younger than this at the listing's start are left for the next run.
    pub settle: TimeDelta,
    /// How far the clocks of provider and ledger may be apart.
    pub clock_skew: TimeDelta,
}

/// The rows of one table that a run looks at. Lower bounds are inclusive, upper exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Records of the statement created from here on; none is no bound.
    pub since: Option<DateTime<Utc>>,
    pub until: DateTime<Utc>,
    /// Rows that only the ledger has are looked at if created in here; none at all where the
    /// statement lists nothing of their table and declares no window.
    pub ledger_only: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Asked {
    /// Ledger rows changed later than this are newer than the statement.
    pub fn known_until(&self) -> DateTime<Utc> {
        self.as_of - self.clock_skew
    }

    /// The scope for one table. `earliest` is the creation of the oldest record of it that the
    /// statement lists: without a declared lower bound nothing is known of older rows. Of a
    /// table that the statement does not cover, nothing is known at all.
    pub fn scope(&self, earliest: Option<DateTime<Utc>>, is_covered: bool) -> Scope {
        let since = self.since.max(self.declared_since);
        let settled = self.as_of - self.settle;
        let until = [self.until, self.declared_until, Some(settled)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(settled);
        let ledger_only = since
            .or(earliest)
            .filter(|_| is_covered)
            .map(|from| (from + self.clock_skew, until - self.clock_skew));
        Scope { since, until, ledger_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn asked() -> Asked {
        Asked {
            since: None,
            until: None,
            declared_since: None,
            declared_until: None,
            as_of: at(100),
            settle: TimeDelta::minutes(5),
            clock_skew: TimeDelta::minutes(1),
        }
    }

    #[test]
    fn without_a_window_nothing_is_known_of_rows_older_than_the_statement() {
        let scope = asked().scope(Some(at(40)), true);
        assert_eq!(scope.since, None);
        assert_eq!(scope.until, at(95));
        assert_eq!(scope.ledger_only, Some((at(41), at(94))));
    }

    #[test]
    fn the_narrower_of_two_windows_counts() {
        let declared = Asked {
            since: Some(at(10)),
            until: Some(at(80)),
            declared_since: Some(at(20)),
            declared_until: Some(at(90)),
            ..asked()
        };
        let scope = declared.scope(None, true);
        assert_eq!((scope.since, scope.until), (Some(at(20)), at(80)));
        assert_eq!(scope.ledger_only, Some((at(21), at(79))));
    }

    #[test]
    fn of_a_table_that_is_not_covered_nothing_is_known() {
        let with_window = Asked { since: Some(at(10)), ..asked() };
        assert_eq!(with_window.scope(None, false).ledger_only, None);
        assert_eq!(asked().scope(None, true).ledger_only, None, "an empty listing, no window");
    }
}
