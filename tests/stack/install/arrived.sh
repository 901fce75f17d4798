# What the first runs and the hosts sent has arrived: each host under its role in Prometheus, the
# database's statistics there, its log in Loki, and the trace of a run in Tempo.
until_found() { # WORDS URL QUERY
    local ask=(curl --silent --get "$2" --data-urlencode "$3")
    for _ in $(seq 300); do
        if "${ask[@]}" | grep --quiet "$1"; then return; fi
        sleep 0.5
    done
    echo "no $1 in $2 for $3:" >&2
    "${ask[@]}" >&2
    tail -n 5 /var/log/payment-monitor-*.log >&2
    return 1
}
prometheus=http://127.0.0.1:9090/api/v1/query
for role in job database gateway; do
    until_found "\"payment_monitor_host_role\":\"$role\"" \
        "$prometheus" query=otelcol_process_uptime_seconds_total
done
# Of a host's disk: what it is by itself, not what a sandbox makes of it.
until_found '"mode":"rw"' "$prometheus" query=system_filesystem_usage_bytes
until_found '"value"' "$prometheus" query=postgresql_backends
until_found '"value"' "$prometheus" query=payment_monitor_run_last_success_time_seconds
until_found postgresql http://127.0.0.1:3100/loki/api/v1/label/service_name/values since=1h
until_found '"traceID"' http://127.0.0.1:3200/api/search 'q={name="payment_monitor.run"}'
until_found '"value"' "$prometheus" 'query=up{job="grafana"} == 1'

# As Grafana would: the database, with what its variables say and as its user.
(
    set -a
    . /etc/grafana/payment-monitor.env
    PGPASSWORD=$PAYMENT_MONITOR_POSTGRES_PASSWORD
    runuser -u grafana -- psql --quiet "host=${PAYMENT_MONITOR_POSTGRES_ADDRESS%:*}
        port=${PAYMENT_MONITOR_POSTGRES_ADDRESS#*:} dbname=$PAYMENT_MONITOR_POSTGRES_DATABASE
        user=$PAYMENT_MONITOR_POSTGRES_USER sslmode=$PAYMENT_MONITOR_POSTGRES_SSLMODE
        sslrootcert=$PAYMENT_MONITOR_POSTGRES_SSLROOTCERT" \
        --command="SELECT execution_status FROM run_summary" | grep succeeded >/dev/null
)

# What was only on its way is gone.
test ! -e /root/grafana.password
test ! -e /root/ca/db.internal.key
test ! -e /root/ca/gateway.internal.key
