//! The demo's company: every kind of discrepancy at once.

use crate::harness::{Ledger, request};
use payment_monitor::demo;
use payment_monitor::domain::Status;
use payment_monitor::reconcile::Limit;
use payment_monitor::store::seed;
use std::collections::BTreeMap;

fn owned(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_run_finds_every_kind_of_discrepancy_and_a_second_one_plans_nothing() {
    let mut ledger = Ledger::empty().await;
    let demo = demo::generate(11, chrono::Utc::now());
    seed::load(&mut ledger.admin, &demo.company).await.unwrap();
    seed::add_rule(&mut ledger.admin).await.unwrap();
    ledger.sql("TRUNCATE recorded_changes").await;
    let folder = tempfile::tempdir().unwrap();
    for file in &demo.statement.files {
        std::fs::write(folder.path().join(&file.name), &file.bytes).unwrap();
    }
    let mut request = request(folder.path());
    request.settle = chrono::TimeDelta::minutes(5);
    request.clock_skew = chrono::TimeDelta::minutes(1);
    request.max_deletes = Some(0);
    request.max_changes = Limit::Percent(20);

    let first = ledger.run(request.clone()).await;
    assert_eq!(first.summary.status, Status::Succeeded, "{:?}", first.summary.error);
    assert_eq!(first.summary.discrepancies, owned(&demo.expected.discrepancies));
    assert_eq!(first.summary.left, owned(&demo.expected.left));
    assert_eq!(first.summary.operations.planned, demo.expected.planned());
    assert_eq!(first.summary.operations.applied, demo.expected.applied());
    assert_eq!(first.summary.operations.failed, demo.expected.refused);
    assert_eq!(first.exit_code(), 1);
    ledger.assert_invariants().await;

    let open = ledger.number("SELECT count(*) FROM open_discrepancies").await;
    let second = ledger.run(request).await;
    assert_eq!(second.summary.operations.planned, 0);
    assert_eq!(second.exit_code(), 0);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, open);
    let seen = "SELECT count(*) FROM open_discrepancies WHERE first_seen_by = last_seen_by";
    assert_eq!(ledger.number(seen).await, 0, "each was seen again, none was listed twice");
    ledger.assert_invariants().await;
}
