//! The metrics of a run. A short-lived process is seen once: gauges tell of its last run, and
//! counters start at an explicit zero. No point carries the id of a run, a user or a payment.

use super::names;
use crate::domain::account::Account;
use crate::domain::assessment::Assessment;
use crate::domain::operation::{Action, Outcome, Subject};
use crate::domain::run::{Status, Summary};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the operations' durations, in seconds: those of the conventions for database
/// clients, and two below them.
const SECONDS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The ledger in totals, as a run left it.
#[derive(Debug, Clone, Default)]
pub struct LedgerTotals {
    pub payments_by_status: BTreeMap<String, u64>,
    pub failures_by_code: BTreeMap<String, u64>,
    pub open_by_kind: BTreeMap<String, u64>,
    /// Seconds since the oldest open discrepancy was first seen; 0 where none is open.
    pub oldest_open_seconds: f64,
    /// When a run last succeeded, in seconds since 1970.
    pub last_success: Option<f64>,
    /// Within how many seconds of the last success the next one is expected.
    pub expected_within: Option<f64>,
}

/// Every instrument of the program.
#[derive(Debug)]
pub struct Instruments {
    completion: Gauge<f64>,
    success: Gauge<f64>,
    expected: Gauge<f64>,
    duration: Gauge<f64>,
    status: Gauge<u64>,
    last_operations: Gauge<u64>,
    not_done: Gauge<u64>,
    findings: Gauge<u64>,
    unevaluated: Gauge<u64>,
    phase: Gauge<f64>,
    made: Gauge<u64>,
    lost: Gauge<u64>,
    runs: Counter<u64>,
    operations: Counter<u64>,
    retries: Counter<u64>,
    reconnects: Counter<u64>,
    latency: Histogram<f64>,
    payments: Gauge<u64>,
    failures: Gauge<u64>,
    open: Gauge<u64>,
    oldest: Gauge<f64>,
}

fn unit(name: &str) -> &'static str {
    names::METRICS.iter().find(|(metric, ..)| *metric == name).map_or("1", |(_, unit, _)| *unit)
}

impl Instruments {
    pub fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str| meter.f64_gauge(name).with_unit(unit(name)).build();
        let gauge = |name: &'static str| meter.u64_gauge(name).with_unit(unit(name)).build();
        let counter = |name: &'static str| meter.u64_counter(name).with_unit(unit(name)).build();
        Self {
            completion: seconds(names::LAST_COMPLETION_TIME),
            success: seconds(names::LAST_SUCCESS_TIME),
            expected: seconds(names::EXPECTED_WITHIN),
            duration: seconds(names::LAST_DURATION),
            status: gauge(names::LAST_STATUS),
            last_operations: gauge(names::LAST_OPERATIONS),
            not_done: gauge(names::LAST_NOT_DONE),
            findings: gauge(names::FINDINGS),
            unevaluated: gauge(names::UNEVALUATED_RULES),
            phase: seconds(names::PHASE_DURATION),
            made: gauge(names::TELEMETRY_MADE),
            lost: gauge(names::TELEMETRY_LOST),
            runs: counter(names::RUNS),
            operations: counter(names::OPERATIONS),
            retries: counter(names::RETRIES),
            reconnects: counter(names::RECONNECTS),
            latency: meter
                .f64_histogram(names::OPERATION_DURATION)
                .with_unit(unit(names::OPERATION_DURATION))
                .with_boundaries(SECONDS.to_vec())
                .build(),
            payments: gauge(names::PAYMENTS),
            failures: gauge(names::PAYMENT_FAILURES),
            open: gauge(names::OPEN_DISCREPANCIES),
            oldest: seconds(names::OLDEST_UNRECONCILED),
        }
    }

    /// A run begins: its counters are there, at zero.
    pub fn begin(&self) {
        for status in Status::ALL.iter().filter(|status| **status != Status::Running) {
            self.runs.add(0, &[KeyValue::new(names::RUN_STATUS, status.as_str())]);
        }
        for action in Action::ALL {
            for outcome in Outcome::ALL {
                self.operations.add(0, &kind(*action, *outcome));
            }
        }
        self.retries.add(0, &[]);
        self.reconnects.add(0, &[]);
    }

    /// An operation ended.
    pub fn operation(
        &self,
        (action, subject): (Action, Subject),
        outcome: Outcome,
        took: Duration,
    ) {
        self.operations.add(1, &kind(action, outcome));
        let verb = if action == Action::New { "INSERT" } else { "UPDATE" };
        self.latency.record(
            took.as_secs_f64(),
            &[
                KeyValue::new(names::DB_SYSTEM, "postgresql"),
                KeyValue::new(names::DB_OPERATION, verb),
                KeyValue::new(names::DB_COLLECTION, subject.table()),
            ],
        );
    }

    /// An operation was tried again.
    pub fn retried(&self) {
        self.retries.add(1, &[]);
    }

    /// A connection was lost, and another one is opened.
    pub fn reconnected(&self) {
        self.reconnects.add(1, &[]);
    }

    /// A run ended; `operations` are its results by action and outcome.
    pub fn end(
        &self,
        run: &Summary,
        operations: &BTreeMap<(Action, Outcome), u64>,
        completed_at: f64,
    ) {
        let status = |status: Status| [KeyValue::new(names::RUN_STATUS, status.as_str())];
        self.runs.add(1, &status(run.status));
        for known in Status::ALL.iter().filter(|known| **known != Status::Running) {
            self.status.record(u64::from(*known == run.status), &status(*known));
        }
        if run.status == Status::Skipped {
            return;
        }
        self.completion.record(completed_at, &[]);
        let millis = Duration::from_millis(run.duration_ms.unwrap_or(0));
        self.duration.record(millis.as_secs_f64(), &[]);
        for action in Action::ALL {
            for outcome in Outcome::ALL {
                let count = operations.get(&(*action, *outcome)).copied().unwrap_or(0);
                self.last_operations.record(count, &kind(*action, *outcome));
            }
        }
        self.not_done.record(run.operations.not_done, &[]);
        if let Some(assessment) = &run.assessment {
            self.assessed(assessment);
        }
        for phase in &run.phases {
            let took = Duration::from_micros(phase.duration_us).as_secs_f64();
            self.phase.record(took, &[KeyValue::new(names::PHASE, phase.name.clone())]);
        }
    }

    fn assessed(&self, assessment: &Assessment) {
        for rule in &assessment.rules {
            let attributes = [
                KeyValue::new(names::RULE, rule.rule.clone()),
                KeyValue::new(names::RULE_SEVERITY, rule.severity.clone()),
            ];
            self.findings.record(rule.news(), &attributes);
        }
        let unevaluated = assessment.unevaluated().count() + assessment.errors.len();
        self.unevaluated.record(unevaluated as u64, &[]);
    }

    /// The ledger as it is after a run.
    pub fn ledger(&self, totals: &LedgerTotals) {
        let each = |gauge: &Gauge<u64>, key: &'static str, counts: &BTreeMap<String, u64>| {
            for (name, count) in counts {
                gauge.record(*count, &[KeyValue::new(key, name.clone())]);
            }
        };
        each(&self.payments, names::PAYMENT_STATUS, &totals.payments_by_status);
        each(&self.failures, names::FAILURE_CODE, &totals.failures_by_code);
        each(&self.open, names::DISCREPANCY_KIND, &totals.open_by_kind);
        self.oldest.record(totals.oldest_open_seconds, &[]);
        if let Some(last_success) = totals.last_success {
            self.success.record(last_success, &[]);
        }
        if let Some(expected_within) = totals.expected_within {
            self.expected.record(expected_within, &[]);
        }
    }

    /// What became of the spans and logs. Of the metrics' own loss only the record can tell.
    pub(super) fn account(&self, account: &Account) {
        for (name, signal) in account.signals().into_iter().filter(|(name, _)| *name != "metrics") {
            let attributes = [KeyValue::new(names::SIGNAL, name)];
            self.made.record(signal.made, &attributes);
            self.lost.record(signal.lost(), &attributes);
        }
    }
}

fn kind(action: Action, outcome: Outcome) -> [KeyValue; 2] {
    [
        KeyValue::new(names::OPERATION_ACTION, action.as_str()),
        KeyValue::new(names::OPERATION_OUTCOME, outcome.as_str()),
    ]
}
