//! What a comparison of the two sides has to find, counted while they were made to differ.

use crate::domain::{Kind, Reason};
use std::collections::BTreeMap;

/// The discrepancies between the ledger and the statement, and what becomes of them in a first
/// run with default settings (no deletes) and a statement that is proven complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// By [`Kind::as_str`]; every kind occurs. A payment that is newer in the ledger counts
    /// under the kind in which it differs.
    pub discrepancies: BTreeMap<&'static str, u64>,
    /// Those for which nothing is planned, by [`Reason::as_str`].
    pub left: BTreeMap<&'static str, u64>,
    /// Planned operations that the database refuses (see [`REFUSED_BY`]).
    pub refused: u64,
}

/// A rule of the company's own database, which no statement overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub constraint: &'static str,
    pub table: &'static str,
    /// What the rule says, for people.
    pub rule: &'static str,
}

/// The CHECK that the demo's ledger has in addition to the reference schema. The statement
/// lists one charge with an amount of 0; the ledger has no row that breaks the rule.
pub const REFUSED_BY: Refusal = Refusal {
    constraint: "payments_amount_positive",
    table: "payments",
    rule: "amount_minor is above 0",
};

impl Expectation {
    /// Discrepancies of all kinds.
    pub fn total(&self) -> u64 {
        self.discrepancies.values().sum()
    }

    /// Operations that the first run plans.
    pub fn planned(&self) -> u64 {
        self.total() - self.left.values().sum::<u64>()
    }

    /// Operations that the first run completes.
    pub fn applied(&self) -> u64 {
        self.planned() - self.refused
    }

    pub(super) fn found(&mut self, kind: Kind) {
        *self.discrepancies.entry(kind.as_str()).or_default() += 1;
    }

    pub(super) fn left(&mut self, reason: Reason) {
        *self.left.entry(reason.as_str()).or_default() += 1;
    }
}
