//! Behaviour on a real PostgreSQL: one server for the whole binary, a database per test.
//!
//! Names are sentences. Every test makes its own ledger and statement, and what it needs of the
//! program is called as the commands call it, as the job's own role.

mod harness;

mod cli;
mod crash;
mod run;
mod telemetry;
