//! What became of the telemetry that a process made: nothing is lost unseen.

use std::collections::BTreeMap;

/// The account of all three signals: spans, points of metrics, log records.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    pub traces: Signal,
    pub metrics: Signal,
    pub logs: Signal,
}

/// The account of one signal: `made = acknowledged + refused + dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Signal {
    pub made: u64,
    /// The collector says that it has them.
    pub acknowledged: u64,
    /// The collector says that it does not take them.
    pub refused: u64,
    /// Never delivered, as far as is known: no room, no collector, no time.
    pub dropped: u64,
    /// How many were refused or dropped for which reason.
    pub why: BTreeMap<String, u64>,
}

impl Account {
    /// The signals by their names, in their order.
    pub fn signals(&self) -> [(&'static str, &Signal); 3] {
        [("traces", &self.traces), ("metrics", &self.metrics), ("logs", &self.logs)]
    }

    /// What each signal is counted in.
    pub fn units(&self) -> [(&'static str, &Signal); 3] {
        [("spans", &self.traces), ("metric points", &self.metrics), ("log records", &self.logs)]
    }

    /// How many spans, points and log records did not arrive.
    pub fn lost(&self) -> u64 {
        self.signals().iter().map(|(_, signal)| signal.lost()).sum()
    }
}

impl Signal {
    pub fn lost(&self) -> u64 {
        self.refused + self.dropped
    }
}
