-- Where a run stages the statement, by COPY. Unlogged: empty after a crash, which the
-- comparison notices by counting and digesting again.

SET LOCAL ROLE payment_monitor_owner;

CREATE UNLOGGED TABLE payment_monitor_staged_payments (
    job_id uuid NOT NULL,
    position bigint NOT NULL,
    provider_payment_id text NOT NULL,
    -- NULL: not stated; empty: stated to be none (a guest, no failure).
    provider_customer_id text,
    status text NOT NULL,
    amount_minor bigint NOT NULL,
    amount_captured_minor bigint,
    amount_refunded_minor bigint,
    disputed boolean,
    currency text NOT NULL,
    failure_code text,
    failure_message text,
    payment_method_fingerprint text,
    created_at timestamptz NOT NULL
);
CREATE INDEX payment_monitor_staged_payments_id
    ON payment_monitor_staged_payments (provider_payment_id);

CREATE UNLOGGED TABLE payment_monitor_staged_subscriptions (
    job_id uuid NOT NULL,
    position bigint NOT NULL,
    provider_subscription_id text NOT NULL,
    provider_customer_id text,
    plan text NOT NULL,
    status text NOT NULL,
    current_period_end timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX payment_monitor_staged_subscriptions_id
    ON payment_monitor_staged_subscriptions (provider_subscription_id);

CREATE UNLOGGED TABLE payment_monitor_staged_customers (
    job_id uuid NOT NULL,
    position bigint NOT NULL,
    provider_customer_id text NOT NULL,
    user_id bigint
);

CREATE UNLOGGED TABLE payment_monitor_staged_discrepancies (
    job_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    provider_id text NOT NULL,
    target_id bigint,
    user_id bigint,
    action text NOT NULL,
    previous_state jsonb,
    new_state jsonb,
    description text NOT NULL
);

-- 64 bits of a row's content; the run computes the same while it writes (store/staging).
-- A staged set is proven by its count and the XOR of these.
CREATE FUNCTION payment_monitor_digest(VARIADIC fields text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || left(encode(sha256(convert_to(
    array_to_string(fields, E'\x1f', E'\x1e'), 'UTF8')), 'hex'), 16))::bit(64)::bigint;

CREATE FUNCTION payment_monitor_micros(moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((extract(epoch FROM moment) * 1000000)::bigint)::text;

-- Whether a session holds the run lock. A process that was paused has lost it, and may not know:
-- what only the lock's holder may do asks here, in the same statement or transaction.
CREATE FUNCTION payment_monitor_is_lock_holder(session integer) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM pg_locks
    WHERE pid = session AND locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = x'0083ef8b262d90d3'::bigint);

-- Empties the staging tables for the holder of the run lock; false for anybody else.
CREATE FUNCTION payment_monitor_empty_staging(lock_holder integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT payment_monitor_is_lock_holder(lock_holder) THEN
        RETURN false;
    END IF;
    TRUNCATE payment_monitor_staged_payments, payment_monitor_staged_subscriptions,
        payment_monitor_staged_customers, payment_monitor_staged_discrepancies;
    RETURN payment_monitor_is_lock_holder(lock_holder);
END
$$;

GRANT SELECT, INSERT, DELETE, TRUNCATE ON payment_monitor_staged_payments,
    payment_monitor_staged_subscriptions, payment_monitor_staged_customers,
    payment_monitor_staged_discrepancies TO payment_monitor_writer;

RESET ROLE;
