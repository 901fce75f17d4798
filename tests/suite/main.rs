//! Behaviour on a real PostgreSQL: one server for the whole binary, a database per test.
//!
//! Names are sentences. Every test makes its own ledger and statement, and what it needs of the
//! program is called as the commands call it, as the job's own role.

#[allow(dead_code, unused_imports, reason = "shared with tests/faults, which needs other parts")]
mod harness;

mod alerts;
mod cli;
mod failures;
mod grafana;
mod plans;
mod run;
mod simulate;
mod suspicious;
mod telemetry;
mod upgrades;
