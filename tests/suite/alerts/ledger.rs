//! Alerts on what the runs found in ledger and statement, and on what they could not deliver.

use super::{age, charges, fires, is_silent, run, succeed};
use crate::harness::{Charge, Ledger, Listing, Program, environment};
use crate::telemetry::collector::{Behaviour, Collector};
use payment_monitor::reconcile::Limit;
use payment_monitor::run::{Approval, approve};
use tempfile::TempDir;

#[tokio::test]
async fn failed_operations_fire_until_a_run_has_none() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CONSTRAINT rule CHECK (amount_minor > 0)").await;
    let mut refused = charges(3);
    refused[1] = refused[1].clone().with("amount", 0);
    succeed(&ledger, &Listing::of(refused.clone())).await;
    let operations = fires(&mut ledger, "operations-failing", &[("outcome", "failed")]).await;
    assert!((operations - 1.0).abs() < 0.1, "{operations}");
    super::fail(&ledger).await; // has planned nothing, and tells nothing new
    fires(&mut ledger, "operations-failing", &[("outcome", "failed")]).await;
    let second = succeed(&ledger, &Listing::of(refused)).await; // leaves it, and says so
    assert_eq!(second.summary.operations.planned, 0);
    fires(&mut ledger, "operations-failing", &[("outcome", "failed")]).await;
    succeed(&ledger, &Listing::of(charges(3))).await;
    is_silent(&mut ledger, "operations-failing").await;
}

#[tokio::test]
async fn conflicts_fire_until_a_run_has_none() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(4))).await;
    let refunded = || Listing::of(charges(4).into_iter().map(|c| c.with("amount_refunded", 5)));
    let held = run(&ledger, &refunded(), |r| r.max_changes = Limit::Rows(1)).await;
    is_silent(&mut ledger, "operations-failing").await;
    ledger.sql("UPDATE payments SET disputed = true WHERE provider_payment_id = 'ch_2'").await;
    let (environment, _stopper) = environment(&ledger);
    let run_id = held.summary.run_id.parse().unwrap();
    let decision = Approval { run: run_id, by: "Ada".to_owned(), reason: "fine".to_owned() };
    approve(&environment, decision).await.unwrap();
    let operations = fires(&mut ledger, "operations-failing", &[("outcome", "conflict")]).await;
    assert!((operations - 1.0).abs() < 0.1, "{operations}");
    succeed(&ledger, &refunded()).await;
    is_silent(&mut ledger, "operations-failing").await;
}

/// Payments of customers that the ledger does not know.
fn strangers(n: i64) -> Listing {
    let strange = (1..=n).map(|n| Charge::new(&format!("ch_s{n}"), n).with("customer", "cus_9"));
    Listing::of(charges(3).into_iter().chain(strange))
}

#[tokio::test]
async fn five_times_the_usual_discrepancies_fire_by_kind() {
    let mut ledger = Ledger::with_users(1).await;
    for n in [3, 4, 3, 4, 4] {
        succeed(&ledger, &strangers(n)).await;
    }
    succeed(&ledger, &strangers(25)).await;
    let kind = [("kind", "unknown_customer")];
    let found = fires(&mut ledger, "discrepancies-above-usual", &kind).await;
    assert!((found - 25.0).abs() < 0.1, "{found}");
    succeed(&ledger, &strangers(19)).await; // too few to speak of
    is_silent(&mut ledger, "discrepancies-above-usual").await;
    succeed(&ledger, &strangers(20)).await;
    is_silent(&mut ledger, "discrepancies-above-usual").await; // five times 4, not more
    succeed(&ledger, &strangers(21)).await;
    fires(&mut ledger, "discrepancies-above-usual", &kind).await;
    succeed(&ledger, &strangers(0)).await;
    is_silent(&mut ledger, "discrepancies-above-usual").await;
}

#[tokio::test]
async fn a_first_import_is_not_above_what_is_usual() {
    let mut ledger = Ledger::with_users(1).await;
    for _ in 0..4 {
        succeed(&ledger, &Listing::of(charges(1))).await;
    }
    succeed(&ledger, &strangers(60)).await;
    is_silent(&mut ledger, "discrepancies-above-usual").await;
}

/// A run on a listing without proof, which lacks the second of three payments.
async fn unproven(ledger: &Ledger) {
    let listing = Listing::of([Charge::new("ch_1", 1), Charge::new("ch_3", 3)]);
    let folder = TempDir::new().unwrap();
    let mut request = crate::harness::request(&listing.write_unproven(folder.path()));
    request.statement.as_of = Some(crate::harness::time(12 * 60));
    request.since = Some(crate::harness::time(-60));
    let report = ledger.run(request).await;
    assert_eq!(report.summary.left["unproven"], 1);
}

#[tokio::test]
async fn deletes_withheld_for_three_days_fire_until_a_statement_is_proven() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &Listing::of(charges(3))).await;
    unproven(&ledger).await;
    is_silent(&mut ledger, "statement-incomplete").await;
    age(&mut ledger, "73 hours").await;
    fires(&mut ledger, "statement-incomplete", &[]).await;
    unproven(&ledger).await;
    let withheld = fires(&mut ledger, "statement-incomplete", &[]).await;
    assert!((withheld - 1.0).abs() < 0.1, "{withheld}");
    let proven = Listing::of([Charge::new("ch_1", 1), Charge::new("ch_3", 3)]);
    succeed(&ledger, &proven).await;
    is_silent(&mut ledger, "statement-incomplete").await;
}

#[tokio::test]
async fn a_discrepancy_that_is_open_for_a_week_fires_until_it_is_resolved() {
    let mut ledger = Ledger::with_users(1).await;
    succeed(&ledger, &strangers(1)).await;
    is_silent(&mut ledger, "unreconciled-too-long").await;
    age(&mut ledger, "167 hours").await;
    is_silent(&mut ledger, "unreconciled-too-long").await;
    age(&mut ledger, "2 hours").await;
    let kind = [("kind", "unknown_customer")];
    let seconds = fires(&mut ledger, "unreconciled-too-long", &kind).await;
    assert!(seconds > 7.0 * 86_400.0, "{seconds}");
    let known = "INSERT INTO users (id, provider_customer_id, created_at)
        VALUES (9, 'cus_9', '2026-01-01')";
    ledger.sql(known).await;
    succeed(&ledger, &strangers(1)).await;
    is_silent(&mut ledger, "unreconciled-too-long").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_that_was_lost_fires_by_signal_until_a_run_loses_none() {
    let mut ledger = Ledger::with_users(1).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = Program::on(&ledger)
        .with("PAYMENT_MONITOR_MAX_CHANGES", "none")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}"));
    let path = Listing::of(charges(2)).write(program.folder.path());
    let lost = program.run_statement(&path, &[]).await;
    assert_eq!(lost.code, 0, "{}", lost.all());
    let spans = fires(&mut ledger, "telemetry-lost", &[("signal", "traces")]).await;
    assert!(spans > 5.0, "{spans}");
    fires(&mut ledger, "telemetry-lost", &[("signal", "metrics")]).await;
    // A run without a collector has nothing to lose, and says nothing of it.
    succeed(&ledger, &Listing::of(charges(2))).await;
    fires(&mut ledger, "telemetry-lost", &[("signal", "traces")]).await;
    let collector = Collector::start(Behaviour::Healthy).await;
    program.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
    let delivered = program.run_statement(&path, &[]).await;
    assert_eq!(delivered.code, 0, "{}", delivered.all());
    is_silent(&mut ledger, "telemetry-lost").await;
}
