//! Traces: what spans are called and carry, whose ids they have, and how they get to a
//! collector. No endpoint configured means no exporter and no cost.

pub mod ids;
pub mod names;
pub mod pipeline;
pub mod spans;

pub use pipeline::Telemetry;
