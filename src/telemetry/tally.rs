//! Counts what became of a signal's items. Every item that is counted as made is counted once
//! more: as acknowledged, refused or dropped.

use crate::domain::account::Signal;
use std::sync::{Mutex, PoisonError};

/// How many reasons are told apart; a collector that words each refusal differently must not
/// fill the memory.
const REASONS_MAX: usize = 16;

/// The running account of one signal.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Signal>);

impl Tally {
    pub fn made(&self, items: u64) {
        self.with(|signal| signal.made += items);
    }

    pub fn acknowledged(&self, items: u64) {
        self.with(|signal| signal.acknowledged += items);
    }

    pub fn refused(&self, items: u64, why: &str) {
        self.with(|signal| signal.refused += items);
        self.explain(items, why);
    }

    pub fn dropped(&self, items: u64, why: &str) {
        self.with(|signal| signal.dropped += items);
        self.explain(items, why);
    }

    /// Counts what is not accounted for as dropped: a worker that broke off has left it.
    pub fn settle(&self, why: &str) {
        let Signal { made, acknowledged, refused, dropped, .. } = self.read();
        self.dropped(made.saturating_sub(acknowledged + refused + dropped), why);
    }

    /// The account so far.
    pub fn read(&self) -> Signal {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn explain(&self, items: u64, why: &str) {
        if items == 0 {
            return;
        }
        self.with(|signal| {
            let is_known = signal.why.contains_key(why) || signal.why.len() < REASONS_MAX;
            let reason = if is_known { why } else { "other reasons" };
            *signal.why.entry(reason.to_owned()).or_default() += items;
        });
    }

    fn with(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
