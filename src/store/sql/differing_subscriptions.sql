WITH links AS (
    SELECT DISTINCT ON (c.provider_customer_id) c.provider_customer_id, u.id
    FROM payment_monitor_staged_customers c JOIN ledger_users u ON u.id = c.user_id
    WHERE c.job_id = $1 ORDER BY c.provider_customer_id, c.position
), repeated AS (
    SELECT provider_subscription_id, count(*) AS copies, min(position) AS position
    FROM payment_monitor_staged_subscriptions WHERE job_id = $1
    GROUP BY provider_subscription_id HAVING count(*) > 1
), statement AS (
    SELECT s.*, r.copies, coalesce(u.id, k.id) AS owner_id
    FROM payment_monitor_staged_subscriptions s
    LEFT JOIN repeated r ON r.provider_subscription_id = s.provider_subscription_id
    LEFT JOIN ledger_users u ON u.provider_customer_id = s.provider_customer_id
    LEFT JOIN links k ON k.provider_customer_id = s.provider_customer_id
    WHERE s.job_id = $1 AND (r.position IS NULL OR r.position = s.position)
), differing AS MATERIALIZED (
    SELECT s.provider_subscription_id AS statement_id, l.id AS ledger_id,
        coalesce(l.user_id, s.owner_id) AS user_id, coalesce(l.plan, s.plan) AS plan,
        s.copies
    FROM statement s FULL JOIN ledger_subscriptions l
        ON l.provider_subscription_id = s.provider_subscription_id
    WHERE CASE
        WHEN s.provider_subscription_id IS NULL THEN l.removed_at IS NULL
            AND l.status NOT IN ('canceled', 'incomplete_expired')
            AND l.created_at >= $4 AND l.created_at < $5
        ELSE s.created_at >= coalesce($2::timestamptz, '-infinity') AND s.created_at < $3 AND (
            l.id IS NULL OR s.copies > 1 OR l.removed_at IS NOT NULL
            OR s.plan <> l.plan OR s.status <> l.status
            OR s.current_period_end IS DISTINCT FROM l.current_period_end
            OR (s.provider_customer_id IS NOT NULL
                AND s.owner_id IS DISTINCT FROM l.user_id)
            OR (s.provider_customer_id <> '' AND s.owner_id IS NULL)) END
), replaced AS (
    SELECT max(ledger_id) AS ledger_id, max(statement_id) AS statement_id
    FROM differing
    WHERE $6 AND (statement_id IS NULL OR ledger_id IS NULL)
        AND user_id IS NOT NULL AND copies IS NULL
    GROUP BY user_id, plan
    HAVING count(ledger_id) = 1 AND count(statement_id) = 1
), paired AS (
    SELECT ledger_id, statement_id FROM replaced
    UNION ALL
    SELECT d.ledger_id, d.statement_id FROM differing d
    WHERE NOT EXISTS (SELECT FROM replaced r
        WHERE r.ledger_id = d.ledger_id OR r.statement_id = d.statement_id)
)
SELECT l.id AS "ledger_id?", l.updated_at AS "ledger_updated_at?",
    CASE WHEN l.id IS NOT NULL THEN payment_monitor_subscription_state(l) END
        AS "ledger_state: Json<SubscriptionState>",
    s.owner_id AS "owner_id?", s.copies AS "copies?",
    s.provider_subscription_id AS "provider_subscription_id?",
    s.provider_customer_id AS "provider_customer_id?",
    s.plan AS "plan?", s.status AS "status?", s.current_period_end AS "current_period_end?",
    s.created_at AS "created_at?"
FROM paired p
LEFT JOIN statement s ON s.provider_subscription_id = p.statement_id
LEFT JOIN ledger_subscriptions l ON l.id = p.ledger_id
ORDER BY coalesce(s.provider_subscription_id, l.provider_subscription_id) COLLATE "C"
