//! The only SQL of the program: one file per table or view.
//!
//! Functions take a connection; they neither begin nor commit, so that their callers decide
//! what is atomic. Nothing here retries, prints or decides.

#![allow(clippy::missing_errors_doc, reason = "the errors are the database's: see `error::fault`")]

mod address;
pub mod comparison;
pub mod connection;
pub mod copy;
pub mod discrepancies;
pub mod doctor;
pub mod ending;
pub mod error;
pub mod events;
pub mod failures;
pub mod findings;
pub mod jobs;
pub mod lock;
pub mod operations;
pub mod payments;
pub mod refusals;
pub mod results;
pub mod rules;
pub mod runs;
pub mod schedule;
pub mod schema;
pub mod seed;
pub mod simulation;
pub mod staging;
pub mod telemetry;

pub use connection::Database;
pub use error::{DatabaseError, Fault};
