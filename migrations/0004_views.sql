-- What people, dashboards and alerts query. These views are the public interface; the tables
-- behind them may change.

SET LOCAL ROLE payment_monitor_owner;

CREATE VIEW run_summary AS
SELECT
    j.id AS run_id,
    replace(j.id::text, '-', '') AS trace_id,
    j.parent_id,
    j.started_at,
    j.duration,
    j.execution_status,
    j.operations_planned,
    j.total_results,
    j.results_applied,
    j.results_failed,
    j.results_conflict,
    j.operations_planned - j.total_results AS not_done,
    j.results_new,
    j.results_update,
    j.results_delete,
    j.withheld_deletes,
    j.discrepancies,
    j.left_alone,
    j.statement,
    j.phases,
    j.error,
    j.host,
    j.version,
    e.kind AS decision,
    e.actor AS decided_by,
    e.reason AS decision_reason,
    e.occurred_at AS decided_at
FROM payment_monitor_jobs j
LEFT JOIN payment_monitor_events e
    ON e.job_id = j.id AND e.kind IN ('approval', 'rejection');
COMMENT ON VIEW run_summary IS 'One row per run, with the decision on it where there is one.';

CREATE VIEW run_operations AS
SELECT
    o.job_id AS run_id,
    o.id AS operation_id,
    right(replace(o.id::text, '-', ''), 16) AS span_id,
    o.kind,
    o.subject,
    o.action,
    o.provider_id,
    o.user_id,
    o.description,
    CASE WHEN r.id IS NOT NULL THEN r.outcome
        WHEN j.execution_status = 'running' THEN 'open'
        WHEN j.execution_status = 'held' THEN 'held'
        ELSE 'not_done' END AS fate,
    r.occurred_at,
    r.error,
    o.previous_state AS planned_previous_state,
    o.new_state AS planned_new_state,
    r.previous_state,
    r.new_state
FROM payment_monitor_operations o
JOIN payment_monitor_jobs j ON j.id = o.job_id
LEFT JOIN payment_monitor_results r ON r.id = o.id;
COMMENT ON VIEW run_operations IS
    'One row per planned operation and its fate: applied, failed, conflict, not_done (no effect
left, whether attempted or not), held, or open while its run has not ended.';

CREATE VIEW audit_trail AS
SELECT
    r.id AS operation_id,
    r.job_id AS run_id,
    r.occurred_at,
    r.action,
    r.outcome,
    CASE WHEN r.payment_id IS NOT NULL THEN 'payment'
        WHEN r.subscription_id IS NOT NULL THEN 'subscription' END AS subject,
    r.user_id,
    r.payment_id,
    r.subscription_id,
    r.description,
    r.previous_state,
    r.new_state,
    r.error
FROM payment_monitor_results r;
COMMENT ON VIEW audit_trail IS
    'Every result, in the order of its id. For a stretch of time add
operation_id >= payment_monitor_id_at(...): only the months concerned are then read.';

CREATE VIEW open_discrepancies AS
SELECT id, kind, reason, subject, provider_id, target_id, user_id, action, description,
    first_seen_at, first_seen_by, last_seen_at, last_seen_by,
    payment_monitor_can_be_approved(reason) AS can_be_approved
FROM payment_monitor_discrepancies
WHERE resolved_at IS NULL;
COMMENT ON VIEW open_discrepancies IS 'Discrepancies that need a person, once each.';

CREATE VIEW payment_failures_by_day AS
SELECT
    (created_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS attempts,
    count(*) FILTER (WHERE status = 'failed') AS failures
FROM ledger_payments
WHERE removed_at IS NULL
GROUP BY 1;
COMMENT ON VIEW payment_failures_by_day IS 'Payment attempts and failures per day (UTC).';

CREATE VIEW payment_failures_by_user AS
SELECT
    user_id,
    count(*) AS attempts,
    count(*) FILTER (WHERE status = 'failed') AS failures,
    mode() WITHIN GROUP (ORDER BY failure_code) FILTER (WHERE status = 'failed')
        AS most_frequent_failure_code,
    max(created_at) FILTER (WHERE status = 'failed') AS last_failure_at
FROM ledger_payments
WHERE removed_at IS NULL AND user_id IS NOT NULL
GROUP BY user_id;
COMMENT ON VIEW payment_failures_by_user IS 'Payment attempts and failures per user.';

GRANT SELECT ON run_summary, run_operations, audit_trail, open_discrepancies,
    payment_failures_by_day, payment_failures_by_user
    TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
