//! Records on both sides, equal until something makes them differ.
//!
//! A pair is touched once, so that a record shows one discrepancy; every one is counted.

use super::Expectation;
use crate::domain::{Kind, Reason};
use chrono::{DateTime, Utc};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

/// A row as the statement lists it: the provider knows customers, not users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    pub row: T,
    pub customer: Option<String>,
    /// Statements of an earlier time do not list it.
    pub from: Option<DateTime<Utc>>,
    /// Statements of this time and later ones do not list it any more.
    pub until: Option<DateTime<Utc>>,
}

impl<T> Listed<T> {
    /// In every statement.
    pub fn always(row: T, customer: Option<String>) -> Self {
        Self { row, customer, from: None, until: None }
    }
}

/// A record on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<T> {
    pub ledger: Option<T>,
    /// Usually one; none where the provider does not list it, two where it does so twice.
    pub listed: Vec<Listed<T>>,
}

impl<T> Pair<T> {
    pub fn stated(&mut self) -> &mut T {
        &mut self.listed[0].row
    }

    pub fn kept(&mut self) -> &mut T {
        self.ledger.as_mut().expect("the ledger's row of an untouched pair")
    }
}

/// All records of one table, and which of them are still equal on both sides.
pub(super) struct Pairs<'a, T> {
    all: Vec<Pair<T>>,
    untouched: Vec<usize>,
    rng: &'a mut ChaCha20Rng,
    pub expected: &'a mut Expectation,
}

impl<'a, T: Clone> Pairs<'a, T> {
    /// All rows as pairs; those that have to stay equal count as touched from the start.
    pub fn equal(
        rng: &'a mut ChaCha20Rng,
        expected: &'a mut Expectation,
        rows: Vec<T>,
        customer: impl Fn(&T) -> Option<String>,
        stays_equal: impl Fn(&T) -> bool,
    ) -> Self {
        let mut untouched: Vec<usize> =
            (0..rows.len()).filter(|at| !stays_equal(&rows[*at])).collect();
        untouched.shuffle(rng);
        let pair = |row: T| Pair {
            listed: vec![Listed::always(row.clone(), customer(&row))],
            ledger: Some(row),
        };
        Self { all: rows.into_iter().map(pair).collect(), untouched, rng, expected }
    }

    /// Changes `times` untouched pairs whose row suits, without any discrepancy to be found.
    pub fn change(
        &mut self,
        times: usize,
        suits: impl Fn(&T) -> bool,
        mut change: impl FnMut(&mut Pair<T>, &mut ChaCha20Rng),
    ) {
        for _ in 0..times {
            let is_suitable = |&at: &usize| self.all[at].ledger.as_ref().is_some_and(&suits);
            let found = self.untouched.iter().position(is_suitable);
            let at = self.untouched.swap_remove(found.expect("a company with such a row"));
            change(&mut self.all[at], self.rng);
        }
    }

    /// The same, where each is to be found as a discrepancy of this kind, and planned or left.
    pub fn differ(
        &mut self,
        times: usize,
        kind: Kind,
        left: Option<Reason>,
        suits: impl Fn(&T) -> bool,
        change: impl FnMut(&mut Pair<T>, &mut ChaCha20Rng),
    ) {
        self.change(times, suits, change);
        for _ in 0..times {
            self.expected.found(kind);
            if let Some(reason) = left {
                self.expected.left(reason);
            }
        }
    }

    pub fn sides(self) -> (Vec<T>, Vec<Listed<T>>) {
        let mut ledger = Vec::new();
        let mut listed = Vec::new();
        for pair in self.all {
            ledger.extend(pair.ledger);
            listed.extend(pair.listed);
        }
        (ledger, listed)
    }
}
