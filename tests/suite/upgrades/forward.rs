//! Each old database, with all that is in it, goes to the newest version and works there.

use super::catalog::{assert_same, catalog};
use super::rows::Rows;
use super::{Old, versions};
use crate::harness::{Charge, Ledger, Listing, Program};
use payment_monitor::store::schema;

#[test]
fn every_schema_version_before_this_one_has_a_dump() {
    let newest = schema::version_needed();
    let missing: Vec<i64> = (1..newest).filter(|version| !versions().contains(version)).collect();
    assert!(
        missing.is_empty(),
        "no dump of {missing:?} in {}: make it with .ci/dump-schema and a program of that version \
         (docs/upgrades.md)",
        super::dumps().display()
    );
    assert!(versions().iter().all(|version| *version <= newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schema_version_goes_forward_with_all_that_is_in_it() {
    let mut fresh = Old::empty().await;
    assert_eq!(fresh.owner().run(&["migrate"]).await.code, 0);
    let expected = catalog(&mut fresh.ledger, &fresh.owner).await;
    let going = versions().into_iter().map(|version| goes_forward(version, &expected));
    futures_util::future::join_all(going).await;
}

async fn goes_forward(version: i64, expected: &str) {
    let mut old = Old::of(version).await;
    assert_eq!(old.version().await, version);
    let rows = Rows::of(&mut old.ledger).await;

    let migrated = old.owner().run(&["migrate"]).await;
    assert_eq!(migrated.code, 0, "from version {version}: {}", migrated.all());
    assert_eq!(old.version().await, schema::version_needed());
    rows.assert_kept(&mut old.ledger).await;
    let found = catalog(&mut old.ledger, &old.owner).await;
    let what = format!("the schema that came from version {version} is not a new one's");
    assert_same(&found, expected, &what);

    let rows = Rows::of(&mut old.ledger).await;
    let again = old.owner().run(&["migrate"]).await;
    assert!(again.stdout.contains("up to date"), "{}", again.all());
    rows.assert_unchanged(&mut old.ledger).await;
    assert_same(&catalog(&mut old.ledger, &old.owner).await, expected, &what);

    assert_all_works(&mut old.ledger).await;
    old.remove().await;
}

/// What the old program did is told, what it left undone is ended, and a run works.
async fn assert_all_works(ledger: &mut Ledger) {
    let program = Program::on(ledger);
    let doctor = program.run(&["doctor"]).await;
    assert_eq!(doctor.code, 0, "{}", doctor.all());
    let count = "SELECT count(*) FROM payment_monitor_jobs";
    let runs = program.run(&["runs", "--limit", "100", "--output", "json"]).await.json();
    let told = runs["runs"].as_array().unwrap().clone();
    assert_eq!(told.len(), usize::try_from(ledger.number(count).await).unwrap(), "{runs}");
    for run in &told {
        let id = run["run_id"].as_str().unwrap();
        let story = program.run(&["show", id]).await;
        assert_eq!(story.code, 0, "{}", story.all());
    }
    let dead = "SELECT count(*) FROM run_summary WHERE needs_rescue";
    let was_alive = ledger.number("SELECT count(*) FROM users").await > 0 && !told.is_empty();
    assert_eq!(ledger.number(dead).await, i64::from(was_alive), "one was killed");

    let statement = Listing::of([Charge::new("ch_upgraded", 1).with("customer", "cus_2")])
        .manifest("as_of", chrono::Utc::now().to_rfc3339())
        .manifest("account", "acct_1")
        .write(program.folder.path());
    let run = program.run_statement(&statement, &["--max-changes", "none"]).await;
    assert_eq!(run.code, 0, "{}", run.all());
    let paid = "SELECT count(*) FROM payments WHERE provider_payment_id = 'ch_upgraded'";
    assert_eq!(ledger.number(paid).await, 1);
    assert_eq!(ledger.number(dead).await, 0, "the dead run was rescued");
    ledger.assert_counts().await;
}
