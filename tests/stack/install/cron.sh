# As cron would: the variables of the file, a shell, the job's user. Then the log is rotated.
table=/etc/cron.d/payment-monitor
mapfile -t variables < <(grep '^[A-Z_]*=' "$table")
read -r _ _ _ _ _ user command < <(tail -n 1 "$table")
runuser -u "$user" -- env -i "${variables[@]}" sh -c "$command"
grep -q succeeded /var/log/payment-monitor/run.log
logrotate --force /etc/logrotate.d/payment-monitor
test -s /var/log/payment-monitor/run.log.1
test ! -s /var/log/payment-monitor/run.log
