-- Suspicious activity: rules as rows, what each counts as a function, findings as a record.
--
-- A measure is a function `payment_monitor_measure_<name>` of a stretch of time and a rule's
-- parameters, which gives a row for each user (or failure code) that reached the threshold within
-- that stretch. So a run, a look at the history before a rule is changed, and a person with psql
-- ask the same function.

SET LOCAL ROLE payment_monitor_owner;

ALTER TABLE payment_monitor_events DROP CONSTRAINT payment_monitor_events_kind;
ALTER TABLE payment_monitor_events ADD CONSTRAINT payment_monitor_events_kind CHECK
    (kind IN ('approval', 'rejection', 'pin', 'plan', 'telemetry', 'database_host',
        'assessment', 'rule', 'snooze'));
CREATE UNIQUE INDEX payment_monitor_events_one_assessment ON payment_monitor_events (job_id)
    WHERE kind = 'assessment';
-- A time that can't be read would break every look at the findings, and could not be mended.
ALTER TABLE payment_monitor_events ADD CONSTRAINT payment_monitor_events_snooze CHECK (
    kind <> 'snooze' OR (details ? 'rule' AND details ? 'user_id'
        AND details ->> 'until' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$'));
CREATE INDEX payment_monitor_events_snoozes
    ON payment_monitor_events ((details ->> 'rule'), (details ->> 'user_id'), id)
    WHERE kind = 'snooze';

CREATE TABLE payment_monitor_rules (
    name text PRIMARY KEY,
    description text NOT NULL,
    measure text NOT NULL,
    time_window interval NOT NULL,
    threshold numeric NOT NULL,
    at_least bigint NOT NULL,
    severity text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    source text NOT NULL
);
COMMENT ON TABLE payment_monitor_rules IS
    'What is suspicious. Every change is recorded as an event, whoever makes it.';
COMMENT ON COLUMN payment_monitor_rules.measure IS
    'What is counted: the function payment_monitor_measure_<measure>.';
COMMENT ON COLUMN payment_monitor_rules.time_window IS
    'The stretch of time that is counted over.';
COMMENT ON COLUMN payment_monitor_rules.threshold IS
    'The value from which on it is a finding; what it is a value of, the measure''s comment says.';
COMMENT ON COLUMN payment_monitor_rules.at_least IS
    'Of a rate or a share: how many failures there must be for it to mean anything.';
COMMENT ON COLUMN payment_monitor_rules.source IS 'Where the default comes from.';

-- A span as people write it: `1 hour`, `7 days`, `1 hour 30 minutes`.
CREATE FUNCTION payment_monitor_span(span interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg(n || ' ' || unit || CASE n WHEN 1 THEN '' ELSE 's' END, ' '
        ORDER BY place), span::text)
    FROM (SELECT justify_hours(span)) AS j (s), LATERAL (VALUES
        (1, extract(day FROM j.s)::bigint, 'day'), (2, extract(hour FROM j.s)::bigint, 'hour'),
        (3, extract(minute FROM j.s)::bigint, 'minute'),
        (4, extract(second FROM j.s)::bigint, 'second')) AS part (place, n, unit)
    WHERE n > 0);

-- Why a rule can't be meant; null where nothing is wrong with it.
CREATE FUNCTION payment_monitor_rule_fault(rule payment_monitor_rules) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN rule.name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
        'a rule''s name is of lower case letters, digits and underscores'
    -- One whose measure is gone can still be switched off.
    WHEN rule.enabled AND to_regprocedure(quote_ident('payment_monitor_measure_'
        || rule.measure) || '(timestamptz,timestamptz,interval,numeric,bigint)') IS NULL THEN
        format('there is no measure %L, that is, no function payment_monitor_measure_%s',
            rule.measure, rule.measure)
    WHEN rule.time_window < interval '1 minute' OR rule.time_window > interval '90 days' THEN
        format('the window must be from 1 minute to 90 days, and is %s',
            payment_monitor_span(rule.time_window))
    WHEN extract(month FROM rule.time_window) <> 0 THEN
        format('the window must be in days or less, not %s', rule.time_window)
    WHEN rule.threshold IN ('NaN', 'Infinity', '-Infinity') OR rule.threshold <= 0
        OR rule.threshold > 1000000000 THEN
        format('the threshold must be a number above 0, and is %s', left(rule.threshold::text, 20))
    WHEN rule.measure IN ('user_failures', 'user_payment_methods', 'user_small_amounts',
        'user_success_after_failures', 'user_failures_after_signup')
        AND (rule.threshold < 2 OR rule.threshold <> trunc(rule.threshold)) THEN
        format('the threshold is a whole number of payments, at least 2, and is %s',
            rule.threshold)
    WHEN rule.measure IN ('failure_rate', 'user_unlike_past') AND rule.threshold <= 1 THEN
        format('the threshold is how many times the usual rate, above 1, and is %s',
            rule.threshold)
    WHEN rule.measure = 'dominant_code' AND rule.threshold > 1 THEN
        format('the threshold is a share of the failures, at most 1, and is %s', rule.threshold)
    WHEN rule.measure = 'failure_rate' AND mod(extract(epoch FROM interval '7 days'),
        extract(epoch FROM rule.time_window)) <> 0 THEN
        format('the window must divide a week, to be compared with the same time of the last '
            'weeks, and is %s',
            payment_monitor_span(rule.time_window))
    WHEN rule.at_least < 1 THEN format('at_least must be 1 or more, and is %s', rule.at_least)
    WHEN rule.severity NOT IN ('info', 'warning', 'critical') THEN
        format('the severity is info, warning or critical, and not %L', rule.severity)
    END;

CREATE FUNCTION payment_monitor_rules_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    fault text := payment_monitor_rule_fault(NEW);
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'rule %: %', NEW.name, fault USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payment_monitor_rules_guard BEFORE INSERT OR UPDATE ON payment_monitor_rules
    FOR EACH ROW EXECUTE FUNCTION payment_monitor_rules_guard();

-- A UUIDv7 of now.
CREATE FUNCTION payment_monitor_new_id() RETURNS uuid
LANGUAGE sql VOLATILE
RETURN (left(replace(payment_monitor_id_at(clock_timestamp())::text, '-', ''), 12) || '7'
    || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid;

-- Who and why: the settings payment_monitor.actor and payment_monitor.reason, else the login.
CREATE FUNCTION payment_monitor_rules_record() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_monitor_events (id, occurred_at, kind, actor, reason, details)
    VALUES (payment_monitor_new_id(), clock_timestamp(), 'rule',
        coalesce(nullif(btrim(current_setting('payment_monitor.actor', true)), ''), session_user),
        coalesce(nullif(btrim(current_setting('payment_monitor.reason', true)), ''), 'not told'),
        jsonb_build_object('rule', coalesce(NEW.name, OLD.name), 'previous', to_jsonb(OLD),
            'new', to_jsonb(NEW), 'login', session_user));
    RETURN NULL;
END
$$;
CREATE TRIGGER payment_monitor_rules_record AFTER INSERT OR UPDATE OR DELETE
    ON payment_monitor_rules FOR EACH ROW EXECUTE FUNCTION payment_monitor_rules_record();
-- They look names up where they were made: a temporary table of the caller's must not take the
-- events.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION payment_monitor_rules_guard() SET search_path = %I, pg_temp',
        current_schema());
    EXECUTE format('ALTER FUNCTION payment_monitor_rules_record() SET search_path = %I, pg_temp',
        current_schema());
END
$$;
CREATE TRIGGER payment_monitor_rules_no_truncate BEFORE TRUNCATE
    ON payment_monitor_rules EXECUTE FUNCTION payment_monitor_append_only();

-- Whom or what a finding is on.
CREATE FUNCTION payment_monitor_subject(user_id bigint, failure_code text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce('user ' || user_id::text, 'code ' || failure_code, 'all');

-- What runs found; each thing once, and again when it got worse.
CREATE TABLE payment_monitor_findings (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES payment_monitor_jobs (id),
    found_at timestamptz NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    time_window interval NOT NULL,
    threshold numeric NOT NULL,
    user_id bigint,
    failure_code text,
    subject text NOT NULL GENERATED ALWAYS AS
        (payment_monitor_subject(user_id, failure_code)) STORED,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    value numeric NOT NULL,
    usual numeric,
    reason text NOT NULL,
    CONSTRAINT payment_monitor_findings_times CHECK (first_at <= last_at),
    CONSTRAINT payment_monitor_findings_value CHECK (value >= threshold)
);
CREATE INDEX payment_monitor_findings_job_id ON payment_monitor_findings (job_id);
CREATE INDEX payment_monitor_findings_rule ON payment_monitor_findings (rule, subject, id);
CREATE INDEX payment_monitor_findings_user_id ON payment_monitor_findings (user_id, id)
    WHERE user_id IS NOT NULL;
CREATE INDEX payment_monitor_findings_found_at ON payment_monitor_findings (found_at);
CREATE TRIGGER payment_monitor_findings_append_only BEFORE UPDATE OR DELETE
    ON payment_monitor_findings FOR EACH ROW EXECUTE FUNCTION payment_monitor_append_only();
CREATE TRIGGER payment_monitor_findings_no_truncate BEFORE TRUNCATE
    ON payment_monitor_findings EXECUTE FUNCTION payment_monitor_append_only();

COMMENT ON TABLE payment_monitor_findings IS
    'What the rules found, with the parameters that they had then.';
COMMENT ON COLUMN payment_monitor_findings.user_id IS
    'Whose payments, as these say; null where the payments of all are meant.';
COMMENT ON COLUMN payment_monitor_findings.first_at IS
    'The payment that reached the threshold; last_at: the last one that lay above it.';
COMMENT ON COLUMN payment_monitor_findings.usual IS 'What the value is compared with.';

GRANT SELECT, INSERT, UPDATE ON payment_monitor_rules TO payment_monitor_writer;
GRANT SELECT, INSERT ON payment_monitor_findings TO payment_monitor_writer;
GRANT SELECT ON payment_monitor_rules, payment_monitor_findings TO payment_monitor_reader;

RESET ROLE;
