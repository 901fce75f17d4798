//! The job in front of the real servers: PostgreSQL, a collector on either host, the gateway,
//! Tempo, Loki and Prometheus, all on loopback, from the configurations in `otel/`. What is
//! asserted is what the servers' own APIs say. `stack/test` builds the servers and runs this.
//!
//! Every test has a stack of its own, which dies with it. Conditions are awaited, for long.

mod alerts;
mod asking;
mod checks;
mod company;
mod expand;
mod faults;
mod grafana;
mod hosts;
mod install;
mod job;
mod late;
mod links;
mod network;
mod panels;
mod process;
mod promql;
mod redaction;
mod servers;
mod stack;
mod trace;
mod two_hosts;
// What must hold of every record, and the statements: the suite's.
#[path = "../suite/harness/record.rs"]
mod record;
#[allow(dead_code)]
#[path = "../suite/harness/statement.rs"]
mod statement;
