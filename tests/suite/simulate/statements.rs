//! Statements that are replaced while they are read.

use super::{begin, place};
use crate::harness::Ledger;
use chrono::TimeDelta;
use payment_monitor::simulator::{Shelf, ShelfError};
use payment_monitor::statement::{Facts, Listing, Options, Statement};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

fn open(path: &Path) -> Statement {
    Statement::open(Options { paths: vec![path.to_owned()], ..Options::default() }).unwrap()
}

fn read(statement: Statement) -> Facts {
    statement.read(&mut |_| ControlFlow::Continue(())).unwrap()
}

#[tokio::test]
async fn a_reader_sees_one_whole_statement_however_often_it_is_replaced() {
    let ledger = Ledger::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut simulator, _) = begin(&ledger, folder.path()).await.unwrap();
    let mut now = simulator.now().await.unwrap();
    simulator.publish(now).await.unwrap();
    let path = place(folder.path());
    let reading = tokio::task::spawn_blocking(move || {
        let mut seen = BTreeSet::new();
        while seen.len() < 5 {
            let facts = read(open(&path));
            assert!(matches!(facts.payments_listing, Listing::Proven { .. }));
            assert!(matches!(facts.subscriptions_listing, Listing::Proven { .. }));
            assert!(facts.payments > 3_000 && facts.malformed == 0);
            seen.insert(facts.as_of);
        }
    });
    while !reading.is_finished() {
        now += TimeDelta::seconds(1);
        simulator.step(now).await.unwrap();
        simulator.publish(now).await.unwrap();
    }
    reading.await.unwrap();
}

#[tokio::test]
async fn a_run_that_has_opened_a_statement_reads_it_and_old_ones_go() {
    let ledger = Ledger::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut simulator, _) = begin(&ledger, folder.path()).await.unwrap();
    let now = simulator.now().await.unwrap();
    simulator.publish(now).await.unwrap();
    let opened = open(&place(folder.path()));
    for second in 1..=40 {
        simulator.publish(now + TimeDelta::seconds(second)).await.unwrap();
        if second == 20 {
            assert_eq!(read(open(&place(folder.path()))).as_of, now + TimeDelta::seconds(20));
        }
    }
    let shelf = folder.path().join(".statement.statements");
    assert_eq!(std::fs::read_dir(shelf).unwrap().count(), 31);
    assert!(opened.read(&mut |_| ControlFlow::Continue(())).is_err(), "it is gone by now");
}

#[test]
fn what_is_not_the_simulators_own_link_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = place(folder.path());
    std::fs::write(&path, "mine").unwrap();
    let taken = Shelf::at(&path).unwrap_err();
    assert!(matches!(taken, ShelfError::Taken(_)), "{taken}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert!(matches!(Shelf::at(Path::new("/")), Err(ShelfError::NoName(_))));
}
