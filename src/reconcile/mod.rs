//! The verbs: ledger and statement side by side become discrepancies, and those a plan.
//!
//! Pure: no I/O, no clock, no random numbers. Which rows are looked at is `scope`'s business,
//! what differs `compare`'s, what is done about it `plan`'s, and whether at all `guard`'s.

pub mod compare;
pub mod guard;
pub mod plan;
pub mod scope;
#[cfg(test)]
mod tests;

pub use compare::{LedgerRow, Pair, StatementRow, compare};
pub use guard::{Limit, Pin};
pub use plan::{Decision, Planner, Policy};
pub use scope::Scope;
