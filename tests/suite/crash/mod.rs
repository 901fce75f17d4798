//! The program killed at any moment: what the database says afterwards is true, and the next
//! run brings the ledger in line.

use crate::cli::{Program, finish};
use crate::harness::{Charge, Ledger, Listing, request};
use payment_monitor::domain::Status;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

const ROWS: i64 = 400;

fn charges(refunded: i64) -> Listing {
    Listing::of(
        (1..=ROWS).map(|n| Charge::new(&format!("ch_{n}"), n).with("amount_refunded", refunded)),
    )
}

async fn stage() -> (Ledger, Program) {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = charges(0).write(program.folder.path());
    ledger.run(request(&path)).await;
    // One operation is refused, and each takes long enough to be killed in the middle of.
    ledger
        .sql(
            "ALTER TABLE payments ADD CONSTRAINT rule
            CHECK (provider_payment_id <> 'ch_7' OR amount_refunded_minor = 0);
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END';
            CREATE TRIGGER slow BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .await;
    (ledger, program)
}

fn arguments(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    let fixed = [
        "run",
        "--settle",
        "0s",
        "--clock-skew",
        "1s",
        "--max-changes",
        "none",
        "--statement",
        path,
    ];
    fixed.into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_names_exactly_the_operations_that_committed() {
    let (mut ledger, program) = stage().await;
    let mut refunded = 0;
    let mut interrupted = 0;
    for (at, concurrency) in (0..12_i64).zip([1, 8, 32].into_iter().cycle()) {
        refunded += 1;
        let path = charges(refunded).write(program.folder.path());
        let mut all = arguments(&path);
        all.extend(["--concurrency".to_owned(), concurrency.to_string()]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut child = program.spawn(&all);
        let changed =
            format!("SELECT count(*) FROM payments WHERE amount_refunded_minor = {refunded}");
        until(&mut ledger, &mut child, &changed, ROWS * at / 13).await;
        child.kill().unwrap();
        finish(child).await;

        let last = "SELECT execution_status FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1";
        if ledger.text(last).await == "running" {
            interrupted += 1;
            let show = program.run(&["show", "--output", "json"]).await.json();
            assert_eq!(show["status"], "running");
            until_lock_is_free(&mut ledger).await;
            assert_eq!(program.run(&["rescue"]).await.code, 0);
            let told = program.run(&["show", "--output", "json"]).await.json();
            assert_eq!(told["status"], "interrupted");
            let applied = told["operations"]["applied"].as_i64().unwrap();
            assert_eq!(applied, ledger.number(&changed).await, "at {at}");
        }
        ledger.assert_invariants().await;
        let next = ledger.run(request(&path)).await;
        assert_eq!(next.summary.status, Status::Succeeded, "{:?}", next.summary.error);
        assert_eq!(ledger.number(&changed).await, ROWS - 1, "all but the refused one");
        ledger.assert_invariants().await;
    }
    assert!(interrupted > 8, "the kills missed the runs: {interrupted}");
}

/// Waits until a query counts so many rows, or the program is over.
async fn until(ledger: &mut Ledger, child: &mut Child, query: &str, rows: i64) {
    while child.try_wait().unwrap().is_none() && ledger.number(query).await < rows {
        tokio::task::yield_now().await;
    }
}

/// The server notices a killed process at its next message: then the lock is free.
async fn until_lock_is_free(ledger: &mut Ledger) {
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let deadline = Instant::now() + Duration::from_mins(1);
    while ledger.number(held).await > 0 {
        assert!(Instant::now() < deadline, "the lock of a killed process is never released");
        tokio::task::yield_now().await;
    }
}
