//! What dashboards ask of PostgreSQL, asked as Grafana asks it: after a scenario that the real
//! program made, as a login that may only read.
//!
//! Whatever is in grafana/dashboards is read, so that a dashboard is tested from its first day.

mod boards;
mod correlations;
mod fields;
mod fit;
mod look;
mod macros;
mod mistakes;
mod panels;
mod reads;
mod scenario;
mod truth;
mod variables;
