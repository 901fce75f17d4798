-- What telemetry leaves in the record, and where the traces of a run are.

SET LOCAL ROLE payment_monitor_owner;

ALTER TABLE payment_monitor_events DROP CONSTRAINT payment_monitor_events_kind;
ALTER TABLE payment_monitor_events ADD CONSTRAINT payment_monitor_events_kind CHECK
    (kind IN ('approval', 'rejection', 'pin', 'plan', 'telemetry', 'database_host'));

COMMENT ON COLUMN payment_monitor_jobs.resource_use IS
    'The job host''s and the process''s load during the run: minimum, mean and maximum of each.';

-- Part 0 is the run's own trace; src/telemetry/ids.rs derives the others in the same way.
CREATE FUNCTION payment_monitor_trace_id(run uuid, part bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN part = 0 THEN replace(run::text, '-', '')
    ELSE encode(substring(sha256(uuid_send(run) || 'part'::bytea || int8send(part))
        FROM 1 FOR 16), 'hex') END;

CREATE VIEW run_traces AS
SELECT
    job_id AS run_id,
    part,
    payment_monitor_trace_id(job_id, part) AS trace_id,
    min(id::text)::uuid AS first_operation_id,
    max(id::text)::uuid AS last_operation_id,
    count(*) AS operations
FROM (
    -- 4000 is OPERATIONS_PER_TRACE in src/telemetry/parts.rs.
    SELECT job_id, id, (row_number() OVER (PARTITION BY job_id ORDER BY id) - 1) / 4000 AS part
    FROM payment_monitor_operations
) placed
GROUP BY job_id, part;
COMMENT ON VIEW run_traces IS
    'The traces that the operations of a run are in: its own, and part traces beyond 4,000.';

CREATE VIEW run_events AS
SELECT id AS event_id, job_id AS run_id, occurred_at, kind, actor, reason, details
FROM payment_monitor_events;
COMMENT ON VIEW run_events IS
    'Decisions, pins, telemetry accounts and database hosts'' loads: who, when, why.';

GRANT SELECT ON run_traces, run_events TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
