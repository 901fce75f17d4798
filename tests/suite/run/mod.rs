//! What a run finds, does and leaves.

mod demo;
mod discrepancies;
mod fence;
mod interference;
mod limits;
mod refusals;
mod trail;
