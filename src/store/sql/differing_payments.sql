WITH links AS (
    SELECT DISTINCT ON (c.provider_customer_id) c.provider_customer_id, u.id
    FROM payment_monitor_staged_customers c JOIN ledger_users u ON u.id = c.user_id
    WHERE c.job_id = $1 ORDER BY c.provider_customer_id, c.position
), repeated AS (
    SELECT provider_payment_id, count(*) AS copies, min(position) AS position
    FROM payment_monitor_staged_payments WHERE job_id = $1
    GROUP BY provider_payment_id HAVING count(*) > 1
), statement AS (
    SELECT s.*, r.copies, coalesce(u.id, k.id) AS owner_id
    FROM payment_monitor_staged_payments s
    LEFT JOIN repeated r ON r.provider_payment_id = s.provider_payment_id
    LEFT JOIN ledger_users u ON u.provider_customer_id = s.provider_customer_id
    LEFT JOIN links k ON k.provider_customer_id = s.provider_customer_id
    WHERE s.job_id = $1 AND (r.position IS NULL OR r.position = s.position)
)
SELECT l.id AS "ledger_id?", l.updated_at AS "ledger_updated_at?",
    CASE WHEN l.id IS NOT NULL THEN payment_monitor_payment_state(l) END
        AS "ledger_state: Json<PaymentState>",
    s.owner_id AS "owner_id?", s.copies AS "copies?",
    s.provider_payment_id AS "provider_payment_id?",
    s.provider_customer_id AS "provider_customer_id?", s.status AS "status?",
    s.amount_minor AS "amount_minor?", s.amount_captured_minor, s.amount_refunded_minor,
    s.disputed, s.currency AS "currency?", s.failure_code,
    s.payment_method_fingerprint, s.created_at AS "created_at?"
FROM statement s
FULL JOIN ledger_payments l ON l.provider_payment_id = s.provider_payment_id
WHERE CASE
    WHEN s.provider_payment_id IS NULL THEN
        l.removed_at IS NULL AND l.created_at >= $4 AND l.created_at < $5
    ELSE s.created_at >= coalesce($2::timestamptz, '-infinity') AND s.created_at < $3 AND (
        l.id IS NULL OR s.copies > 1 OR l.removed_at IS NOT NULL
        OR s.status <> l.status OR s.amount_minor <> l.amount_minor
        OR s.currency <> l.currency
        OR s.amount_captured_minor <> l.amount_captured_minor
        OR s.amount_refunded_minor <> l.amount_refunded_minor
        OR s.disputed <> l.disputed
        OR s.failure_code <> coalesce(l.failure_code, '')
        OR (s.provider_customer_id IS NOT NULL
            AND s.owner_id IS DISTINCT FROM l.user_id)
        OR (s.provider_customer_id <> '' AND s.owner_id IS NULL)) END
ORDER BY coalesce(s.provider_payment_id, l.provider_payment_id) COLLATE "C"
