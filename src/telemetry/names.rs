//! Every span, attribute and phase name, in one place: dashboards, alerts and tests are checked
//! against it. From OpenTelemetry's semantic conventions where one exists (1.42), else in a
//! namespace of our own.

/// The instrumentation scope.
pub const SCOPE: &str = "payment-monitor";

/// The root span of a run.
pub const RUN: &str = "payment_monitor.run";

/// A run's phases, in their order. Each is a span of this name under the root.
pub const RESCUE: &str = "rescue";
pub const FETCH: &str = "fetch";
pub const COMPARE: &str = "compare";
pub const PLAN: &str = "plan";
pub const GUARD: &str = "guard";
pub const PERFORM: &str = "perform";
pub const FINISH: &str = "finish";

pub const RUN_ID: &str = "payment_monitor.run.id";
pub const RUN_STATUS: &str = "payment_monitor.run.status";
pub const RUN_PARENT_ID: &str = "payment_monitor.run.parent_id";
pub const OPERATION_ID: &str = "payment_monitor.operation.id";
pub const OPERATION_ACTION: &str = "payment_monitor.operation.action";
pub const OPERATION_OUTCOME: &str = "payment_monitor.operation.outcome";
pub const OPERATION_ATTEMPTS: &str = "payment_monitor.operation.attempts";
pub const DISCREPANCY_KIND: &str = "payment_monitor.discrepancy.kind";
/// The company's own opaque id of the user, never an e-mail.
pub const USER_ID: &str = "payment_monitor.user.id";
/// The provider's id of the payment or subscription.
pub const PROVIDER_ID: &str = "payment_monitor.provider.id";

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
pub const PROCESS_PID: &str = "process.pid";
pub const PROCESS_EXIT_CODE: &str = "process.exit.code";
