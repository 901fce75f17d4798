//! Which names of fields occur that are not used: told apart, and counted once each.

use std::collections::HashSet;

/// The distinct names of fields that are not used. Objects of one kind list their fields in the
/// same order, so the next name is nearly always the one that followed last time.
#[derive(Debug, Default)]
pub(in super::super) struct Names {
    in_order: Vec<Box<str>>,
    known: HashSet<Box<str>>,
    next: usize,
}

/// How many names are told apart.
const NAMES_MAX: usize = 4_096;

impl Names {
    pub fn begin(&mut self) {
        self.next = 0;
    }

    pub fn note(&mut self, name: &str) {
        if self.in_order.get(self.next).is_some_and(|expected| **expected == *name) {
            self.next += 1;
        } else if !self.known.contains(name) && self.known.len() < NAMES_MAX {
            self.known.insert(name.into());
            self.in_order.push(name.into());
        } else if let Some(at) = self.in_order.iter().take(256).position(|other| **other == *name) {
            self.next = at + 1;
        }
    }

    pub fn count(&self) -> u64 {
        self.known.len() as u64
    }
}
