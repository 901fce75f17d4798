//! One user's payments with what runs did to them.

use super::{document, failures, ledger};
use crate::harness::{Charge, Ledger, Listing, Program};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_runs_corrected_is_shown_with_its_history() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let folder = program.folder.path();
    let pending = Charge::new("ch_1", 1).with("status", "pending");
    for charge in [pending, Charge::new("ch_1", 1).failed("expired_card")] {
        let path = Listing::of([charge, Charge::new("ch_2", 2)]).write(folder);
        let run = program.run_statement(&path, &["--max-changes", "none"]).await;
        assert_eq!(run.code, 0, "{}", run.all());
    }
    let told = document(&ledger, "--user 1").await;
    let newest = &told["payments"][0];
    assert_eq!(newest["provider_payment_id"], "ch_2");
    let corrected = &told["payments"][1];
    assert_eq!(corrected["failure_code"], "expired_card");
    assert_eq!(newest["retried_at"], serde_json::Value::Null);
    assert_eq!(corrected["retried_at"], newest["created_at"]);
    let history = corrected["history"].as_array().unwrap();
    let actions: Vec<&str> = history.iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["new", "update"]);
    let run = ledger.text("SELECT max(id::text) FROM payment_monitor_jobs").await;
    assert_eq!(history[1]["run_id"], *run);
    assert_eq!(history[1]["run_status"], "succeeded");

    let told = failures(&ledger, "--user 1").await.stdout;
    for words in [
        "1 of 2 attempts failed (50.0 %)",
        "Retries counted once: 0 of 1 payments failed",
        "10.00 USD  expired_card",
        "status pending -> failed",
        &run,
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_unknown_or_has_no_payments_or_none_in_the_stretch() {
    let ledger = ledger().await;
    let unknown = Program::on(&ledger).run(&["failures", "--user", "77"]).await;
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("there is no user 77"), "{}", unknown.stderr);
    assert_eq!(failures(&ledger, "--user 4").await.stdout, "User 4 has no payments.\n");
    for user in [1, 4] {
        for stretch in ["--since 7d", "--until 2024-01-01"] {
            let told = failures(&ledger, &format!("--user {user} {stretch}")).await.stdout;
            let words = format!("User {user} has no payments between ");
            assert!(told.starts_with(&words), "{user} {stretch}: {told}");
        }
    }
}
