//! The provider's side: files in several formats, read into domain types in constant memory.
//!
//! Blocking, and free of the database and of telemetry. It says what is there and whether that
//! is proven complete; it compares nothing. Formats and rules: `docs/statement.md`.

mod cell;
mod completeness;
mod error;
mod facts;
mod files;
mod format;
mod frame;
mod framer;
mod input;
mod intake;
mod json;
mod lines;
mod listing_url;
mod manifest;
mod mapped;
mod reading;
mod stripe;
mod stripe_csv;
mod table;
#[cfg(test)]
mod tests;

use crate::domain::{StatementPayment, StatementSubscription};
use chrono::{DateTime, Utc};
pub use error::StatementError;
pub use facts::{AsOfFrom, Facts, FileFacts, Listing, MALFORMED_EXAMPLES_MAX, Malformed, Window};
pub use format::Format;
pub use mapped::{Amounts, Mapping, Noun, PaymentFields, RecordKind, Source, SubscriptionFields};
pub use reading::Statement;
use std::path::PathBuf;

/// One record of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Payment(StatementPayment),
    Subscription(StatementSubscription),
    Customer(StatementCustomer),
}

/// A customer as the provider knows it, and the user that its metadata names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementCustomer {
    pub provider_customer_id: String,
    /// From `metadata[user_id_key]`: a positive integer, or nothing.
    pub user_id: Option<i64>,
}

/// The metadata key that holds a customer's user id where the settings don't name one.
pub const USER_ID_KEY: &str = "user_id";

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// A file, several files, or a directory.
    pub paths: Vec<PathBuf>,
    pub format: Format,
    /// The moment that the statement describes, where the caller knows it.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether the first malformed record is an error.
    pub strict: bool,
    /// The metadata key that holds a customer's user id; see [`USER_ID_KEY`].
    pub user_id_key: String,
    /// How to read formats `csv` and `ndjson`.
    pub mapping: Option<Mapping>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            format: Format::Auto,
            as_of: None,
            strict: false,
            user_id_key: USER_ID_KEY.to_owned(),
            mapping: None,
        }
    }
}
