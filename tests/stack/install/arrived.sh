# What the first runs and the hosts sent has arrived: the trace in Tempo, each host under its role
# in Prometheus, the database's statistics there, and its log in Loki.
until_found() { # WORDS URL
    for _ in $(seq 300); do
        if curl --silent --globoff "$2" | grep --quiet "$1"; then return; fi
        sleep 0.5
    done
    echo "no $1 in $2:" >&2
    curl --silent --globoff "$2" >&2
    tail -n 5 /var/log/payment-monitor-*.log >&2
    return 1
}
prometheus=http://127.0.0.1:9090/api/v1/query
until_found '"traceID"' \
    'http://127.0.0.1:3200/api/search?q={name="payment_monitor.run"}'
for role in job database gateway; do
    until_found "\"payment_monitor_host_role\":\"$role\"" \
        "$prometheus?query=otelcol_process_uptime_seconds_total"
done
# Of a host's disk: what it is by itself, not what a sandbox makes of it.
until_found '"mode":"rw"' "$prometheus?query=system_filesystem_usage_bytes"
until_found '"value"' "$prometheus?query=postgresql_backends"
until_found postgresql http://127.0.0.1:3100/loki/api/v1/label/service_name/values
