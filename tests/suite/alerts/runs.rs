//! Alerts on the runs themselves.

use super::{age, charges, fail, fires, firing, is_silent, nothing, run, succeed};
use crate::harness::{Ledger, Listing, PATIENCE, environment, request};
use payment_monitor::domain::Status;
use payment_monitor::reconcile::Limit;
use payment_monitor::run as running;
use payment_monitor::run::{Approval, Report, Request};
use tempfile::TempDir;

#[tokio::test]
async fn a_failed_run_fires_under_the_first_ones_name_until_a_run_ends_otherwise() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "run-failed").await;
    let first = fail(&ledger).await;
    assert_eq!(first.summary.status, Status::Failed);
    let labels = [("run_id", first.summary.run_id.as_str()), ("host", "test")];
    assert!((fires(&mut ledger, "run-failed", &labels).await - 1.0).abs() < 0.1);
    let error = firing(&mut ledger, "run-failed").await[0].labels["error"].clone();
    assert!(error.contains("statement.ndjson"), "{error}");
    fail(&ledger).await;
    assert!((fires(&mut ledger, "run-failed", &labels).await - 2.0).abs() < 0.1);

    succeed(&ledger, &Listing::of(charges(2))).await;
    is_silent(&mut ledger, "run-failed").await;
    let next = fail(&ledger).await;
    fires(&mut ledger, "run-failed", &[("run_id", &next.summary.run_id)]).await;
}

#[tokio::test]
async fn a_stopped_run_and_one_whose_process_is_gone_fire_until_a_run_ends_by_itself() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let path = Listing::of(charges(1)).write(folder.path());
    let (environment, stopper) = environment(&ledger);
    stopper.send_replace(Some(running::stop::Signal::Terminate));
    let interrupted = running::run(&environment, request(&path)).await.unwrap();
    assert_eq!(interrupted.summary.status, Status::Interrupted);
    let labels = [("run_id", interrupted.summary.run_id.as_str())];
    fires(&mut ledger, "run-interrupted", &labels).await;

    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "run-interrupted").await;
    ledger
        .sql(
            "INSERT INTO payment_monitor_jobs (id, started_at, execution_status, host, version)
            VALUES (payment_monitor_new_id(), now(), 'running', 'gone', '0')",
        )
        .await;
    let dead = ledger.text("SELECT run_id FROM run_summary WHERE host = 'gone'").await;
    fires(&mut ledger, "run-interrupted", &[("run_id", &dead), ("host", "gone")]).await;
    is_silent(&mut ledger, "run-hanging").await;
    // The run rescues the dead one, and comes to its own end.
    succeed(&ledger, &Listing::of(charges(1))).await;
    let status = "SELECT execution_status FROM run_summary WHERE host = 'gone'";
    assert_eq!(ledger.text(status).await, "interrupted");
    is_silent(&mut ledger, "run-interrupted").await;
}

#[tokio::test]
async fn a_run_is_missed_when_the_last_success_is_longer_ago_than_the_schedule_says() {
    let mut ledger = Ledger::with_users(1).await;
    fires(&mut ledger, "run-missed", &[]).await; // none ever
    fail(&ledger).await;
    fires(&mut ledger, "run-missed", &[]).await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "run-missed").await;
    age(&mut ledger, "74 minutes").await;
    is_silent(&mut ledger, "run-missed").await;
    age(&mut ledger, "2 minutes").await;
    fires(&mut ledger, "run-missed", &[]).await;
    fail(&ledger).await; // no success
    fires(&mut ledger, "run-missed", &[]).await;
    ledger.sql("UPDATE payment_monitor_schedule SET every = '1 day'").await;
    is_silent(&mut ledger, "run-missed").await;
    ledger.sql("UPDATE payment_monitor_schedule SET every = '1 hour'").await;
    succeed(&ledger, &Listing::of(charges(1))).await;
    is_silent(&mut ledger, "run-missed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_longer_than_the_schedule_allows_fires_while_it_lives() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = TempDir::new().unwrap();
    let path = Listing::of(charges(1)).write(folder.path());
    let (mut environment, _stopper) = environment(&ledger);
    environment.retry_for = PATIENCE * 10;
    let holder = ledger.hold("LOCK TABLE payment_monitor_staged_payments").await;
    let run = tokio::spawn(async move { running::run(&environment, request(&path)).await });
    let runs = "SELECT count(*) FROM run_summary";
    while ledger.number(runs).await == 0 {
        tokio::task::yield_now().await;
    }
    is_silent(&mut ledger, "run-hanging").await;
    age(&mut ledger, "61 minutes").await;
    let seconds = fires(&mut ledger, "run-hanging", &[("host", "test")]).await;
    assert!((3_660.0..3_900.0).contains(&seconds), "{seconds}");
    ledger.sql("UPDATE payment_monitor_schedule SET longest = '2 hours'").await;
    is_silent(&mut ledger, "run-hanging").await;
    ledger.sql("UPDATE payment_monitor_schedule SET longest = '1 hour'").await;
    is_silent(&mut ledger, "run-interrupted").await;
    holder.let_go().await;
    assert_eq!(run.await.unwrap().unwrap().summary.error, None);
    is_silent(&mut ledger, "run-hanging").await;
}

#[tokio::test]
async fn a_statement_with_less_than_half_of_the_usual_fires_by_kind() {
    let mut ledger = Ledger::with_users(1).await;
    for n in 0..6 {
        succeed(&ledger, &Listing::of(charges(30 + n))).await;
    }
    succeed(&ledger, &Listing::of(charges(17))).await;
    is_silent(&mut ledger, "run-too-short").await;
    succeed(&ledger, &Listing::of(charges(8))).await;
    let percent = fires(&mut ledger, "run-too-short", &[("kind", "payments")]).await;
    assert!((percent - 75.0).abs() < 2.0, "{percent}");
    succeed(&ledger, &nothing()).await;
    let percent = fires(&mut ledger, "run-too-short", &[("kind", "payments")]).await;
    assert!((percent - 100.0).abs() < 0.1, "{percent}");
    succeed(&ledger, &Listing::of(charges(35))).await;
    is_silent(&mut ledger, "run-too-short").await;
}

#[tokio::test]
async fn a_young_ledger_and_a_small_one_have_no_usual_statement() {
    let mut ledger = Ledger::with_users(1).await;
    for n in [30, 30, 30, 30, 2] {
        succeed(&ledger, &Listing::of(charges(n))).await;
    }
    is_silent(&mut ledger, "run-too-short").await;
    let mut ledger = Ledger::with_users(1).await;
    for n in [12, 12, 12, 12, 12, 12, 1] {
        succeed(&ledger, &Listing::of(charges(n))).await;
    }
    is_silent(&mut ledger, "run-too-short").await;
}

/// A run that succeeds, and took so long.
async fn taking(ledger: &mut Ledger, seconds: u32) {
    let run_id = succeed(ledger, &Listing::of(charges(1))).await.summary.run_id;
    let took = format!(
        "SET session_replication_role = replica;
        UPDATE payment_monitor_jobs SET duration = {seconds} * interval '1 second'
        WHERE id = '{run_id}';
        SET session_replication_role = origin"
    );
    ledger.sql(&took).await;
}

#[tokio::test]
async fn a_run_that_takes_less_than_a_tenth_of_the_usual_time_fires() {
    let mut ledger = Ledger::with_users(1).await;
    for seconds in [100, 99, 101, 100] {
        taking(&mut ledger, seconds).await;
    }
    taking(&mut ledger, 3).await;
    is_silent(&mut ledger, "run-too-short").await; // what is usual is not known yet
    taking(&mut ledger, 100).await;
    taking(&mut ledger, 9).await;
    let percent = fires(&mut ledger, "run-too-short", &[("kind", "duration")]).await;
    assert!((percent - 91.0).abs() < 0.1, "{percent}");
    fail(&ledger).await; // has a rule of its own
    fires(&mut ledger, "run-too-short", &[("kind", "duration")]).await;
    taking(&mut ledger, 11).await;
    is_silent(&mut ledger, "run-too-short").await;
    ledger.sql("SET session_replication_role = replica").await;
    ledger.sql("UPDATE payment_monitor_jobs SET duration = interval '59 seconds'").await;
    taking(&mut ledger, 1).await;
    is_silent(&mut ledger, "run-too-short").await; // never long
}

/// Refunds of all of them, which is more than a run may change.
async fn held(ledger: &Ledger, refunded: i64) -> Report {
    let listing = Listing::of(charges(4).into_iter().map(|c| c.with("amount_refunded", refunded)));
    let limit = |request: &mut Request| request.max_changes = Limit::Rows(1);
    let report = run(ledger, &listing, limit).await;
    assert_eq!(report.summary.status, Status::Held);
    report
}

fn decision(report: &Report) -> Approval {
    Approval {
        run: report.summary.run_id.parse().unwrap(),
        by: "Ada".to_owned(),
        reason: "looked at it".to_owned(),
    }
}

#[tokio::test]
async fn a_held_run_fires_until_it_is_decided_upon_or_superseded() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(4))).await;
    is_silent(&mut ledger, "run-held").await;
    let first = held(&ledger, 5).await;
    let label = [("run_id", first.summary.run_id.as_str())];
    fires(&mut ledger, "run-held", &label).await;
    let second = held(&ledger, 5).await;
    assert!((fires(&mut ledger, "run-held", &label).await - 2.0).abs() < 0.1);
    fail(&ledger).await; // decides nothing
    fires(&mut ledger, "run-held", &label).await;

    let (environment, _stopper) = environment(&ledger);
    running::reject(&environment, &decision(&second)).await.unwrap();
    is_silent(&mut ledger, "run-held").await;
    let third = held(&ledger, 6).await;
    fires(&mut ledger, "run-held", &label).await;
    running::approve(&environment, decision(&third)).await.unwrap();
    is_silent(&mut ledger, "run-held").await;

    held(&ledger, 7).await;
    let refunded = charges(4).into_iter().map(|c| c.with("amount_refunded", 7));
    succeed(&ledger, &Listing::of(refunded)).await;
    is_silent(&mut ledger, "run-held").await;
}
