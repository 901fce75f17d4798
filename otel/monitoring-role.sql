-- The role that the collector on the database's host connects as: it sees PostgreSQL's statistics,
-- and no row of any table. Run it once, as a superuser, in the ledger's database; again after an
-- upgrade of this file:
--     psql --dbname=shop --file=otel/monitoring-role.sql
--     psql --dbname=shop --command="\password payment_monitor_metrics"

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'payment_monitor_metrics') THEN
        CREATE ROLE payment_monitor_metrics LOGIN;
    END IF;
END $$;

-- A monitor that hangs or runs wild must not take the place of those it watches.
ALTER ROLE payment_monitor_metrics CONNECTION LIMIT 5;
ALTER ROLE payment_monitor_metrics SET statement_timeout = '5s';
ALTER ROLE payment_monitor_metrics SET lock_timeout = '1s';
ALTER ROLE payment_monitor_metrics SET default_transaction_read_only = on;

-- Without it the state of other users' sessions, the replicas and the databases' sizes are hidden.
-- pg_monitor would add settings and functions that lock tables while they scan them.
GRANT pg_read_all_stats TO payment_monitor_metrics;

CREATE SCHEMA IF NOT EXISTS payment_monitor_metrics;
REVOKE ALL ON SCHEMA payment_monitor_metrics FROM PUBLIC;
GRANT USAGE ON SCHEMA payment_monitor_metrics TO payment_monitor_metrics;

-- Checkpoints moved from pg_stat_bgwriter to pg_stat_checkpointer in PostgreSQL 17. A function
-- with dynamic SQL, because a view of what is no longer there stops pg_upgrade.
CREATE OR REPLACE FUNCTION payment_monitor_metrics.checkpoints(
    OUT timed bigint, OUT requested bigint, OUT write_ms double precision,
    OUT sync_ms double precision, OUT buffers bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        EXECUTE 'SELECT num_timed, num_requested, write_time, sync_time, buffers_written
            FROM pg_stat_checkpointer' INTO timed, requested, write_ms, sync_ms, buffers;
    ELSE
        EXECUTE 'SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time,
            checkpoint_sync_time, buffers_checkpoint
            FROM pg_stat_bgwriter' INTO timed, requested, write_ms, sync_ms, buffers;
    END IF;
END $$;

-- Who reads and writes blocks of tables and indexes. pg_stat_io came with PostgreSQL 16; before,
-- the blocks of pg_stat_database are all there is, as one row.
CREATE OR REPLACE FUNCTION payment_monitor_metrics.io()
RETURNS TABLE (backend_type text, reads bigint, writes bigint, extends bigint, hits bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        RETURN QUERY EXECUTE 'SELECT backend_type, coalesce(sum(reads), 0)::bigint,
            coalesce(sum(writes), 0)::bigint, coalesce(sum(extends), 0)::bigint,
            coalesce(sum(hits), 0)::bigint
            FROM pg_stat_io WHERE object = ''relation'' GROUP BY backend_type';
    ELSE
        RETURN QUERY EXECUTE 'SELECT ''all'', sum(d.blks_read)::bigint,
            (SELECT buffers_checkpoint + buffers_clean + buffers_backend FROM pg_stat_bgwriter),
            0::bigint, sum(d.blks_hit)::bigint FROM pg_stat_database d';
    END IF;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA payment_monitor_metrics FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA payment_monitor_metrics TO payment_monitor_metrics;
