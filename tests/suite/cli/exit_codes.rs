//! Every exit code, as `--help` lists them.

use crate::harness::{Charge, Ledger, Listing, Program, finish, signal};

fn charges(n: i64) -> Listing {
    Listing::of((1..=n).map(|n| Charge::new(&format!("ch_{n}"), n)))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_done_is_0_and_so_is_nothing_to_do() {
    let ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = charges(2).write(program.folder.path());
    for _ in 0..2 {
        let output = program.run_statement(&path, &["--max-changes", "none"]).await;
        assert_eq!(output.code, 0, "{}", output.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_operation_is_1() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CHECK (provider_payment_id <> 'ch_1')").await;
    let program = Program::on(&ledger);
    let path = charges(2).write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(output.code, 1, "{}", output.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_2() {
    let ledger = Ledger::empty().await;
    let program = Program::on(&ledger);
    for arguments in [
        &["run"][..],
        &["walk"],
        &["run", "--statement", "x", "--max-changes", "20x"],
        &["run", "--statement", "x", "--max-deletes", "20%"],
        &["run", "--statement", "x", "--concurrency", "0"],
        &["run", "--statement", "x", "--since", "yesterday"],
        &[
            "run",
            "--statement",
            "x",
            "--since",
            "2026-02-01T00:00:00Z",
            "--until",
            "2026-01-01T00:00:00Z",
        ],
        &["show", "abc"],
        &["show", "01a20885-bce3-7583-980b-1b3816e9c8e2"],
        &["show", "latest"],
        &["approve", "01a20885-bce3-7583-980b-1b3816e9c8e2", "--by", "Ada", "--reason", "x"],
        &["approve", "01a20885-bce3-7583-980b-1b3816e9c8e2", "--by", "", "--reason", "x"],
    ] {
        let output = program.run(arguments).await;
        assert_eq!(output.code, 2, "{arguments:?}: {}", output.all());
        assert_eq!(output.stdout, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_3_and_recorded_as_failed_with_its_reason() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let output = program.run(&["run", "--statement", "missing.ndjson"]).await;
    assert_eq!(output.code, 3);
    assert!(output.all().contains("missing.ndjson"), "{}", output.all());
    let told = "SELECT execution_status || ' ' || error FROM payment_monitor_jobs";
    let recorded = ledger.text(told).await;
    assert!(recorded.starts_with("failed ") && recorded.contains("missing.ndjson"), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_plan_is_4_until_it_is_approved() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = charges(3).write(program.folder.path());
    let dry = program.run_statement(&path, &["--dry-run"]).await;
    assert_eq!(dry.code, 4, "{}", dry.all());
    assert!(dry.stdout.contains("3 operations planned"), "{}", dry.stdout);
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_jobs").await, 0);
    let held = program.run_statement(&path, &[]).await;
    assert_eq!(held.code, 4);
    assert!(held.stdout.contains("0 (the\n"), "{}", held.stdout);
    let run = ledger.text("SELECT id FROM payment_monitor_jobs").await;
    let approve = ["approve", &run, "--by", "Ada", "--reason", "first import"];
    let approved = program.run(&approve).await;
    assert_eq!(approved.code, 0, "{}", approved.all());
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 3);
    assert_eq!(program.run(&approve).await.code, 2);
    ledger.assert_invariants().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_run_goes_on_it_is_5() {
    let mut ledger = Ledger::with_users(1).await;
    let lock = payment_monitor::store::lock::RUN_LOCK;
    ledger.sql(&format!("SELECT pg_advisory_lock({lock})")).await;
    let program = Program::on(&ledger);
    let path = charges(1).write(program.folder.path());
    assert_eq!(program.run_statement(&path, &[]).await.code, 5);
    assert_eq!(program.run_statement(&path, &["--dry-run"]).await.code, 5);
    assert_eq!(program.run(&["rescue"]).await.code, 5);
    let statuses = "SELECT string_agg(execution_status, ' ') FROM payment_monitor_jobs";
    assert_eq!(ledger.text(statuses).await, "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_operations_in_flight_finish_and_is_130_or_143() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut ledger = Ledger::with_users(1).await;
        let program = Program::on(&ledger);
        let first = charges(6).write(program.folder.path());
        program.run_statement(&first, &["--max-changes", "none"]).await;
        ledger.sql("BEGIN; SELECT FROM payments FOR UPDATE").await;
        let refunded =
            (1..=6).map(|n| Charge::new(&format!("ch_{n}"), n).with("amount_refunded", 1));
        let path = Listing::of(refunded).write(program.folder.path());
        let statement = path.to_str().unwrap();
        let child = program.spawn(&[
            "run",
            "--settle",
            "0s",
            "--statement",
            statement,
            "--max-changes",
            "none",
            "--concurrency",
            "2",
        ]);
        ledger.until_sessions_wait(2).await;
        signal(&child, name);
        let run = "SELECT count(*) FROM payment_monitor_jobs WHERE execution_status = 'running'";
        assert_eq!(ledger.number(run).await, 1, "it waits for what is in flight");
        ledger.sql("COMMIT").await;
        let output = finish(child).await;
        assert_eq!(output.code, code, "{}", output.all());
        let told = "SELECT concat_ws(' ', execution_status, results_applied,
            operations_planned - total_results) FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1";
        assert_eq!(ledger.text(told).await, "interrupted 2 4");
        ledger.assert_invariants().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_program_at_once() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = charges(1).write(program.folder.path());
    ledger.sql("BEGIN; LOCK TABLE payments IN ACCESS EXCLUSIVE MODE").await;
    let statement = path.to_str().unwrap();
    let child = program.spawn(&["run", "--statement", statement, "--max-changes", "none"]);
    ledger.until_sessions_wait(1).await;
    signal(&child, "TERM");
    signal(&child, "TERM");
    let ended = tokio::time::timeout(crate::harness::PATIENCE, finish(child)).await.unwrap();
    assert_eq!(ended.code, 143);
    ledger.sql("COMMIT").await;
}
