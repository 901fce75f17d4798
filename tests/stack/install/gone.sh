# Of what the installation made on this host nothing is left.
test -z "$(find /etc /usr/local /usr/lib/sysusers.d /var/lib \
    -name '*payment-monitor*' -o -name '*otelcol*')"
test ! -e /root/owner-url
for user in payment-monitor otelcol telemetry; do
    if id "$user" 2>/dev/null; then exit 1; fi
done
