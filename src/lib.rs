//! `payment-monitor`: brings a company's ledger in line with its payment provider's statement,
//! one atomic, recorded, traced operation at a time.
//!
//! ```text
//! main -> commands -> run, archive -> store, statement, reconcile, audit -> domain
//!
//! main -> commands -> simulator -> store -> demo -> domain
//!
//! begin -> rescue -> fetch -> compare -> plan -> guard -> perform -> finish
//! ```

pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod domain;
pub mod exit;
pub mod postgres;
pub mod reconcile;
pub mod run;
pub mod simulator;
pub mod statement;
pub mod store;
pub mod telemetry;
