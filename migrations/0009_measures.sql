-- The measures of suspicious activity, the rules that come with them, and who asks for them.
-- What is counted are attempts to pay, those that the provider removed left out. A window reaches
-- back from each attempt; so one just before midnight is seen like any other.
--
-- A measure gives a row for each payment at which the threshold is reached (`failure_rate`: each
-- window). payment_monitor_evaluate makes episodes of them. Time spans are in hours: how long a day
-- is depends on a session's time zone.

SET LOCAL ROLE payment_monitor_owner;

CREATE FUNCTION payment_monitor_measure_user_failures(since timestamptz, until timestamptz,
    time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH counted AS (
        SELECT p.user_id, p.created_at,
            count(*) OVER (PARTITION BY p.user_id ORDER BY p.created_at
                RANGE BETWEEN time_window PRECEDING AND CURRENT ROW) AS failures
        FROM ledger_payments p
        WHERE p.status = 'failed' AND p.removed_at IS NULL AND p.user_id IS NOT NULL
            AND p.created_at >= since - time_window AND p.created_at < until
    )
    SELECT c.user_id, NULL::text, c.created_at, c.created_at, c.failures::numeric,
        NULL::numeric, format('%s failed payments within %s', c.failures,
            payment_monitor_span(time_window))
    FROM counted c
    WHERE c.failures >= threshold AND c.created_at >= since;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_failures IS
    'value: a user''s failed payments within the window.';

CREATE FUNCTION payment_monitor_measure_user_payment_methods(since timestamptz,
    until timestamptz, time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH used AS MATERIALIZED (
        SELECT p.user_id, p.payment_method_fingerprint AS method, p.created_at AS at,
            lead(p.created_at) OVER (PARTITION BY p.user_id, p.payment_method_fingerprint
                ORDER BY p.created_at) AS next_at
        FROM ledger_payments p
        WHERE p.removed_at IS NULL AND p.user_id IS NOT NULL
            AND p.payment_method_fingerprint IS NOT NULL
            AND p.created_at >= since - time_window AND p.created_at < until
    ),
    many AS (
        SELECT u.user_id FROM used u GROUP BY u.user_id
        HAVING count(DISTINCT u.method) >= threshold
    ),
    -- A method is in the window from its use on, until it is used again or falls out of it.
    steps AS (
        SELECT u.user_id, u.at, 1 AS step FROM used u JOIN many USING (user_id)
        UNION ALL
        SELECT u.user_id, least(u.next_at, u.at + time_window), -1
        FROM used u JOIN many USING (user_id)
    ),
    counted AS (
        SELECT s.user_id, s.at, s.step,
            sum(s.step) OVER (PARTITION BY s.user_id ORDER BY s.at, s.step
                ROWS UNBOUNDED PRECEDING) AS methods
        FROM steps s
    )
    SELECT c.user_id, NULL::text, c.at, c.at, c.methods::numeric, NULL::numeric,
        format('%s payment methods within %s', c.methods, payment_monitor_span(time_window))
    FROM counted c
    WHERE c.step = 1 AND c.methods >= threshold AND c.at >= since;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_payment_methods IS
    'value: the distinct payment methods that a user paid with, or tried to, within the window.';

CREATE FUNCTION payment_monitor_measure_user_small_amounts(since timestamptz, until timestamptz,
    time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH normal AS MATERIALIZED (
        SELECT p.currency,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY p.amount_minor) AS median
        FROM ledger_payments p
        WHERE p.status = 'succeeded' AND p.removed_at IS NULL
            AND p.created_at >= since - interval '672 hours' AND p.created_at < until
        GROUP BY p.currency
    ),
    counted AS (
        SELECT p.user_id, p.created_at,
            count(*) OVER (PARTITION BY p.user_id ORDER BY p.created_at
                RANGE BETWEEN time_window PRECEDING AND CURRENT ROW) AS attempts
        FROM ledger_payments p JOIN normal n USING (currency)
        WHERE p.removed_at IS NULL AND p.user_id IS NOT NULL AND p.amount_minor <= n.median / 10
            AND p.created_at >= since - time_window AND p.created_at < until
    )
    SELECT c.user_id, NULL::text, c.created_at, c.created_at, c.attempts::numeric,
        NULL::numeric, format('%s attempts with small amounts within %s', c.attempts,
            payment_monitor_span(time_window))
    FROM counted c
    WHERE c.attempts >= threshold AND c.created_at >= since;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_small_amounts IS
    'value: a user''s attempts within the window with an amount of at most a tenth of what the
median payment in that currency is, in the four weeks before the stretch and in it.';

CREATE FUNCTION payment_monitor_measure_user_success_after_failures(since timestamptz,
    until timestamptz, time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH many AS MATERIALIZED (
        SELECT p.user_id FROM ledger_payments p
        WHERE p.status = 'failed' AND p.removed_at IS NULL AND p.user_id IS NOT NULL
            AND p.created_at >= since - time_window AND p.created_at < until
        GROUP BY p.user_id HAVING count(*) >= threshold
    ),
    counted AS (
        SELECT p.user_id, p.created_at, p.status,
            count(*) FILTER (WHERE p.status = 'failed') OVER (PARTITION BY p.user_id
                ORDER BY p.created_at RANGE BETWEEN time_window PRECEDING AND CURRENT ROW)
                AS failures
        FROM many JOIN ledger_payments p USING (user_id)
        WHERE p.removed_at IS NULL AND p.created_at >= since - time_window
            AND p.created_at < until
    )
    SELECT c.user_id, NULL::text, c.created_at, c.created_at, c.failures::numeric,
        NULL::numeric, format('a success after %s failures within %s', c.failures,
            payment_monitor_span(time_window))
    FROM counted c
    WHERE c.status = 'succeeded' AND c.failures >= threshold AND c.created_at >= since;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_success_after_failures IS
    'value: a user''s failed payments within the window before one that succeeded.';

CREATE FUNCTION payment_monitor_measure_user_failures_after_signup(since timestamptz,
    until timestamptz, time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH counted AS (
        SELECT p.user_id, p.created_at,
            count(*) OVER (PARTITION BY p.user_id ORDER BY p.created_at) AS failures
        FROM ledger_users u JOIN ledger_payments p ON p.user_id = u.id
        WHERE u.created_at >= since - time_window AND u.created_at < until
            AND p.status = 'failed' AND p.removed_at IS NULL
            AND p.created_at >= since - time_window AND p.created_at < until
            AND p.created_at >= u.created_at AND p.created_at < u.created_at + time_window
    )
    SELECT c.user_id, NULL::text, c.created_at, c.created_at, c.failures::numeric,
        NULL::numeric, format('%s failed payments within %s after signing up', c.failures,
            payment_monitor_span(time_window))
    FROM counted c
    WHERE c.failures >= threshold AND c.created_at >= since;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_failures_after_signup IS
    'value: a user''s failed payments within the window after signing up.';

CREATE FUNCTION payment_monitor_measure_user_unlike_past(since timestamptz, until timestamptz,
    time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH many AS MATERIALIZED (
        SELECT p.user_id FROM ledger_payments p
        WHERE p.status = 'failed' AND p.removed_at IS NULL AND p.user_id IS NOT NULL
            AND p.created_at >= since - time_window AND p.created_at < until
        GROUP BY p.user_id HAVING count(*) >= at_least
    ),
    counted AS (
        SELECT p.user_id, p.created_at,
            count(*) OVER recent AS attempts,
            count(*) FILTER (WHERE p.status = 'failed') OVER recent AS failures,
            count(*) OVER past AS past_attempts,
            count(*) FILTER (WHERE p.status = 'failed') OVER past AS past_failures
        FROM many JOIN ledger_payments p USING (user_id)
        WHERE p.removed_at IS NULL AND p.created_at < until
            AND p.created_at >= since - 2 * time_window - interval '2160 hours'
        WINDOW recent AS (PARTITION BY p.user_id ORDER BY p.created_at
                RANGE BETWEEN time_window PRECEDING AND CURRENT ROW),
            past AS (PARTITION BY p.user_id ORDER BY p.created_at
                RANGE BETWEEN time_window + interval '2160 hours' PRECEDING
                AND time_window PRECEDING)
    ),
    -- A past without failures is no promise of a rate of 0: one failure in ten more attempts.
    rated AS (
        SELECT c.*, c.failures::numeric / c.attempts AS rate,
            (c.past_failures + 1)::numeric / (c.past_attempts + 10) AS past_rate
        FROM counted c
        WHERE c.created_at >= since AND c.failures >= at_least AND c.past_attempts >= 10
    )
    SELECT r.user_id, NULL::text, r.created_at, r.created_at, r.rate / r.past_rate, r.past_rate,
        format('%s of %s payments failed within %s, %s times the rate of the 90 days before',
            r.failures, r.attempts, payment_monitor_span(time_window),
            round(r.rate / r.past_rate, 1))
    FROM rated r
    WHERE r.rate >= threshold * r.past_rate;
END;
COMMENT ON FUNCTION payment_monitor_measure_user_unlike_past IS
    'value: a user''s failure rate within the window, as a multiple of that in the 90 days before
it (usual); for users with at least 10 attempts in these.';

CREATE FUNCTION payment_monitor_measure_failure_rate(since timestamptz, until timestamptz,
    time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH binned AS MATERIALIZED (
        SELECT date_bin(time_window, p.created_at, '2001-01-01 00:00:00+00') AS bin,
            count(*) AS attempts, count(*) FILTER (WHERE p.status = 'failed') AS failures
        FROM ledger_payments p
        WHERE p.removed_at IS NULL AND p.created_at < until
            AND p.created_at >= date_bin(time_window, since, '2001-01-01 00:00:00+00')
                - interval '672 hours'
        GROUP BY 1
    ),
    -- The rate of everything in the four weeks before each window: no later payment changes it.
    -- One failure in twenty attempts more, so that it is never 0.
    overall AS (
        SELECT b.*, (coalesce(sum(b.failures) OVER before, 0) + 1)
            / (coalesce(sum(b.attempts) OVER before, 0) + 20) AS rate_before
        FROM binned b
        WINDOW before AS (ORDER BY b.bin
            RANGE BETWEEN interval '672 hours' PRECEDING AND time_window PRECEDING)
    ),
    weeks AS (
        SELECT b.bin, sum(w.attempts) AS attempts, sum(w.failures) AS failures
        FROM binned b CROSS JOIN generate_series(1, 4) week
        JOIN binned w ON w.bin = b.bin - week * interval '168 hours'
        GROUP BY b.bin
    ),
    -- Few attempts say little: twenty more at the rate of everything.
    compared AS (
        SELECT o.bin, o.attempts, o.failures, o.failures::numeric / o.attempts AS rate,
            (coalesce(w.failures, 0) + 20 * o.rate_before) / (coalesce(w.attempts, 0) + 20)
                AS usual
        FROM overall o LEFT JOIN weeks w USING (bin)
        WHERE o.bin >= date_bin(time_window, since, '2001-01-01 00:00:00+00')
            AND o.failures >= at_least
    )
    SELECT NULL::bigint, NULL::text, c.bin, least(c.bin + time_window, until), c.rate / c.usual,
        c.usual, format('%s of %s payments failed within %s, %s times the rate of the same time '
            'in the last four weeks', c.failures, c.attempts, payment_monitor_span(time_window),
            round(c.rate / c.usual, 1))
    FROM compared c
    -- And not by chance: four standard deviations of as many attempts at the usual rate.
    WHERE c.rate >= threshold * c.usual
        AND c.failures - c.attempts * c.usual >= 4 * sqrt(c.attempts * c.usual * (1 - c.usual));
END;
COMMENT ON FUNCTION payment_monitor_measure_failure_rate IS
    'value: the failure rate of all payments in one window, as a multiple of that in the same
window of the last four weeks (usual).';

CREATE FUNCTION payment_monitor_measure_dominant_code(since timestamptz, until timestamptz,
    time_window interval, threshold numeric, at_least bigint)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH failed AS MATERIALIZED (
        SELECT coalesce(nullif(p.failure_code, ''), 'unknown') AS code, p.created_at
        FROM ledger_payments p
        WHERE p.status = 'failed' AND p.removed_at IS NULL AND p.created_at < until
            AND p.created_at >= since - time_window - interval '672 hours'
    ),
    before AS (
        SELECT f.code, count(*) AS failures, sum(count(*)) OVER () AS of_all
        FROM failed f WHERE f.created_at < since - time_window GROUP BY f.code
    ),
    counted AS (
        SELECT f.code, f.created_at,
            count(*) OVER (PARTITION BY f.code ORDER BY f.created_at
                RANGE BETWEEN time_window PRECEDING AND CURRENT ROW) AS failures,
            count(*) OVER (ORDER BY f.created_at
                RANGE BETWEEN time_window PRECEDING AND CURRENT ROW) AS of_all
        FROM failed f WHERE f.created_at >= since - time_window
    ),
    shared AS (
        SELECT c.code, c.created_at, c.failures, c.of_all,
            c.failures::numeric / c.of_all AS share,
            -- Twenty failures more, of which one has this code.
            (coalesce(b.failures, 0) + 1)::numeric / (coalesce(b.of_all, o.of_all, 0) + 20) AS usual
        FROM counted c LEFT JOIN before b USING (code)
        LEFT JOIN (SELECT max(b.of_all) AS of_all FROM before b) o ON true
        WHERE c.created_at >= since AND c.failures >= at_least
    )
    SELECT NULL::bigint, s.code, s.created_at, s.created_at, s.share, s.usual,
        format('%s of %s failures within %s have the code %s, usually %s %%', s.failures,
            s.of_all, payment_monitor_span(time_window), s.code, round(100 * s.usual, 1))
    FROM shared s
    WHERE s.share >= threshold AND s.share >= 2 * s.usual;
END;
COMMENT ON FUNCTION payment_monitor_measure_dominant_code IS
    'value: a failure code''s share of all failures within the window, where it is at least twice
its share in the four weeks before (usual).';

-- What a rule finds in a stretch of time, with its own parameters or with others: episodes, that
-- is, rows of the measure on the same subject with no more than a window between them. An episode's
-- value and reason are those of its highest row.
CREATE FUNCTION payment_monitor_evaluate(rule text, since timestamptz, until timestamptz,
    other_window interval DEFAULT NULL, other_threshold numeric DEFAULT NULL,
    other_at_least bigint DEFAULT NULL)
RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz, last_at timestamptz,
    value numeric, usual numeric, reason text)
LANGUAGE plpgsql STABLE
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
    meant payment_monitor_rules;
    fault text;
BEGIN
    SELECT * INTO meant FROM payment_monitor_rules r WHERE r.name = rule;
    IF meant IS NULL THEN
        RAISE EXCEPTION 'there is no rule %', quote_literal(rule) USING ERRCODE = 'no_data_found';
    END IF;
    meant.time_window := coalesce(other_window, meant.time_window);
    meant.threshold := coalesce(other_threshold, meant.threshold);
    meant.at_least := coalesce(other_at_least, meant.at_least);
    fault := payment_monitor_rule_fault(meant);
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'rule %: %', rule, fault USING ERRCODE = 'check_violation';
    END IF;
    RETURN QUERY EXECUTE format($query$
        WITH reached AS (
            SELECT m.*, m.first_at > max(m.last_at) OVER (PARTITION BY m.user_id, m.failure_code
                ORDER BY m.first_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + $3
                AS is_new
            FROM %I($1, $2, $3, $4, $5) m
        ),
        placed AS (
            SELECT r.*, count(*) FILTER (WHERE r.is_new) OVER (PARTITION BY r.user_id,
                r.failure_code ORDER BY r.first_at) AS episode
            FROM reached r
        )
        SELECT DISTINCT ON (p.user_id, p.failure_code, p.episode) p.user_id, p.failure_code,
            min(p.first_at) OVER whole, max(p.last_at) OVER whole, greatest(p.value, $4),
            p.usual, p.reason
        FROM placed p
        WINDOW whole AS (PARTITION BY p.user_id, p.failure_code, p.episode)
        ORDER BY p.user_id, p.failure_code, p.episode, p.value DESC, p.first_at
        $query$, 'payment_monitor_measure_' || meant.measure)
    USING since, until, meant.time_window, meant.threshold, meant.at_least;
END
$$;
COMMENT ON FUNCTION payment_monitor_evaluate IS
    'What a rule finds between since and until, with its own parameters or with others.';

SELECT set_config('payment_monitor.actor', 'payment-monitor', true),
    set_config('payment_monitor.reason', 'a rule that comes with the schema', true);
INSERT INTO payment_monitor_rules
    (name, description, measure, time_window, threshold, at_least, severity, source)
VALUES
    ('many_failures', 'many failed payments of one user', 'user_failures',
        '1 hour', 6, 1, 'warning', 'docs/rules.md#many_failures'),
    ('many_payment_methods', 'many payment methods of one user', 'user_payment_methods',
        '1 day', 5, 1, 'warning', 'docs/rules.md#many_payment_methods'),
    ('small_amounts', 'a burst of small amounts by one user, as when cards are tested',
        'user_small_amounts', '1 hour', 5, 1, 'critical', 'docs/rules.md#small_amounts'),
    ('success_after_failures', 'a success right after many failures of one user',
        'user_success_after_failures', '1 hour', 5, 1, 'critical',
        'docs/rules.md#success_after_failures'),
    ('failures_after_signup', 'failed payments right after signing up',
        'user_failures_after_signup', '1 day', 5, 1, 'warning',
        'docs/rules.md#failures_after_signup'),
    ('unlike_own_past', 'a user''s failure rate far above the user''s own past',
        'user_unlike_past', '7 days', 4, 6, 'info', 'docs/rules.md#unlike_own_past'),
    ('failure_rate', 'the failure rate far above the same hour of the last weeks',
        'failure_rate', '1 hour', 3, 10, 'critical', 'docs/rules.md#failure_rate'),
    ('dominant_failure_code', 'one failure code suddenly dominant', 'dominant_code',
        '3 hours', 0.6, 10, 'warning', 'docs/rules.md#dominant_failure_code');
SELECT set_config('payment_monitor.actor', '', true),
    set_config('payment_monitor.reason', '', true);

CREATE VIEW suspicious_activity AS
SELECT
    f.id AS finding_id,
    f.job_id AS run_id,
    f.found_at,
    f.rule,
    f.severity,
    f.user_id,
    f.failure_code,
    f.first_at,
    f.last_at,
    f.value,
    f.usual,
    f.threshold,
    f.time_window,
    f.reason,
    NOT EXISTS (
        SELECT FROM payment_monitor_findings n
        WHERE n.rule = f.rule AND n.subject = f.subject AND n.id > f.id AND n.job_id <> f.job_id
            AND n.first_at <= f.last_at + f.time_window
            AND f.first_at <= n.last_at + n.time_window
    ) AS is_latest,
    coalesce(s.until > now(), false) AS is_snoozed,
    s.until AS snoozed_until,
    s.actor AS snoozed_by,
    s.reason AS snooze_reason
FROM payment_monitor_findings f
LEFT JOIN LATERAL (
    SELECT (e.details ->> 'until')::timestamptz AS until, e.actor, e.reason
    FROM payment_monitor_events e
    WHERE e.kind = 'snooze' AND e.details ->> 'rule' = f.rule
        AND e.details ->> 'user_id' IS NOT DISTINCT FROM f.user_id::text
    ORDER BY e.id DESC LIMIT 1
) s ON true;
COMMENT ON VIEW suspicious_activity IS
    'What the rules found, with its reason. is_latest: no later run has found the same to have got
worse; is_snoozed: a person has looked at it, and does not want to hear of it until then.';

GRANT SELECT ON suspicious_activity TO payment_monitor_reader, payment_monitor_writer;

RESET ROLE;
