//! Which program it is: what `--version` says, and what a run leaves of it.

use super::Program;
use crate::harness::{Charge, Ledger, Listing};
use payment_monitor::store::schema;
use payment_monitor::version::{COMMIT, VERSION};

#[tokio::test(flavor = "multi_thread")]
async fn version_tells_version_commit_and_schema_version() {
    let program = Program::new();
    let long = program.run(&["--version"]).await;
    let schema = schema::version_needed();
    let expected = format!("payment-monitor {VERSION}\ncommit {COMMIT}\nschema version {schema}\n");
    assert_eq!((long.code, long.stdout), (0, expected));
    let short = program.run(&["-V"]).await;
    assert_eq!(short.stdout, format!("payment-monitor {VERSION}\n"));
    assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")), "{VERSION}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_row_says_which_program_made_it() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let run = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(ledger.text("SELECT version FROM payment_monitor_jobs").await, VERSION);
}
