//! An hour of a company's life in a moment, with a run now and then.

use super::{begin, place, seeded_at};
use crate::harness::{Ledger, request};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use payment_monitor::demo::simulation::Happening;
use payment_monitor::domain::Status;
use payment_monitor::reconcile::Limit;
use payment_monitor::run::{Report, Request};
use payment_monitor::simulator::{Beginning, Simulator, SimulatorError};
use std::path::Path;

const STEPS: u32 = 390;
const STEP: TimeDelta = TimeDelta::seconds(10);

/// As a run of every day is asked for.
fn usual(statement: &Path) -> Request {
    Request {
        settle: TimeDelta::minutes(5),
        clock_skew: TimeDelta::minutes(1),
        max_changes: Limit::Percent(20),
        max_deletes: Some(0),
        ..request(statement)
    }
}

struct Life {
    ledger: Ledger,
    folder: tempfile::TempDir,
    simulator: Simulator,
    now: DateTime<Utc>,
    happenings: Vec<Happening>,
}

impl Life {
    async fn began_for(steps: u32) -> Self {
        let mut ledger = Ledger::empty().await;
        let began = Utc::now().trunc_subsecs(0) - STEP * i32::try_from(steps).unwrap();
        seeded_at(&mut ledger, began).await;
        let folder = tempfile::tempdir().unwrap();
        let (simulator, beginning) = begin(&ledger, folder.path()).await.unwrap();
        assert_eq!(beginning, Beginning::GoesOn(0));
        Self { ledger, folder, simulator, now: began, happenings: Vec::new() }
    }

    async fn until(&mut self, step: u64) {
        loop {
            self.now += STEP;
            let done = self.simulator.step(self.now).await.unwrap();
            self.happenings.extend(done.happenings);
            if done.step == step {
                break;
            }
        }
    }

    async fn run(&mut self) -> Report {
        self.simulator.publish(self.now).await.unwrap();
        self.ledger.run(usual(&place(self.folder.path()))).await
    }

    /// Every attack so far is found by the rule that is named like it.
    async fn assert_attacks_found(&mut self) {
        let attacks: Vec<Happening> =
            self.happenings.iter().filter(|one| one.kind == "attack").cloned().collect();
        assert_eq!(attacks.len(), 5);
        for attack in attacks {
            let pattern = attack.text.split([' ', ':']).nth(1).unwrap();
            let user = attack.user_id.map_or("NULL".to_owned(), |id| id.to_string());
            let found = format!(
                "SELECT count(*) FROM suspicious_activity WHERE rule = '{pattern}'
                AND user_id IS NOT DISTINCT FROM {user}
                AND last_at > now() - interval '90 minutes'"
            );
            assert!(self.ledger.number(&found).await > 0, "{}", attack.text);
        }
    }
}

fn kind(report: &Report, name: &str) -> u64 {
    report.summary.discrepancies.get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_hour_has_something_for_every_panel_and_alert() {
    let mut life = Life::began_for(STEPS).await;
    life.until(6).await;
    let first = life.run().await;
    assert_eq!(first.summary.status, Status::Succeeded, "{:?}", first.summary.error);
    assert!(first.summary.operations.applied > 80 && first.summary.operations.failed == 1);
    let failed_before = life.ledger.number("SELECT count(*) FROM payment_failures").await;

    life.until(50).await;
    let broken = life.run().await;
    assert_eq!(broken.summary.status, Status::Failed);
    assert!(broken.summary.error.unwrap().contains("charges.ndjson.gz"));

    life.until(90).await;
    let mended = life.run().await;
    assert_eq!(mended.summary.status, Status::Succeeded, "{:?}", mended.summary.error);
    assert!(kind(&mended, "only_in_statement") > 0, "{:?}", mended.summary.discrepancies);
    assert_eq!(mended.summary.operations.failed, 1, "the amount of nothing");
    assert!(mended.summary.left["max_deletes"] > first.summary.left["max_deletes"]);
    assert!(mended.summary.left["unknown_customer"] > first.summary.left["unknown_customer"]);

    life.until(152).await;
    let held = life.run().await;
    assert_eq!(held.summary.status, Status::Held, "{:?}", held.summary.error);

    life.until(STEPS.into()).await;
    let last = life.run().await;
    assert_eq!(last.summary.status, Status::Succeeded, "{:?}", last.summary.error);
    let other = ["amount_refunded", "disputed", "plan", "current_period_end"];
    let other: u64 = other.iter().map(|name| kind(&last, name)).sum();
    assert!(kind(&last, "status") > 0 && other > 0, "{:?}", last.summary.discrepancies);
    assert!(last.summary.left.contains_key("needs_approval"));
    life.assert_attacks_found().await;
    let failed = life.ledger.number("SELECT count(*) FROM payment_failures").await;
    assert!(failed > failed_before + 50, "{failed_before}, {failed}");

    let path = place(life.folder.path());
    let again = life.ledger.run(usual(&path)).await;
    assert_eq!(again.summary.status, Status::Succeeded);
    assert_eq!(again.summary.operations.planned, 0, "{:?}", again.operations);
    life.ledger.assert_invariants().await;
}

/// What needs a person is mended hours later; then nothing of it is open any more.
#[tokio::test]
async fn what_needs_a_person_comes_and_goes() {
    let mut life = Life::began_for(2_200).await;
    life.until(45).await;
    life.now += TimeDelta::minutes(6);
    life.run().await;
    let open = "SELECT count(*) FROM open_discrepancies d WHERE EXISTS (SELECT FROM
        simulated_provider.charges c WHERE c.id = d.provider_id AND c.listed_from IS NOT NULL)";
    let opened = life.ledger.number(open).await;
    assert_eq!(opened, 3, "listed late, of no amount, of an unknown customer");
    life.now += TimeDelta::hours(3);
    let mended = life.run().await;
    assert_eq!(mended.summary.status, Status::Succeeded, "{:?}", mended.summary.error);
    assert_eq!(life.ledger.number(open).await, 0);
}

#[tokio::test]
async fn a_restart_goes_on_and_a_step_is_made_once() {
    let ledger = Ledger::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut simulator, beginning) = begin(&ledger, folder.path()).await.unwrap();
    assert_eq!(beginning, Beginning::Seeded);
    let now = simulator.now().await.unwrap();
    for step in 1..=3 {
        assert_eq!(simulator.step(now).await.unwrap().step, step);
    }
    drop(simulator);
    let (mut simulator, beginning) = begin(&ledger, folder.path()).await.unwrap();
    assert_eq!(beginning, Beginning::GoesOn(3));
    assert_eq!(simulator.step(now).await.unwrap().step, 4);
}

#[tokio::test]
async fn a_ledger_that_it_did_not_make_is_refused_and_left_as_it_is() {
    let mut ledger = Ledger::with_users(1).await;
    let folder = tempfile::tempdir().unwrap();
    let refused = begin(&ledger, folder.path()).await.unwrap_err();
    assert!(matches!(refused, SimulatorError::Foreign { .. }), "{refused}");
    let schema = "SELECT to_regnamespace('simulated_provider') IS NULL";
    assert_eq!(ledger.text(schema).await, "true");
    assert_eq!(ledger.number("SELECT count(*) FROM users").await, 1);
    let rule = "SELECT count(*) FROM pg_constraint WHERE conname = 'payments_amount_positive'";
    assert_eq!(ledger.number(rule).await, 0);
}

#[tokio::test]
async fn tables_of_another_version_are_refused() {
    let mut ledger = Ledger::empty().await;
    let folder = tempfile::tempdir().unwrap();
    drop(begin(&ledger, folder.path()).await.unwrap());
    ledger.sql("UPDATE simulated_provider.state SET format = 99").await;
    let refused = begin(&ledger, folder.path()).await.unwrap_err().to_string();
    assert!(refused.contains("format 99"), "{refused}");
}
