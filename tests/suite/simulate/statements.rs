//! Statements that are replaced while they are read.

use super::{begin, place};
use crate::harness::{Charge, Ledger};
use chrono::TimeDelta;
use payment_monitor::demo::File;
use payment_monitor::simulator::{Shelf, ShelfError};
use payment_monitor::statement::{Facts, Listing, Options, Record, Statement};
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
        while seen.len() < 3 {
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

/// A statement of one charge, in memory.
fn one_charge(id: &str) -> Vec<File> {
    let charge = Charge::new(id, 1).0.to_string();
    vec![File { name: "charges.ndjson".into(), records: 1, bytes: charge.into_bytes() }]
}

#[test]
fn who_has_opened_a_statement_reads_it_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(&place(folder.path())).unwrap();
    shelf.put(&one_charge("ch_first")).unwrap();
    let early = open(&place(folder.path()));
    let mut ids = Vec::new();
    let mut read = |statement: Statement| {
        statement.read(&mut |record| {
            let Record::Payment(payment) = record else { panic!("{record:?}") };
            ids.push(payment.provider_payment_id);
            ControlFlow::Continue(())
        })
    };
    for number in 1..=40 {
        shelf.put(&one_charge(&format!("ch_{number}"))).unwrap();
    }
    assert!(read(early).is_err(), "it is gone by now");
    read(open(&place(folder.path()))).unwrap();
    shelf.put(&one_charge("ch_newest")).unwrap();
    let opened = open(&place(folder.path()));
    shelf.put(&one_charge("ch_after")).unwrap();
    read(opened).unwrap();
    assert_eq!(ids, ["ch_40", "ch_newest"]);
    let kept = std::fs::read_dir(folder.path().join(".statement.statements")).unwrap();
    assert_eq!(kept.count(), 31);
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
