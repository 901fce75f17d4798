-- What is known of a run before it has ended: which statement it read and what it planned, from
-- the moment its plan is stored; whether its process is still there; and, counted at the moment
-- of asking, how far it has come.

SET LOCAL ROLE payment_monitor_owner;

-- `plan`: what a run has read and planned, written in the transaction that stores the plan. The
-- run's own row says so only when the run has ended.
ALTER TABLE payment_monitor_events DROP CONSTRAINT payment_monitor_events_kind;
ALTER TABLE payment_monitor_events ADD CONSTRAINT payment_monitor_events_kind
    CHECK (kind IN ('approval', 'rejection', 'pin', 'plan'));
CREATE UNIQUE INDEX payment_monitor_events_one_plan ON payment_monitor_events (job_id)
    WHERE kind = 'plan';

-- What was attempted in vain is found without reading what was applied.
CREATE INDEX payment_monitor_results_unapplied ON payment_monitor_results (job_id, id)
    WHERE outcome <> 'applied';

-- A run succeeds only with a result for every operation that it planned.
ALTER TABLE payment_monitor_jobs ADD CONSTRAINT payment_monitor_jobs_all_done
    CHECK (execution_status <> 'succeeded' OR total_results = operations_planned);

-- Whether the process of a run is there, that is, whether a session under its name holds the run
-- lock. Unknown (null) on a replica, where the primary's locks are not seen.
CREATE FUNCTION payment_monitor_is_alive(run uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE WHEN pg_is_in_recovery() THEN NULL ELSE EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = x'0083ef8b262d90d3'::bigint
        AND a.application_name = 'payment-monitor ' || run::text) END;

-- Whether an operation failed only because other transactions kept it from its row (lock and
-- statement timeouts, class 40): the next run tries it again (store::error::fault says the same).
CREATE FUNCTION payment_monitor_is_contention(error text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(error, 5) IN ('55P03', '57014') OR left(error, 2) = '40';

-- What a run has planned or left so far, counted as of now. Called rather than inlined (that is
-- what SET does), because the planner would take its cost for every run's: whoever lists runs
-- would then wait seconds for a compilation, and for counts that nobody asked for.
CREATE FUNCTION payment_monitor_count(run uuid, what text) RETURNS bigint
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET jit = off
RETURN CASE
    WHEN what = 'planned' THEN (
        SELECT count(*) FROM payment_monitor_operations WHERE job_id = run)
    WHEN what = 'results' THEN (
        SELECT count(*) FROM payment_monitor_results WHERE job_id = run)
    WHEN what IN ('failed', 'conflict') THEN (
        SELECT count(*) FROM payment_monitor_results
        WHERE job_id = run AND outcome <> 'applied' AND outcome = what)
    ELSE (SELECT count(*) FROM payment_monitor_results WHERE job_id = run AND action = what) END;

DROP VIEW run_summary;
CREATE VIEW run_summary AS
SELECT
    j.id AS run_id,
    replace(j.id::text, '-', '') AS trace_id,
    j.parent_id,
    j.started_at,
    j.duration,
    j.execution_status,
    -- Not a CASE: the index on running runs is then used where somebody asks for it.
    j.execution_status = 'running' AND NOT payment_monitor_is_alive(j.id) AS needs_rescue,
    c.operations_planned,
    c.total_results,
    c.total_results - c.results_failed - c.results_conflict AS results_applied,
    c.results_failed,
    c.results_conflict,
    CASE WHEN j.execution_status = 'running' THEN 0
        ELSE c.operations_planned - c.total_results END AS not_done,
    CASE WHEN j.execution_status = 'running'
        THEN c.operations_planned - c.total_results ELSE 0 END AS still_open,
    c.results_new,
    c.results_update,
    c.results_delete,
    coalesce(nullif(j.withheld_deletes, 0), (p.details ->> 'withheld_deletes')::bigint, 0)
        AS withheld_deletes,
    coalesce(j.discrepancies, p.details -> 'discrepancies') AS discrepancies,
    coalesce(j.left_alone, p.details -> 'left_alone') AS left_alone,
    coalesce(j.statement, p.details -> 'statement') AS statement,
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
    ON e.job_id = j.id AND e.kind IN ('approval', 'rejection')
LEFT JOIN payment_monitor_events p ON p.job_id = j.id AND p.kind = 'plan'
-- An ended run's totals are in its row. OFFSET keeps each count from being made more than once.
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN is_open THEN coalesce((p.details ->> 'operations')::bigint,
            payment_monitor_count(j.id, 'planned')) ELSE j.operations_planned
            END AS operations_planned,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'results')
            ELSE j.total_results END AS total_results,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'failed')
            ELSE j.results_failed END AS results_failed,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'conflict')
            ELSE j.results_conflict END AS results_conflict,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'new')
            ELSE j.results_new END AS results_new,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'update')
            ELSE j.results_update END AS results_update,
        CASE WHEN is_open THEN payment_monitor_count(j.id, 'delete')
            ELSE j.results_delete END AS results_delete
    FROM (SELECT j.execution_status = 'running') AS asked (is_open)
    OFFSET 0
) c;
COMMENT ON VIEW run_summary IS
    'One row per run, with the decision on it where there is one. needs_rescue: the run has not
ended, but its process is gone or has lost the run lock; its totals are then counted as of now,
and what has no result yet is still_open.';

CREATE OR REPLACE VIEW run_operations AS
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
        WHEN j.execution_status = 'held' AND NOT EXISTS (
            SELECT FROM payment_monitor_events e
            WHERE e.job_id = j.id AND e.kind IN ('approval', 'rejection')) THEN 'held'
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
left, whether attempted or not), held (until a person has decided), or open while its run has not
ended. An approved plan is performed by a run of its own, of which this one is the parent.';

COMMENT ON TABLE payment_monitor_events IS
    'Decisions by people, pins, and what each run has read and planned: who, when, why.';
COMMENT ON COLUMN payment_monitor_jobs.statement IS
    'What was read, and whether it is proven complete; of a run that died, as its plan says.';

GRANT SELECT ON run_summary TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
