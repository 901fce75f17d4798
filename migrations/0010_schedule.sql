-- How often a run is expected, and how long one may take: what the dead man's alerts go by, and
-- what every run exports, so that there is one number and one place to change it.

SET LOCAL ROLE payment_monitor_owner;

ALTER TABLE payment_monitor_events DROP CONSTRAINT payment_monitor_events_kind;
ALTER TABLE payment_monitor_events ADD CONSTRAINT payment_monitor_events_kind CHECK
    (kind IN ('approval', 'rejection', 'pin', 'plan', 'telemetry', 'database_host',
        'assessment', 'rule', 'snooze', 'schedule'));

CREATE TABLE payment_monitor_schedule (
    -- One row, that of true.
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    every interval NOT NULL,
    grace interval NOT NULL,
    longest interval NOT NULL
);
COMMENT ON TABLE payment_monitor_schedule IS
    'What is expected of the runs. Every change is recorded as an event, whoever makes it.';
COMMENT ON COLUMN payment_monitor_schedule.every IS 'How often cron starts a run.';
COMMENT ON COLUMN payment_monitor_schedule.grace IS
    'How much later than that a run may succeed before somebody is told.';
COMMENT ON COLUMN payment_monitor_schedule.longest IS
    'How long a run may take before somebody is told.';

-- Why a schedule can't be meant; null where nothing is wrong with it.
CREATE FUNCTION payment_monitor_schedule_fault(schedule payment_monitor_schedule) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN 0 <> ANY (ARRAY[extract(year FROM schedule.every), extract(month FROM schedule.every),
        extract(year FROM schedule.grace), extract(month FROM schedule.grace),
        extract(year FROM schedule.longest), extract(month FROM schedule.longest)]) THEN
        'a time span must be in days or less: how long a month is differs'
    WHEN schedule.every < interval '1 minute' THEN
        format('runs are every minute at most, not every %s', schedule.every)
    -- Cron, the start of a program and a run take their time.
    WHEN schedule.grace < interval '1 minute' THEN
        format('the grace must be 1 minute or more, and is %s', schedule.grace)
    -- The alert that goes by metrics looks back for twice as long, and no longer.
    WHEN schedule.every > interval '7 days' OR schedule.grace > interval '7 days'
        OR schedule.every + schedule.grace > interval '7 days' THEN
        format('a run must be expected within 7 days, not %s',
            payment_monitor_span(schedule.every + schedule.grace))
    WHEN schedule.longest < interval '1 minute' OR schedule.longest > interval '7 days' THEN
        format('the longest time that a run may take is from 1 minute to 7 days, not %s',
            schedule.longest)
    END;

CREATE FUNCTION payment_monitor_schedule_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    fault text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'the schedule can be changed, and not be deleted'
            USING ERRCODE = 'restrict_violation';
    END IF;
    fault := payment_monitor_schedule_fault(NEW);
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'the schedule: %', fault USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payment_monitor_schedule_guard BEFORE INSERT OR UPDATE OR DELETE
    ON payment_monitor_schedule FOR EACH ROW EXECUTE FUNCTION payment_monitor_schedule_guard();
CREATE TRIGGER payment_monitor_schedule_no_truncate BEFORE TRUNCATE
    ON payment_monitor_schedule EXECUTE FUNCTION payment_monitor_append_only();

-- Who and why: the settings payment_monitor.actor and payment_monitor.reason, else the login.
CREATE FUNCTION payment_monitor_schedule_record() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_monitor_events (id, occurred_at, kind, actor, reason, details)
    VALUES (payment_monitor_new_id(), clock_timestamp(), 'schedule',
        coalesce(nullif(btrim(current_setting('payment_monitor.actor', true)), ''), session_user),
        coalesce(nullif(btrim(current_setting('payment_monitor.reason', true)), ''), 'not told'),
        jsonb_build_object('previous', to_jsonb(OLD) - 'is_only', 'new', to_jsonb(NEW) - 'is_only',
            'login', session_user));
    RETURN NULL;
END
$$;
CREATE TRIGGER payment_monitor_schedule_record AFTER INSERT OR UPDATE
    ON payment_monitor_schedule FOR EACH ROW EXECUTE FUNCTION payment_monitor_schedule_record();
-- They look names up where they were made: a temporary table of the caller's must not take the
-- events.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION payment_monitor_schedule_guard()
        SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION payment_monitor_schedule_record()
        SET search_path = %I, pg_temp', current_schema());
END
$$;

SELECT set_config('payment_monitor.actor', 'payment-monitor', true),
    set_config('payment_monitor.reason', 'what comes with the schema', true);
INSERT INTO payment_monitor_schedule (every, grace, longest)
VALUES ('1 hour', '15 minutes', '1 hour');
SELECT set_config('payment_monitor.actor', '', true),
    set_config('payment_monitor.reason', '', true);

CREATE VIEW run_schedule AS
SELECT
    s.every,
    s.grace,
    s.longest,
    s.every + s.grace AS expected_within,
    e.occurred_at AS changed_at,
    e.actor AS changed_by,
    e.reason AS change_reason
FROM payment_monitor_schedule s
LEFT JOIN LATERAL (
    SELECT occurred_at, actor, reason FROM payment_monitor_events
    WHERE kind = 'schedule' ORDER BY id DESC LIMIT 1
) e ON true;
COMMENT ON VIEW run_schedule IS
    'One row: what is expected of the runs. expected_within: where no run has succeeded for that
long, a run was missed.';

GRANT SELECT, UPDATE ON payment_monitor_schedule TO payment_monitor_writer;
GRANT SELECT ON payment_monitor_schedule TO payment_monitor_reader;
GRANT SELECT ON run_schedule TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
