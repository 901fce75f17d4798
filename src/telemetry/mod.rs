//! Telemetry: what spans, metrics and logs are called and carry, whose ids they have, how they
//! get to a collector, and the account of what became of them. Nothing here is global, and
//! without an endpoint nothing is made. What it deliberately leaves out: sampling.

mod answer;
mod client;
mod describe;
mod export_metrics;
mod exporters;
mod handle;
mod host;
pub mod ids;
mod live;
mod load;
mod logs;
pub mod metrics;
pub mod names;
pub mod parts;
mod pipeline;
mod probe;
pub mod prometheus;
mod queue;
pub mod settings;
pub mod spans;
mod tally;
mod tracer;
mod worker;

pub use describe::Describe;
pub use handle::{Admission, Handle, SpanItem};
pub use host::Sampler;
pub use ids::Ids;
pub use live::{LiveSpan, OperationSpan};
pub use parts::{Parts, Place};
pub use pipeline::{LogsLayer, Source, Telemetry};
pub use probe::{Probe, probe};
pub use settings::Settings;
pub use tracer::Traced;
