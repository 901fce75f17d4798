//! A program older than the schema refuses it, whatever it was asked to do.

use super::catalog::{assert_same, catalog};
use super::rows::Rows;
use crate::harness::{Charge, Ledger, Listing, Program};

/// Every command that touches the ledger's database, as a job would call it; `RUN` and `PATH` are
/// put in.
const COMMANDS: [&str; 19] = [
    "migrate",
    "run --statement PATH",
    "run --statement PATH --dry-run",
    "runs",
    "show",
    "show RUN",
    "discrepancies",
    "approve RUN --by Ada --reason tried",
    "reject RUN --by Ada --reason tried",
    "rescue",
    "trace replay RUN",
    "failures",
    "failures --by user",
    "suspicious",
    "suspicious rules",
    "suspicious set many_failures --threshold 3 --by Ada --reason tried",
    "suspicious backtest many_failures",
    "suspicious snooze 1 --rule many_failures --until 7d --by Ada --reason tried",
    "schedule --every 1h --by Ada --reason tried",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_command_of_an_older_program_touches_a_newer_schema() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let traced = Program::on(&ledger).with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let statement = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let path = statement.to_str().unwrap();
    let held = program.run_statement(&statement, &["--max-changes", "0"]).await;
    assert_eq!(held.code, 4, "{}", held.all());
    let run = ledger.text("SELECT id FROM payment_monitor_jobs").await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum,
        execution_time) VALUES (999999, 'later', true, '', 0)";
    ledger.sql(later).await;
    let (schema, rows) = (catalog(&mut ledger, "nobody").await, Rows::of(&mut ledger).await);

    for command in COMMANDS {
        let words: Vec<&str> = command
            .split(' ')
            .map(|word| match word {
                "RUN" => run.as_str(),
                "PATH" => path,
                word => word,
            })
            .collect();
        let program = if words[0] == "trace" { &traced } else { &program };
        let said = program.run(&words).await;
        assert_eq!(said.code, 3, "{command}: {}", said.all());
        assert!(said.stderr.contains("newer than this program knows"), "{command}: {}", said.all());
        assert!(said.stderr.contains("install the newer payment-monitor"), "{command}");
        assert_eq!(said.stdout, "", "{command}");
    }
    let doctor = program.run(&["doctor"]).await;
    assert_eq!(doctor.code, 1, "{}", doctor.all());

    assert_same(&catalog(&mut ledger, "nobody").await, &schema, "the schema was changed");
    rows.assert_unchanged(&mut ledger).await;
}
