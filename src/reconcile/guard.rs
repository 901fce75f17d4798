//! Whether a plan may be performed at all: how much it changes, and whose statement it is.

use std::fmt;
use std::str::FromStr;

/// How much one run may change: `500`, `20%` of the ledger's rows in the window, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Rows(u64),
    Percent(u64),
    None,
}

/// A limit that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a limit: write a number (500), a percentage (20%) or none")]
pub struct LimitError(String);

impl Limit {
    /// How many rows that is, of `ledger_rows`; nothing where there is no limit.
    pub fn rows(self, ledger_rows: u64) -> Option<u64> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Percent(percent) => Some(ledger_rows.saturating_mul(percent) / 100),
            Self::None => None,
        }
    }

    /// Why a plan of so many operations is held; nothing where it may be performed.
    pub fn holds(self, planned: u64, ledger_rows: u64) -> Option<String> {
        let allowed = self.rows(ledger_rows)?;
        (planned > allowed).then(|| {
            let scale = match self {
                Self::Percent(_) if ledger_rows == 0 => {
                    " (the ledger has no rows in the statement's window: is this a first import?)"
                        .to_owned()
                }
                Self::Percent(percent) => format!(" ({percent}% of {ledger_rows} ledger rows)"),
                _ => String::new(),
            };
            format!(
                "the plan has {planned} operations, more than max-changes allows: {allowed}{scale}"
            )
        })
    }
}

impl FromStr for Limit {
    type Err = LimitError;
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let refused = || LimitError(text.to_owned());
        if text == "none" {
            return Ok(Self::None);
        }
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().map(Self::Percent).map_err(|_| refused()),
            None => text.parse().map(Self::Rows).map_err(|_| refused()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::None => f.write_str("none"),
        }
    }
}

/// Whose records the ledger keeps: the provider's account, and live or test mode.
/// What is not known is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pin {
    pub account: Option<String>,
    pub livemode: Option<bool>,
}

/// A statement that belongs to something else than the ledger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    #[error(
        "the statement is of account {found}, but this ledger belongs to account {pinned}; \
         give the right statement, or set `account` if the pin is wrong"
    )]
    Account { pinned: String, found: String },
    #[error(
        "the statement is of {found} mode, but this ledger belongs to {pinned} mode; \
         give the right statement, or set `livemode` if the pin is wrong"
    )]
    Mode { pinned: &'static str, found: &'static str },
}

impl Pin {
    /// Checks a statement's own account and mode against the pinned ones.
    ///
    /// # Errors
    /// Names the pinned and the found account or mode.
    pub fn admits(&self, statement: &Self) -> Result<(), PinError> {
        if let (Some(pinned), Some(found)) = (&self.account, &statement.account)
            && pinned != found
        {
            return Err(PinError::Account { pinned: pinned.clone(), found: found.clone() });
        }
        if let (Some(pinned), Some(found)) = (self.livemode, statement.livemode)
            && pinned != found
        {
            return Err(PinError::Mode { pinned: mode(pinned), found: mode(found) });
        }
        Ok(())
    }

    /// This pin, with what it does not know taken from `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            account: self.account.clone().or_else(|| other.account.clone()),
            livemode: self.livemode.or(other.livemode),
        }
    }
}

fn mode(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_a_percentage_or_none() {
        assert_eq!("500".parse::<Limit>().unwrap(), Limit::Rows(500));
        assert_eq!("20%".parse::<Limit>().unwrap(), Limit::Percent(20));
        assert_eq!("none".parse::<Limit>().unwrap(), Limit::None);
        let refused = "20x".parse::<Limit>().unwrap_err().to_string();
        assert_eq!(
            refused,
            "\"20x\" is not a limit: write a number (500), a percentage (20%) or none"
        );
    }

    #[test]
    fn a_plan_is_held_from_one_operation_beyond_the_limit() {
        assert_eq!(Limit::Rows(5).holds(5, 0), None);
        assert!(Limit::Rows(5).holds(6, 0).is_some());
        assert_eq!(Limit::Percent(20).holds(20, 100), None);
        assert!(Limit::Percent(20).holds(21, 100).is_some());
        assert!(Limit::Percent(20).holds(1, 0).is_some(), "an empty ledger's import is held");
        assert_eq!(Limit::Percent(20).holds(0, 0), None);
        assert_eq!(Limit::None.holds(u64::MAX, 0), None);
    }

    #[test]
    fn a_pin_refuses_what_is_known_to_differ() {
        let pin =
            |account: Option<&str>, livemode| Pin { account: account.map(str::to_owned), livemode };
        let pinned = pin(Some("acct_1"), Some(true));
        assert_eq!(pinned.admits(&pin(None, None)), Ok(()));
        assert_eq!(pinned.admits(&pin(Some("acct_1"), Some(true))), Ok(()));
        assert!(matches!(pinned.admits(&pin(Some("acct_2"), None)), Err(PinError::Account { .. })));
        assert!(matches!(pinned.admits(&pin(None, Some(false))), Err(PinError::Mode { .. })));
    }
}
