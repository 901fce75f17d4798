#!/bin/bash
# The logins, made once: PostgreSQL's image runs this in an empty data folder, before anybody else
# can connect, and after it otel/monitoring-role.sql.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --no-psqlrc --quiet --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=database="$POSTGRES_DB" --set=company="$COMPANY_PASSWORD" --set=job="$JOB_PASSWORD" \
    --set=reader="$READER_PASSWORD" --set=metrics="$METRICS_PASSWORD" <<'SQL'
-- A password in a statement that fails or is slow would be in the log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

-- `payment-monitor migrate` would make them, too; the company then needed the right to make roles.
CREATE ROLE payment_monitor_owner NOLOGIN;
CREATE ROLE payment_monitor_writer NOLOGIN;
CREATE ROLE payment_monitor_reader NOLOGIN;

CREATE ROLE company LOGIN PASSWORD :'company' IN ROLE payment_monitor_owner;
CREATE ROLE job LOGIN PASSWORD :'job' IN ROLE payment_monitor_writer;
CREATE ROLE grafana LOGIN PASSWORD :'reader' IN ROLE payment_monitor_reader;
-- Whoever looks at a dashboard may ask anything; not for ever, and not with all connections.
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET jit = off;
ALTER ROLE grafana CONNECTION LIMIT 20;
-- otel/monitoring-role.sql gives it its rights.
CREATE ROLE payment_monitor_metrics LOGIN PASSWORD :'metrics';

ALTER DATABASE :"database" OWNER TO company;
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO company;
GRANT CONNECT ON DATABASE :"database" TO job, grafana, payment_monitor_metrics;
SQL
