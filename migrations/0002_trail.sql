-- The trail: runs, their plans, results and events. Append-only by trigger and by grants.

SET LOCAL ROLE payment_monitor_owner;

-- The smallest UUIDv7 of a moment: ids in time order make time filters into id bounds.
CREATE FUNCTION payment_monitor_id_at(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
    || '00000000000000000000')::uuid;

CREATE TABLE payment_monitor_jobs (
    id uuid PRIMARY KEY,
    parent_id uuid REFERENCES payment_monitor_jobs (id),
    started_at timestamptz NOT NULL,
    duration interval,
    total_results bigint NOT NULL DEFAULT 0,
    execution_status text NOT NULL,
    operations_planned bigint NOT NULL DEFAULT 0,
    results_applied bigint NOT NULL DEFAULT 0,
    results_failed bigint NOT NULL DEFAULT 0,
    results_conflict bigint NOT NULL DEFAULT 0,
    results_new bigint NOT NULL DEFAULT 0,
    results_update bigint NOT NULL DEFAULT 0,
    results_delete bigint NOT NULL DEFAULT 0,
    withheld_deletes bigint NOT NULL DEFAULT 0,
    discrepancies jsonb,
    left_alone jsonb,
    statement jsonb,
    known_until timestamptz,
    plan_digest bytea,
    phases jsonb,
    resource_use jsonb,
    error text,
    host text NOT NULL,
    version text NOT NULL,
    CONSTRAINT payment_monitor_jobs_status CHECK (execution_status IN
        ('running', 'succeeded', 'failed', 'interrupted', 'held', 'skipped')),
    CONSTRAINT payment_monitor_jobs_duration CHECK
        ((execution_status = 'running') = (duration IS NULL) AND duration >= interval '0'),
    CONSTRAINT payment_monitor_jobs_totals CHECK (
        total_results = results_applied + results_failed + results_conflict
        AND total_results = results_new + results_update + results_delete
        AND total_results <= operations_planned)
);
CREATE INDEX payment_monitor_jobs_running ON payment_monitor_jobs (id)
    WHERE execution_status = 'running';

CREATE FUNCTION payment_monitor_jobs_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.execution_status NOT IN ('running', 'skipped') THEN
            RAISE EXCEPTION 'a run begins as running or skipped, not as %', NEW.execution_status
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.execution_status = 'running'
        AND NEW.execution_status NOT IN ('running', 'skipped')
        AND (NEW.id, NEW.started_at, NEW.host, NEW.version, NEW.parent_id)
            IS NOT DISTINCT FROM (OLD.id, OLD.started_at, OLD.host, OLD.version, OLD.parent_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'run % is %: a run is ended once, and never changed or deleted afterwards',
        OLD.id, OLD.execution_status USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER payment_monitor_jobs_guard BEFORE INSERT OR UPDATE OR DELETE
    ON payment_monitor_jobs FOR EACH ROW EXECUTE FUNCTION payment_monitor_jobs_guard();

CREATE FUNCTION payment_monitor_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER payment_monitor_jobs_no_truncate BEFORE TRUNCATE
    ON payment_monitor_jobs EXECUTE FUNCTION payment_monitor_append_only();

-- The plan: every operation that a run intends, stored before any is performed.
CREATE TABLE payment_monitor_operations (
    id uuid NOT NULL,
    job_id uuid NOT NULL REFERENCES payment_monitor_jobs (id),
    kind text NOT NULL,
    subject text NOT NULL,
    action text NOT NULL,
    target_id bigint,
    user_id bigint,
    provider_id text NOT NULL,
    previous_state jsonb,
    new_state jsonb,
    description text NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT payment_monitor_operations_subject CHECK (subject IN ('payment', 'subscription')),
    CONSTRAINT payment_monitor_operations_action CHECK (action IN ('new', 'update', 'delete')),
    CONSTRAINT payment_monitor_operations_target CHECK (
        (action = 'new') = (target_id IS NULL)
        AND (action = 'new') = (previous_state IS NULL)
        AND new_state IS NOT NULL)
) PARTITION BY RANGE (id);
CREATE INDEX payment_monitor_operations_job_id ON payment_monitor_operations (job_id, id);

CREATE TABLE payment_monitor_results (
    id uuid NOT NULL,
    job_id uuid NOT NULL REFERENCES payment_monitor_jobs (id),
    user_id bigint REFERENCES users (id),
    payment_id bigint REFERENCES payments (id),
    subscription_id bigint REFERENCES subscriptions (id),
    occurred_at timestamptz NOT NULL,
    description text NOT NULL,
    previous_state jsonb,
    new_state jsonb,
    action text NOT NULL,
    outcome text NOT NULL,
    error text,
    PRIMARY KEY (id),
    CONSTRAINT payment_monitor_results_action CHECK (action IN ('new', 'update', 'delete')),
    CONSTRAINT payment_monitor_results_outcome CHECK
        (outcome IN ('applied', 'failed', 'conflict')),
    CONSTRAINT payment_monitor_results_one_subject CHECK
        (num_nonnulls(payment_id, subscription_id) <= 1),
    CONSTRAINT payment_monitor_results_applied CHECK (outcome <> 'applied' OR
        (num_nonnulls(payment_id, subscription_id) = 1 AND new_state IS NOT NULL
            AND (action = 'new') = (previous_state IS NULL))),
    CONSTRAINT payment_monitor_results_nothing_new CHECK
        (outcome = 'applied' OR new_state IS NULL),
    CONSTRAINT payment_monitor_results_error CHECK ((outcome = 'failed') = (error IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX payment_monitor_results_job_id ON payment_monitor_results (job_id, id);
CREATE INDEX payment_monitor_results_user_id ON payment_monitor_results (user_id, id)
    WHERE user_id IS NOT NULL;
CREATE INDEX payment_monitor_results_payment_id ON payment_monitor_results (payment_id, id)
    WHERE payment_id IS NOT NULL;
CREATE INDEX payment_monitor_results_subscription_id
    ON payment_monitor_results (subscription_id, id) WHERE subscription_id IS NOT NULL;

-- Who decided what, when and why.
CREATE TABLE payment_monitor_events (
    id uuid PRIMARY KEY,
    job_id uuid REFERENCES payment_monitor_jobs (id),
    occurred_at timestamptz NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT payment_monitor_events_kind CHECK (kind IN ('approval', 'rejection', 'pin')),
    CONSTRAINT payment_monitor_events_actor CHECK (btrim(actor) <> ''),
    CONSTRAINT payment_monitor_events_reason CHECK (btrim(reason) <> '')
);
CREATE INDEX payment_monitor_events_job_id ON payment_monitor_events (job_id);
-- A held run is decided upon once, and a ledger belongs to one account and mode.
CREATE UNIQUE INDEX payment_monitor_events_one_decision ON payment_monitor_events (job_id)
    WHERE kind IN ('approval', 'rejection');
CREATE UNIQUE INDEX payment_monitor_events_one_pin
    ON payment_monitor_events (kind, (details ? 'account')) WHERE kind = 'pin';

CREATE TRIGGER payment_monitor_operations_append_only BEFORE UPDATE OR DELETE
    ON payment_monitor_operations FOR EACH ROW EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_results_append_only BEFORE UPDATE OR DELETE
    ON payment_monitor_results FOR EACH ROW EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_events_append_only BEFORE UPDATE OR DELETE
    ON payment_monitor_events FOR EACH ROW EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_operations_no_truncate BEFORE TRUNCATE
    ON payment_monitor_operations EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_results_no_truncate BEFORE TRUNCATE
    ON payment_monitor_results EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_events_no_truncate BEFORE TRUNCATE
    ON payment_monitor_events EXECUTE FUNCTION payment_monitor_append_only();

-- Makes the monthly partitions of plan and results from this month on. Called by the owner
-- (`payment-monitor migrate`): creating one locks the company's tables for a moment, through
-- the foreign keys, so the caller sets a lock_timeout and tries again.
CREATE FUNCTION payment_monitor_create_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    month timestamptz;
    partition_name text;
    made integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['payment_monitor_operations', 'payment_monitor_results'] LOOP
        FOR month IN
            SELECT m AT TIME ZONE 'UTC' FROM generate_series(
                date_trunc('month', now() AT TIME ZONE 'UTC'),
                date_trunc('month', now() AT TIME ZONE 'UTC') + months_ahead * interval '1 month',
                interval '1 month') AS m
        LOOP
            partition_name := parent || to_char(month AT TIME ZONE 'UTC', '_YYYYMM');
            CONTINUE WHEN to_regclass(partition_name) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                partition_name, parent, payment_monitor_id_at(month), payment_monitor_id_at(
                    (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
            -- The parent's TRUNCATE trigger does not cover its partitions.
            EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I EXECUTE FUNCTION
                payment_monitor_append_only()', partition_name || '_no_truncate', partition_name);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION payment_monitor_create_partitions FROM PUBLIC;
SELECT payment_monitor_create_partitions(24);

-- What stays until a person or a later run resolves it: working state, not a record.
CREATE TABLE payment_monitor_discrepancies (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    provider_id text NOT NULL,
    target_id bigint,
    user_id bigint,
    action text,
    previous_state jsonb,
    new_state jsonb,
    description text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    first_seen_by uuid NOT NULL REFERENCES payment_monitor_jobs (id),
    last_seen_at timestamptz NOT NULL,
    last_seen_by uuid NOT NULL REFERENCES payment_monitor_jobs (id),
    resolved_at timestamptz,
    resolved_by uuid REFERENCES payment_monitor_jobs (id),
    CONSTRAINT payment_monitor_discrepancies_resolved CHECK
        ((resolved_at IS NULL) = (resolved_by IS NULL)),
    CONSTRAINT payment_monitor_discrepancies_seen CHECK (last_seen_at >= first_seen_at)
);
CREATE UNIQUE INDEX payment_monitor_discrepancies_open
    ON payment_monitor_discrepancies (subject, provider_id) WHERE resolved_at IS NULL;
CREATE INDEX payment_monitor_discrepancies_last_seen_by
    ON payment_monitor_discrepancies (last_seen_by);

-- What a person may approve: a refused operation too, once its cause is mended.
CREATE FUNCTION payment_monitor_can_be_approved(reason text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN reason IN ('max_deletes', 'needs_approval', 'failed');

GRANT SELECT, INSERT, UPDATE ON payment_monitor_jobs, payment_monitor_discrepancies
    TO payment_monitor_writer;
GRANT SELECT, INSERT ON payment_monitor_operations, payment_monitor_results,
    payment_monitor_events TO payment_monitor_writer;
GRANT SELECT ON payment_monitor_jobs, payment_monitor_operations, payment_monitor_results,
    payment_monitor_events, payment_monitor_discrepancies TO payment_monitor_reader;

COMMENT ON TABLE payment_monitor_jobs IS
    'One row per run of the job. Immutable once ended.';
COMMENT ON COLUMN payment_monitor_jobs.id IS
    'UUIDv7; the same 16 bytes are the id of the run''s trace.';
COMMENT ON COLUMN payment_monitor_jobs.parent_id IS
    'The run whose held plan or withheld operations this run was approved to perform.';
COMMENT ON COLUMN payment_monitor_jobs.duration IS
    'Time spent running, by a monotonic clock; of a rescued run, up to its last result.';
COMMENT ON COLUMN payment_monitor_jobs.total_results IS 'Rows of payment_monitor_results.';
COMMENT ON COLUMN payment_monitor_jobs.discrepancies IS 'Discrepancies found, by kind.';
COMMENT ON COLUMN payment_monitor_jobs.left_alone IS 'Discrepancies left, by reason.';
COMMENT ON COLUMN payment_monitor_jobs.statement IS
    'What was read, and whether it is proven complete.';
COMMENT ON COLUMN payment_monitor_jobs.known_until IS
    'The statement''s as-of time less the margin for clock skew: the state is known up to here.';
COMMENT ON COLUMN payment_monitor_jobs.plan_digest IS
    'SHA-256 over the plan''s operations without their ids (docs/adr/0006-approval.md).';
COMMENT ON TABLE payment_monitor_operations IS
    'The plan: every operation that a run intends, stored before any is performed.';
COMMENT ON TABLE payment_monitor_results IS
    'One row per operation that was attempted and came to an end, committed with its change.';
COMMENT ON COLUMN payment_monitor_results.id IS
    'The operation''s id (UUIDv7); its low 8 bytes are the id of the operation''s span.';
COMMENT ON COLUMN payment_monitor_results.previous_state IS
    'The row as it was found when the operation was performed (failed: as planned).';
COMMENT ON COLUMN payment_monitor_results.new_state IS
    'The row as it was left, triggers of the company''s own included; only when applied.';
COMMENT ON TABLE payment_monitor_events IS 'Decisions by people and pins: who, when, why.';
COMMENT ON TABLE payment_monitor_discrepancies IS
    'Discrepancies that a run left, once each, until they are resolved.';

RESET ROLE;
