//! Every span, attribute, metric and phase name, in one place: dashboards, alerts and tests are
//! checked against it. From OpenTelemetry's semantic conventions where one exists (1.44), else in
//! a namespace of our own.

/// The instrumentation scope, and the service's name where none is given.
pub const SCOPE: &str = "payment-monitor";

/// The root span of a run.
pub const RUN: &str = "payment_monitor.run";
/// The root span of a part trace (docs/adr/0010-part-traces.md).
pub const PART: &str = "payment_monitor.part";

/// A run's phases, in their order. Each is a span of this name under the root.
pub const RESCUE: &str = "rescue";
pub const FETCH: &str = "fetch";
pub const COMPARE: &str = "compare";
pub const PLAN: &str = "plan";
pub const GUARD: &str = "guard";
pub const PERFORM: &str = "perform";
pub const ASSESS: &str = "assess";
pub const FINISH: &str = "finish";

pub const RUN_ID: &str = "payment_monitor.run.id";
pub const RUN_STATUS: &str = "payment_monitor.run.status";
pub const RUN_PARENT_ID: &str = "payment_monitor.run.parent_id";
/// Which part of its run a part trace is: 1, 2, ... (the run's own trace is part 0).
pub const PART_NUMBER: &str = "payment_monitor.part.number";
pub const PHASE: &str = "payment_monitor.phase";
pub const OPERATION_ID: &str = "payment_monitor.operation.id";
pub const OPERATION_ACTION: &str = "payment_monitor.operation.action";
pub const OPERATION_OUTCOME: &str = "payment_monitor.operation.outcome";
/// Only where more than one was needed.
pub const OPERATION_ATTEMPTS: &str = "payment_monitor.operation.attempts";
pub const DISCREPANCY_KIND: &str = "payment_monitor.discrepancy.kind";
/// The company's own opaque id of the user, never an e-mail.
pub const USER_ID: &str = "payment_monitor.user.id";
/// The provider's id of the payment or subscription.
pub const PROVIDER_ID: &str = "payment_monitor.provider.id";
pub const PAYMENT_STATUS: &str = "payment_monitor.payment.status";
pub const FAILURE_CODE: &str = "payment_monitor.payment.failure_code";
/// The name and the severity of a rule of suspicious activity.
pub const RULE: &str = "payment_monitor.rule.name";
pub const RULE_SEVERITY: &str = "payment_monitor.rule.severity";
/// `traces`, `metrics` or `logs`.
pub const SIGNAL: &str = "payment_monitor.telemetry.signal";
/// On the root spans of what was made again from the database.
pub const REPLAYED: &str = "payment_monitor.replayed";

pub const DB_SYSTEM: &str = "db.system.name";
pub const DB_NAMESPACE: &str = "db.namespace";
pub const DB_OPERATION: &str = "db.operation.name";
pub const DB_COLLECTION: &str = "db.collection.name";
pub const DB_SUMMARY: &str = "db.query.summary";
pub const DB_ROWS: &str = "db.response.returned_rows";
pub const DB_STATUS_CODE: &str = "db.response.status_code";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const ERROR_TYPE: &str = "error.type";
pub const PROCESS_EXIT_CODE: &str = "process.exit.code";

/// On the resource.
pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_VERSION: &str = "service.version";
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
pub const HOST_NAME: &str = "host.name";
pub const PROCESS_PID: &str = "process.pid";

/// Gauges of the last run.
pub const LAST_COMPLETION_TIME: &str = "payment_monitor.run.last_completion_time";
pub const LAST_SUCCESS_TIME: &str = "payment_monitor.run.last_success_time";
/// Within how long the next success is expected, as the schedule says.
pub const EXPECTED_WITHIN: &str = "payment_monitor.run.expected_within";
pub const LAST_DURATION: &str = "payment_monitor.run.last_duration";
pub const LAST_STATUS: &str = "payment_monitor.run.last_status";
pub const LAST_OPERATIONS: &str = "payment_monitor.run.last_operations";
pub const LAST_NOT_DONE: &str = "payment_monitor.run.last_not_done";
/// What rules found that is new and not snoozed, and how many could not be evaluated.
pub const FINDINGS: &str = "payment_monitor.run.last_findings";
pub const UNEVALUATED_RULES: &str = "payment_monitor.run.last_unevaluated_rules";
pub const PHASE_DURATION: &str = "payment_monitor.run.last_phase_duration";
pub const TELEMETRY_MADE: &str = "payment_monitor.telemetry.last_made";
pub const TELEMETRY_LOST: &str = "payment_monitor.telemetry.last_lost";
/// Counters, which start at an explicit zero.
pub const RUNS: &str = "payment_monitor.runs";
pub const OPERATIONS: &str = "payment_monitor.operations";
pub const RETRIES: &str = "payment_monitor.operation.retries";
pub const RECONNECTS: &str = "payment_monitor.database.reconnects";
/// A histogram: how long operations take, by the conventions for database clients.
pub const OPERATION_DURATION: &str = "db.client.operation.duration";
/// Gauges of the ledger, in totals only.
pub const PAYMENTS: &str = "payment_monitor.payments";
pub const PAYMENT_FAILURES: &str = "payment_monitor.payment_failures";
pub const OPEN_DISCREPANCIES: &str = "payment_monitor.discrepancies.open";
pub const OLDEST_UNRECONCILED: &str = "payment_monitor.discrepancies.oldest_age";

/// Every metric: its name, unit, and the attributes that its points carry.
pub const METRICS: [(&str, &str, &[&str]); 21] = [
    (LAST_COMPLETION_TIME, "s", &[]),
    (LAST_SUCCESS_TIME, "s", &[]),
    (EXPECTED_WITHIN, "s", &[]),
    (LAST_DURATION, "s", &[]),
    (LAST_STATUS, "1", &[RUN_STATUS]),
    (LAST_OPERATIONS, "{operation}", &[OPERATION_ACTION, OPERATION_OUTCOME]),
    (LAST_NOT_DONE, "{operation}", &[]),
    (FINDINGS, "{finding}", &[RULE, RULE_SEVERITY]),
    (UNEVALUATED_RULES, "{rule}", &[]),
    (PHASE_DURATION, "s", &[PHASE]),
    (TELEMETRY_MADE, "{item}", &[SIGNAL]),
    (TELEMETRY_LOST, "{item}", &[SIGNAL]),
    (RUNS, "{run}", &[RUN_STATUS]),
    (OPERATIONS, "{operation}", &[OPERATION_ACTION, OPERATION_OUTCOME]),
    (RETRIES, "{retry}", &[]),
    (RECONNECTS, "{reconnect}", &[]),
    (OPERATION_DURATION, "s", &[DB_SYSTEM, DB_OPERATION, DB_COLLECTION]),
    (PAYMENTS, "{payment}", &[PAYMENT_STATUS]),
    (PAYMENT_FAILURES, "{payment}", &[FAILURE_CODE]),
    (OPEN_DISCREPANCIES, "{discrepancy}", &[DISCREPANCY_KIND]),
    (OLDEST_UNRECONCILED, "s", &[]),
];
