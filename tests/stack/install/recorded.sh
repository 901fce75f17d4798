# The statement is of the time of the file that was fetched, not of when it was copied.
payment-monitor show --output json | grep '"as_of": *"2026-11-01T12:00:00' >/dev/null
