-- Payment failures over time, in total, by code and by user, down to the payment.
--
-- What is younger than a day is counted in the ledger at the moment of asking. Older hours were
-- counted by the last run: ten million payments can't be counted within the patience of a person
-- who looks at a dashboard.

-- Of our reference tables; docs/adopting.md says which indexes another schema needs.
-- Who owns them makes them; others are told, and may make them beforehand, blocking nobody.
DO $$
BEGIN
    IF to_regclass('payments') IS NOT NULL AND NOT pg_has_role((SELECT relowner FROM pg_class
        WHERE oid = to_regclass('payments')), 'USAGE')
    THEN
        RAISE WARNING 'no index for payment failures was made: payments is somebody else''s table';
    ELSIF to_regclass('payments') IS NOT NULL AND to_regclass('payments') IN (
        SELECT refobjid FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND r.ev_class = 'ledger_payments'::regclass)
    THEN
        CREATE INDEX IF NOT EXISTS payments_failed ON payments (created_at)
            WHERE status = 'failed' AND removed_at IS NULL;
        CREATE INDEX IF NOT EXISTS payments_attempts ON payments (created_at)
            INCLUDE (status, removed_at, user_id);
        CREATE INDEX IF NOT EXISTS payments_user_failed ON payments (user_id, created_at)
            WHERE status = 'failed' AND removed_at IS NULL;
        -- Attempts at the same payment: a user may have a hundred thousand at different ones.
        CREATE INDEX IF NOT EXISTS payments_same
            ON payments (user_id, currency, amount_minor, created_at) WHERE removed_at IS NULL;
    END IF;
END
$$;

SET LOCAL ROLE payment_monitor_owner;

CREATE VIEW payment_failures AS
SELECT
    p.id AS payment_id,
    p.user_id,
    p.provider_payment_id,
    p.created_at,
    p.failure_code,
    p.amount_minor,
    p.currency,
    p.payment_method_fingerprint,
    (SELECT min(n.created_at) FROM ledger_payments n
        WHERE n.user_id = p.user_id AND n.currency = p.currency
            AND n.amount_minor = p.amount_minor AND n.removed_at IS NULL
            AND n.created_at > p.created_at
            AND n.created_at <= p.created_at + interval '168 hours') AS retried_at
FROM ledger_payments p
WHERE p.status = 'failed' AND p.removed_at IS NULL;
COMMENT ON VIEW payment_failures IS
    'One row per failed attempt. retried_at: the next attempt of the same payment, that is, by the
same user, in the same currency and amount, within 7 days; null where there is none (yet). Attempts
of guests can''t be told to belong together.';

-- Counts by hour and code, kept by the runs, and rebuilt from the ledger at any time: not a record.
-- Code '' is what did not fail; every hour has it, if only with 0.
CREATE TABLE payment_monitor_payment_hours (
    hour timestamptz NOT NULL,
    failure_code text NOT NULL,
    attempts bigint NOT NULL,
    failures bigint NOT NULL,
    retried bigint NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (hour, failure_code)
);
COMMENT ON TABLE payment_monitor_payment_hours IS
    'Working state of the views payment_failures_by_*: the hours up to a day before the last run.';
GRANT SELECT, INSERT, DELETE ON payment_monitor_payment_hours TO payment_monitor_writer;

-- What the ledger says of a stretch of time now. Bounds are whole hours.
CREATE FUNCTION payment_monitor_count_hours(since timestamptz, until timestamptz)
RETURNS TABLE (hour timestamptz, failure_code text, attempts bigint, failures bigint,
    retried bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.hour, c.code, sum(c.attempts)::bigint, sum(c.failures)::bigint,
        sum(c.retried)::bigint
    FROM (
        SELECT date_bin('1 hour', p.created_at, '2001-01-01 00:00:00+00') AS hour, '' AS code,
            count(*) AS attempts, 0 AS failures, 0 AS retried
        FROM ledger_payments p
        WHERE p.removed_at IS NULL AND p.status <> 'failed'
            AND p.created_at >= since AND p.created_at < until
        GROUP BY 1
        UNION ALL
        SELECT date_bin('1 hour', f.created_at, '2001-01-01 00:00:00+00'),
            coalesce(nullif(f.failure_code, ''), 'unknown'), count(*), count(*), count(f.retried_at)
        FROM payment_failures f
        WHERE f.created_at >= since AND f.created_at < until
        GROUP BY 1, 2
        UNION ALL
        SELECT h, '', 0, 0, 0 FROM generate_series(since, until - interval '1 hour',
            interval '1 hour') h
    ) c
    GROUP BY c.hour, c.code;
END;

-- The hour that payments began in; the hour after the last one that is kept; the one after now.
-- Payments before the year 2000, or of more than a day from now, are not of this world, and are not
-- counted: the hours from there to here are not to be filled because of one of them.
CREATE VIEW payment_monitor_hours_known AS
SELECT
    date_bin('1 hour', (SELECT min(created_at) FROM ledger_payments
        WHERE created_at >= '2000-01-01 00:00:00+00'
            AND created_at < now() + interval '24 hours'), '2001-01-01 00:00:00+00')
        AS first_hour,
    (SELECT max(hour) + interval '1 hour' FROM payment_monitor_payment_hours) AS kept_until,
    date_bin('1 hour', greatest(now(), (SELECT max(created_at) FROM ledger_payments
        WHERE created_at < now() + interval '24 hours')), '2001-01-01 00:00:00+00')
        + interval '1 hour' AS end_hour;

-- Brings the kept hours up to date, to a day before as_of; gives from which hour on it counted.
-- Counted again is what comes after: the last 16 days (a failure may be retried for 7); a row
-- that changed since the last time; an hour whose sums are not the ledger's, as after a DELETE.
-- Time spans are in hours: how long a day is depends on a session's time zone.
CREATE FUNCTION payment_monitor_keep_hours(as_of timestamptz) RETURNS timestamptz
LANGUAGE plpgsql
SET jit = off
AS $$
DECLARE
    from_hour timestamptz;
    to_hour timestamptz := date_bin('1 hour', as_of - interval '24 hours',
        '2001-01-01 00:00:00+00');
    known payment_monitor_hours_known;
    counted_at timestamptz;
BEGIN
    SELECT * INTO known FROM payment_monitor_hours_known;
    SELECT max(computed_at) - interval '10 minutes' INTO counted_at
    FROM payment_monitor_payment_hours;
    from_hour := known.first_hour;
    IF known.kept_until IS NOT NULL AND known.first_hour IS NOT NULL THEN
        SELECT greatest(known.first_hour, least(
            least(known.kept_until, to_hour) - interval '384 hours',
            (SELECT date_bin('1 hour', min(created_at), '2001-01-01 00:00:00+00')
                    - interval '168 hours'
                FROM ledger_payments
                WHERE created_at >= known.first_hour AND updated_at >= counted_at),
            -- What runs changed has the time of their statement.
            (SELECT date_bin('1 hour', min(p.created_at), '2001-01-01 00:00:00+00')
                    - interval '168 hours'
                FROM payment_monitor_results r JOIN ledger_payments p ON p.id = r.payment_id
                WHERE r.id >= payment_monitor_id_at(counted_at) AND r.outcome = 'applied'
                    AND p.created_at >= known.first_hour),
            (SELECT min(hour) - interval '168 hours'
                FROM (
                    SELECT date_bin('1 hour', created_at, '2001-01-01 00:00:00+00') AS hour,
                        count(*) AS attempts,
                        count(*) FILTER (WHERE status = 'failed') AS failures
                    FROM ledger_payments
                    WHERE removed_at IS NULL AND created_at >= known.first_hour
                        AND created_at < known.kept_until
                    GROUP BY 1
                ) l
                FULL JOIN (
                    SELECT hour, sum(attempts) AS attempts, sum(failures) AS failures
                    FROM payment_monitor_payment_hours GROUP BY hour
                ) k USING (hour)
                WHERE coalesce(l.attempts, 0) <> coalesce(k.attempts, 0)
                    OR coalesce(l.failures, 0) <> coalesce(k.failures, 0))))
        INTO from_hour;
    END IF;
    DELETE FROM payment_monitor_payment_hours
    WHERE hour >= from_hour OR hour < known.first_hour OR known.first_hour IS NULL;
    INSERT INTO payment_monitor_payment_hours
    SELECT c.hour, c.failure_code, c.attempts, c.failures, c.retried, as_of
    FROM payment_monitor_count_hours(from_hour, to_hour) c;
    RETURN from_hour;
END
$$;

-- What is kept, and what is younger, counted now.
CREATE VIEW payment_monitor_hours AS
SELECT hour, failure_code, attempts, failures, retried FROM payment_monitor_payment_hours
UNION ALL
SELECT c.hour, c.failure_code, c.attempts, c.failures, c.retried
FROM payment_monitor_hours_known k
CROSS JOIN LATERAL
    payment_monitor_count_hours(coalesce(k.kept_until, k.first_hour), k.end_hour) c;

CREATE VIEW payment_failures_by_hour AS
SELECT
    hour,
    sum(attempts)::bigint AS attempts,
    sum(failures)::bigint AS failures,
    sum(failures)::float8 / nullif(sum(attempts), 0)::float8 AS failure_rate,
    sum(attempts - retried)::bigint AS payments,
    sum(failures - retried)::bigint AS failed_payments,
    sum(failures - retried)::float8 / nullif(sum(attempts - retried), 0)::float8
        AS payment_failure_rate
FROM payment_monitor_hours
GROUP BY hour;
COMMENT ON VIEW payment_failures_by_hour IS
    'Every hour from the first payment on. attempts and failures count each attempt; payments and
failed_payments count retries of the same payment once, at its last attempt. Rates are from 0 to 1,
null where nothing was attempted. What is older than a day is as the last run counted it. Payments
before the year 2000 and of more than a day from now are left out.';

CREATE VIEW payment_failures_by_code_and_hour AS
SELECT h.hour, h.failure_code, h.failures, h.failures - h.retried AS failed_payments,
    h.failures::float8 / nullif(h.of_all, 0)::float8 AS failure_rate
FROM (
    SELECT m.*, sum(m.attempts) OVER (PARTITION BY m.hour) AS of_all FROM payment_monitor_hours m
) h
WHERE h.failures > 0;
COMMENT ON VIEW payment_failures_by_code_and_hour IS
    'The failures of every hour by code. failure_rate: against all attempts of the hour.';

DROP VIEW payment_failures_by_day;
CREATE VIEW payment_failures_by_day AS
SELECT
    (hour AT TIME ZONE 'UTC')::date AS day,
    sum(attempts)::bigint AS attempts,
    sum(failures)::bigint AS failures,
    sum(failures)::float8 / nullif(sum(attempts), 0)::float8 AS failure_rate,
    sum(attempts - retried)::bigint AS payments,
    sum(failures - retried)::bigint AS failed_payments,
    sum(failures - retried)::float8 / nullif(sum(attempts - retried), 0)::float8
        AS payment_failure_rate
FROM payment_monitor_hours
GROUP BY 1;
COMMENT ON VIEW payment_failures_by_day IS
    'Every day (UTC) from the first payment on, counted as in payment_failures_by_hour.';

CREATE VIEW payment_failures_by_code_and_day AS
SELECT d.day, d.failure_code, d.failures, d.failed_payments,
    d.failures::float8 / nullif(d.of_all, 0)::float8 AS failure_rate
FROM (
    SELECT (hour AT TIME ZONE 'UTC')::date AS day, failure_code,
        sum(failures)::bigint AS failures, sum(failures - retried)::bigint AS failed_payments,
        sum(sum(attempts)) OVER (PARTITION BY (hour AT TIME ZONE 'UTC')::date) AS of_all
    FROM payment_monitor_hours
    GROUP BY 1, 2
) d
WHERE d.failures > 0;
COMMENT ON VIEW payment_failures_by_code_and_day IS
    'The failures of every day (UTC) by code. failure_rate: against all attempts of the day.';

CREATE VIEW payment_failures_by_user_and_day AS
SELECT
    d.day::date AS day,
    a.user_id,
    a.attempts,
    a.failures,
    a.failures::float8 / a.attempts AS failure_rate
FROM generate_series(
    (SELECT date_trunc('day', first_hour AT TIME ZONE 'UTC') FROM payment_monitor_hours_known),
    (SELECT end_hour - interval '1 hour' FROM payment_monitor_hours_known) AT TIME ZONE 'UTC',
    interval '1 day') d (day)
CROSS JOIN LATERAL (
    SELECT p.user_id, count(*) AS attempts,
        count(*) FILTER (WHERE p.status = 'failed') AS failures
    FROM ledger_payments p
    WHERE p.removed_at IS NULL AND p.created_at >= d.day AT TIME ZONE 'UTC'
        AND p.created_at < (d.day + interval '1 day') AT TIME ZONE 'UTC'
    GROUP BY p.user_id
) a;
COMMENT ON VIEW payment_failures_by_user_and_day IS
    'Attempts and failures of every day (UTC) by user; user_id null: all guests together.';

-- Of any stretch of time, which a view can't be told. The sums of a user are asked for after a
-- LIMIT, so that the users with most failures are found fast.
CREATE FUNCTION payment_failures_of_users(since timestamptz, until timestamptz)
RETURNS TABLE (user_id bigint, failures bigint, attempts bigint, failed_payments bigint,
    failure_rate float8, most_frequent_failure_code text, last_failure_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT f.user_id, f.failures,
        (SELECT count(*) FROM ledger_payments p
            WHERE p.user_id = f.user_id AND p.removed_at IS NULL
                AND p.created_at >= since AND p.created_at < until),
        (SELECT count(*) FROM payment_failures p
            WHERE p.user_id = f.user_id AND p.retried_at IS NULL
                AND p.created_at >= since AND p.created_at < until),
        f.failures::float8 / (SELECT count(*) FROM ledger_payments p
            WHERE p.user_id = f.user_id AND p.removed_at IS NULL
                AND p.created_at >= since AND p.created_at < until),
        (SELECT mode() WITHIN GROUP (ORDER BY p.failure_code) FROM payment_failures p
            WHERE p.user_id = f.user_id AND p.created_at >= since AND p.created_at < until),
        f.last_at
    FROM (
        SELECT p.user_id, count(*) AS failures, max(p.created_at) AS last_at
        FROM ledger_payments p
        WHERE p.status = 'failed' AND p.removed_at IS NULL AND p.user_id IS NOT NULL
            AND p.created_at >= since AND p.created_at < until
        GROUP BY p.user_id
    ) f;
END;
COMMENT ON FUNCTION payment_failures_of_users IS
    'The users whose payments failed in a stretch of time, with their attempts in it.';

DROP VIEW payment_failures_by_user;
CREATE VIEW payment_failures_by_user AS
SELECT * FROM payment_failures_of_users('-infinity', 'infinity');
COMMENT ON VIEW payment_failures_by_user IS
    'Every user with a failed payment, over all time. Of a stretch of time:
SELECT * FROM payment_failures_of_users(since, until).';

CREATE VIEW payment_history AS
SELECT
    r.payment_id,
    r.user_id,
    r.id AS operation_id,
    right(replace(r.id::text, '-', ''), 16) AS span_id,
    r.occurred_at,
    r.action,
    r.outcome,
    r.description,
    r.previous_state ->> 'status' AS previous_status,
    r.new_state ->> 'status' AS new_status,
    r.previous_state,
    r.new_state,
    r.error,
    r.job_id AS run_id,
    replace(r.job_id::text, '-', '') AS trace_id,
    j.started_at AS run_started_at,
    j.execution_status AS run_status
FROM payment_monitor_results r
JOIN payment_monitor_jobs j ON j.id = r.job_id
WHERE r.payment_id IS NOT NULL;
COMMENT ON VIEW payment_history IS
    'What runs did to each payment, in the order of operation_id, with the run that did it.';

GRANT SELECT ON payment_monitor_payment_hours, payment_monitor_hours_known,
    payment_monitor_hours, payment_failures, payment_failures_by_hour, payment_failures_by_day,
    payment_failures_by_code_and_hour, payment_failures_by_code_and_day,
    payment_failures_by_user_and_day, payment_failures_by_user, payment_history
    TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
