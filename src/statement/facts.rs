//! What was read, and whether it is proven complete: kept as JSON in the run's row.
//! Strings, integers and booleans only; nothing of a record's content.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many malformed records are quoted by file and line.
pub const MALFORMED_EXAMPLES_MAX: usize = 100;

/// The account of one statement. Times are UTC; absent options are left out of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// In the order in which they were read.
    pub files: Vec<FileFacts>,
    /// The moment that the statement describes.
    pub as_of: DateTime<Utc>,
    pub as_of_from: AsOfFrom,
    /// The provider's account, where a manifest names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Live or test mode, where an object or the manifest states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    pub payments: u64,
    pub subscriptions: u64,
    pub customers: u64,
    /// Objects of kinds that are not used, by their kind. Beyond 1,000 kinds, and for names that
    /// can't be stored, they are counted as `other`.
    pub ignored: BTreeMap<String, u64>,
    /// How many distinct names of top-level fields (JSON) or columns (CSV) occurred that are not
    /// used. Each name counts once, whatever the number of records; at most 4,096 are told apart.
    pub unknown_fields: u64,
    /// Records that could not be used. Any makes every listing unproven.
    pub malformed: u64,
    /// The first [`MALFORMED_EXAMPLES_MAX`] of them.
    pub malformed_examples: Vec<Malformed>,
    pub payments_listing: Listing,
    pub subscriptions_listing: Listing,
    /// The span of creation times that the manifest says was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_payment: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_subscription: Option<DateTime<Utc>>,
}

/// One file as it was on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    pub name: String,
    /// Size on disk, compressed where the file is.
    pub bytes: u64,
    /// Of the bytes on disk, in lowercase hexadecimal digits.
    pub sha256: String,
    /// Objects or rows, also those that were ignored or malformed; list pages count by element.
    pub records: u64,
}

/// Where a statement's time is from, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AsOfFrom {
    #[serde(rename = "flag")]
    Flag,
    #[serde(rename = "manifest")]
    Manifest,
    /// The oldest one of the files.
    #[serde(rename = "modification time")]
    ModificationTime,
}

/// A record that could not be used: where it stands, and which field is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Malformed {
    pub file: String,
    pub line: u64,
    pub reason: String,
}

/// Whether all records of one kind are known to be in the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "snake_case")]
pub enum Listing {
    /// There is no such record, and nothing claims to list them.
    NotCovered,
    /// Some may be missing.
    Unproven { why: String },
    /// None is missing, as far as the provider says the truth.
    Proven { by: String },
}

impl Listing {
    /// Whether absence from the statement means anything.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven { .. })
    }
}

/// A span of time, open where an end is absent: `since` included, `until` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}
