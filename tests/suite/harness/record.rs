//! What must hold of every record, as questions that count violations.

/// Notes every change of the company's tables, whoever makes it, in a table that the program
/// knows nothing of. A change and its note have the same transaction (`xmin`).
pub const INDEPENDENT_RECORD: &str = "
CREATE TABLE recorded_changes (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation text NOT NULL, row_id bigint NOT NULL, verb text NOT NULL, row_after jsonb,
    program text NOT NULL DEFAULT current_setting('application_name'));
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO recorded_changes (relation, row_id, verb, row_after)
    VALUES (TG_TABLE_NAME, coalesce(NEW.id, OLD.id), TG_OP, to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON payments
    FOR EACH ROW EXECUTE FUNCTION record_change();
CREATE TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON subscriptions
    FOR EACH ROW EXECUTE FUNCTION record_change();";

/// Changes of the program and `applied` results that have no counterpart: made or written in
/// another transaction, of another run, of another row, with another state, or once more.
const UNMATCHED: &str = "SELECT count(*) FROM (
        SELECT relation, row_id, CASE verb WHEN 'INSERT' THEN 'INSERT' ELSE 'UPDATE' END AS verb,
            xmin::text AS made_by, program, row_after, row_number() OVER (
                PARTITION BY relation, row_id, xmin::text ORDER BY position) AS copy
        FROM recorded_changes WHERE program LIKE 'payment-monitor%'
    ) change FULL JOIN (
        SELECT CASE WHEN payment_id IS NULL THEN 'subscriptions' ELSE 'payments' END AS relation,
            coalesce(payment_id, subscription_id) AS row_id,
            CASE action WHEN 'new' THEN 'INSERT' ELSE 'UPDATE' END AS verb,
            xmin::text AS made_by, 'payment-monitor ' || job_id AS program, new_state,
            row_number() OVER (PARTITION BY payment_id, subscription_id, xmin::text) AS copy
        FROM payment_monitor_results WHERE outcome = 'applied'
    ) result USING (relation, row_id, verb, made_by, program, copy)
    WHERE change.relation IS NULL OR result.relation IS NULL
        -- Times are written in another way in the two, and are left out.
        OR NOT new_state - '{created_at,current_period_end,removed}'::text[] <@ row_after
        OR (new_state ->> 'removed')::boolean <> (row_after ->> 'removed_at' IS NOT NULL)";

/// Runs that have ended and whose totals are not what is counted.
const MISCOUNTED: &str = "SELECT count(*) FROM payment_monitor_jobs j, LATERAL (SELECT
        count(*) FILTER (WHERE outcome = 'applied') AS applied,
        count(*) FILTER (WHERE outcome = 'failed') AS failed,
        count(*) FILTER (WHERE outcome = 'conflict') AS conflict, count(*) AS total,
        (SELECT count(*) FROM payment_monitor_operations WHERE job_id = j.id) AS planned
        FROM payment_monitor_results r WHERE r.job_id = j.id) counted
    WHERE execution_status <> 'running' AND (results_applied, results_failed,
        results_conflict, total_results, operations_planned)
        IS DISTINCT FROM (applied, failed, conflict, total, planned)";

const UNPLANNED: &str = "SELECT count(*) FROM payment_monitor_results r WHERE NOT EXISTS (
    SELECT FROM payment_monitor_operations o WHERE o.id = r.id AND o.job_id = r.job_id)";

/// Each counts what must not be, and says what that would be.
pub const VIOLATIONS: [(&str, &str); 3] = [
    (UNMATCHED, "changes and results do not match"),
    (MISCOUNTED, "totals are not counts"),
    (UNPLANNED, "results without a planned operation"),
];
