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
