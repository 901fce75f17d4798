//! Alerts: the schedule that the dead man's rules go by, and the rules that ask PostgreSQL.

mod schedule;
