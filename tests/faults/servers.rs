//! The server goes away in the middle of a run, or takes no more of what the run writes.

use crate::campaign::{Campaign, Fault, Needs, Tried, fault};
use crate::harness::PATIENCE;
use crate::middle::BULK;
use crate::stage::Stage;
use std::time::Duration;

/// How long the server stays away.
const OUTAGE: Duration = Duration::from_secs(5);
const CONCURRENCY: u32 = 4;

pub fn faults() -> Vec<Fault> {
    vec![
        fault("PostgreSQL crashes and is back after 5 s", Needs::Nothing, crash),
        fault("the database becomes read-only in the middle of a run", Needs::Nothing, read_only),
        fault("a grant is revoked in the middle of a run", Needs::Nothing, revoked),
    ]
}

/// One run tries for longer than the outage lasts, another gives up meanwhile.
async fn crash(_: Campaign) -> Tried {
    let mut patient = Stage::on_its_own_server(BULK).await;
    let mut hasty = patient.beside(BULK).await;
    let lasting = patient.start_run(CONCURRENCY, &["--retry-for", "1m"]);
    let failing = hasty.start_run(CONCURRENCY, &["--retry-for", "1s"]);
    patient.until_results(10).await;
    hasty.until_results(10).await;
    patient.ledger.server().stop_immediate().await.unwrap();
    let outage = tokio::time::sleep(OUTAGE);
    let (failed, ()) = tokio::join!(failing.ends_within(PATIENCE), outage);
    let port = patient.ledger.server().port();
    patient.ledger.server().start_again().await.unwrap();
    patient.ledger.reconnect(port).await;
    hasty.ledger.reconnect(port).await;

    let completed = lasting.ends_within(PATIENCE).await;
    assert_eq!(completed.code, 1, "1 for the refused operation: {}", completed.all());
    patient.check().await;
    assert!(patient.is_in_line().await, "the run that lasted has done all of it");
    patient.next_run_mends().await;

    assert_eq!(failed.code, 3, "{}", failed.all());
    let told = failed.json();
    assert_eq!(told["status"], "failed", "{told}");
    let applied = told["operations"]["applied"].as_u64().unwrap();
    let recorded = hasty.results("applied").await;
    // The answers to those in flight were lost.
    let known = recorded.saturating_sub(u64::from(CONCURRENCY))..=recorded;
    assert!(known.contains(&applied), "{applied} told, {recorded} recorded: {told}");
    let open = told["operations"]["planned"].as_u64().unwrap() - applied;
    assert_eq!(told["operations"]["open"], open, "{told}");
    assert!(hasty.newest_end().await.starts_with("running"), "its end was recorded nowhere");
    hasty.until_lock_is_free(PATIENCE).await;
    hasty.check().await;
    hasty.next_run_mends().await;
    Tried { times: 2, note: "one run lasts, one gives up".to_owned() }
}

async fn read_only(_: Campaign) -> Tried {
    let mut stage = Stage::on_its_own_server(BULK).await;
    let run = stage.start_run(CONCURRENCY, &["--retry-for", "1s"]);
    stage.until_results(10).await;
    set(&mut stage, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    let output = run.ends_within(PATIENCE).await;
    assert_eq!(output.code, 3, "{}", output.all());
    let told = output.json();
    assert_eq!(told["status"], "failed", "{told}");
    assert!(told["error"].as_str().unwrap().contains("read-only"), "{told}");
    set(&mut stage, "ALTER SYSTEM RESET default_transaction_read_only").await;
    let is_off = "current_setting('default_transaction_read_only') = 'off'";
    stage.until("the database can be written to again", PATIENCE, is_off).await;
    stage.until_lock_is_free(PATIENCE).await;
    stage.check().await;
    stage.next_run_mends().await;
    Tried { times: 1, note: String::new() }
}

async fn set(stage: &mut Stage, setting: &str) {
    stage.ledger.sql(setting).await;
    stage.ledger.sql("SELECT pg_reload_conf()").await;
}

async fn revoked(_: Campaign) -> Tried {
    let grants = [
        "UPDATE ON ledger_payments",
        "INSERT ON payment_monitor_results",
        "UPDATE ON payment_monitor_jobs",
    ];
    let mut stage = Stage::with_bulk(BULK).await;
    for grant in grants {
        let run = stage.start_run(CONCURRENCY, &["--retry-for", "1s"]);
        stage.until_results(10).await;
        stage.ledger.sql(&format!("REVOKE {grant} FROM payment_monitor_writer")).await;
        let output = run.ends_within(PATIENCE).await;
        assert_eq!(output.code, 3, "{grant}: {}", output.all());
        let told = output.json();
        assert_eq!(told["status"], "failed", "{told}");
        assert!(told["error"].as_str().unwrap().contains("42501"), "{told}");
        assert_eq!(stage.results("failed").await, 0, "{grant}: no operation is to blame");
        stage.ledger.sql(&format!("GRANT {grant} TO payment_monitor_writer")).await;
        stage.until_lock_is_free(PATIENCE).await;
        stage.check().await;
    }
    stage.next_run_mends().await;
    stage.remove().await;
    Tried { times: 3, note: String::new() }
}
