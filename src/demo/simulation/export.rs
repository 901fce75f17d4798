//! The provider's export at a step: as it is, or broken as real ones break now and then.

use super::Happening;
use crate::demo::Statement;
use crate::demo::differences::Listing;
use crate::demo::statement::{CHARGES, package};
use chrono::{DateTime, Utc};

/// How many payments a statement lists at most, the newest ones: it must not grow with the
/// company's age. At first that is all there are, later those of about two days.
pub const LISTED_MAX: i64 = 6_000;

/// What is wrong with an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A file ends in the middle.
    CutOff,
    /// A file is a web page that says why there is none.
    ErrorPage,
    /// Amounts in two currencies are in whole units instead of hundredths.
    WholeUnits,
}

/// Longer than a minute, in steps, so that a run of every minute meets it.
const STEPS: u64 = 7;
/// When exports break, and when they are wrong.
const BROKEN_FROM: u64 = 48;
const BROKEN_EVERY: u64 = 270;
const WRONG_FROM: u64 = 150;
const WRONG_EVERY: u64 = 4_320;

impl Fault {
    /// Of the export at this step, and whether it is the first, or the last, of those steps.
    fn at(step: u64) -> Option<(Self, bool, bool)> {
        let stretch = |from: u64, every: u64| {
            let since = step.checked_sub(from)?;
            let place = since % every;
            (place < STEPS).then_some((since / every, place == 0, place == STEPS - 1))
        };
        if let Some((_, first, last)) = stretch(WRONG_FROM, WRONG_EVERY) {
            return Some((Self::WholeUnits, first, last));
        }
        let (number, first, last) = stretch(BROKEN_FROM, BROKEN_EVERY)?;
        let fault = if number.is_multiple_of(2) { Self::CutOff } else { Self::ErrorPage };
        Some((fault, first, last))
    }

    /// Of the export at this step.
    pub fn of(step: u64) -> Option<Self> {
        Self::at(step).map(|(fault, ..)| fault)
    }
}

/// What is to be said of the export at this step.
pub(super) fn told(step: u64) -> Option<Happening> {
    let (fault, first, last) = Fault::at(step)?;
    let (text, look) = match fault {
        Fault::CutOff => ("the statement is cut off", "runs: failed; alert run-failed"),
        Fault::ErrorPage => ("the statement is an error page", "runs: failed; alert run-failed"),
        Fault::WholeUnits => (
            "the statement has whole euros and pounds for cents and pence",
            "runs: held; alert run-held",
        ),
    };
    let happening = |kind, text| Happening { kind, text, look, user_id: None };
    if first {
        return Some(happening("export_broken", format!("{text}, for {STEPS} steps")));
    }
    last.then(|| happening("export_mended", "the next statement is whole again".to_owned()))
}

/// The statement of a step's end.
pub fn statement(step: u64, as_of: DateTime<Utc>, mut listing: Listing) -> Statement {
    let fault = Fault::of(step);
    if fault == Some(Fault::WholeUnits) {
        let wrong = |code: &str| matches!(code, "EUR" | "GBP");
        let charges = listing.charges.iter_mut().map(|listed| &mut listed.row);
        for row in charges.filter(|row| wrong(row.currency.as_str())) {
            row.amount_minor /= 100;
            row.amount_captured_minor /= 100;
            row.amount_refunded_minor /= 100;
        }
    }
    // No window: it would hide subscriptions that began before it. Without one, payments are
    // missed only from the oldest listed one on, and subscriptions likewise.
    let mut statement = package(as_of, None, &listing);
    let charges = statement.files.iter_mut().find(|file| file.name == CHARGES);
    if let Some(file) = charges {
        match fault {
            Some(Fault::CutOff) => file.bytes.truncate(file.bytes.len() / 2),
            Some(Fault::ErrorPage) => file.bytes = ERROR_PAGE.to_vec(),
            Some(Fault::WholeUnits) | None => {}
        }
    }
    statement
}

const ERROR_PAGE: &[u8] = b"<html><head><title>503 Service Unavailable</title></head></html>\n";
