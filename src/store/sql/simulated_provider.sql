-- What the simulated provider of the demo knows. It is a schema of its own, beside the ledger and
-- no part of it; `payment-monitor simulate` makes it on an empty ledger. To be rid of it:
-- DROP SCHEMA simulated_provider CASCADE.
CREATE SCHEMA simulated_provider;
COMMENT ON SCHEMA simulated_provider IS
    'The made-up payment provider of payment-monitor simulate: this ledger is a made-up one too.';

CREATE TABLE simulated_provider.state (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    format integer NOT NULL,
    seed bigint NOT NULL,
    steps bigint NOT NULL
);

CREATE TABLE simulated_provider.customers (
    id text PRIMARY KEY,
    user_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    currency text NOT NULL,
    cards text[] NOT NULL,
    activity bigint NOT NULL,
    failures_percent bigint NOT NULL,
    -- Made for a suspicious pattern, or attacked: buys nothing of its own any more.
    suspect boolean NOT NULL,
    -- The ledger does not know whose customer it is: the statement tells.
    told boolean NOT NULL
);
CREATE INDEX customers_user_id ON simulated_provider.customers (user_id);

-- One row for each time that a statement lists the payment, from `listed_from` on and before
-- `listed_until`.
CREATE TABLE simulated_provider.charges (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    customer text,
    status text NOT NULL,
    amount_minor bigint NOT NULL,
    amount_captured_minor bigint NOT NULL,
    amount_refunded_minor bigint NOT NULL,
    disputed boolean NOT NULL,
    currency text NOT NULL,
    failure_code text,
    failure_message text,
    fingerprint text,
    created_at timestamptz NOT NULL,
    listed_from timestamptz,
    listed_until timestamptz
);
CREATE INDEX charges_id ON simulated_provider.charges (id);
CREATE INDEX charges_created_at ON simulated_provider.charges (created_at);

CREATE TABLE simulated_provider.subscriptions (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    customer text,
    plan text NOT NULL,
    status text NOT NULL,
    current_period_end timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX subscriptions_id ON simulated_provider.subscriptions (id);
