//! Many steps from one view of a company: what they bring, and that it can be relied on.

use super::*;
use crate::demo::{PATTERNS, both_sides};
use chrono::Duration;
use std::collections::{BTreeSet, HashSet};

const STEPS: u64 = 5_000;

fn now() -> DateTime<Utc> {
    "2026-03-04T15:06:07Z".parse().unwrap()
}

/// What the store would give of a company that has just begun.
fn view() -> View {
    let (company, people, listing) = both_sides(7, now());
    let recent = listing.charges.iter().rev().take(400).cloned().collect();
    let subscribers = listing.subscriptions.iter().filter(|s| s.row.status != "canceled");
    let subscribers = subscribers.filter_map(|subscription| {
        let person = people.iter().find(|person| Some(person.user.id) == subscription.row.user_id);
        Some(Subscriber { person: person?.clone(), subscription: subscription.clone() })
    });
    let subscribers = subscribers.take(80).collect();
    let next_user_id = i64::try_from(company.users.len()).unwrap() + 1;
    View { people: people.into_iter().take(200).collect(), next_user_id, recent, subscribers }
}

fn steps(view: &View) -> impl Iterator<Item = Step> {
    (1..=STEPS).map(|number| step(7, number, now() + Duration::seconds(10), view))
}

#[test]
fn a_step_depends_on_seed_and_number_only_where_the_view_is_the_same() {
    let view = view();
    let (one, again) = (step(7, 12, now(), &view), step(7, 12, now(), &view));
    assert_eq!(one, again);
    let ids = |step: &Step| -> Vec<String> {
        let listed = step.payments.iter().flat_map(|pair| &pair.listed);
        listed.map(|listed| listed.row.provider_payment_id.clone()).collect()
    };
    assert!(!ids(&one).is_empty());
    assert_ne!(ids(&one), ids(&step(8, 12, now(), &view)));
    assert_ne!(ids(&one), ids(&step(7, 90, now(), &view)));
}

#[test]
fn without_anybody_there_guests_buy_and_nothing_breaks() {
    let nobody = View { next_user_id: 1, ..View::default() };
    assert!(steps(&nobody).any(|step| !step.payments.is_empty()));
}

#[test]
fn every_new_record_is_sound_and_of_a_known_customer() {
    let view = view();
    let mut ids = HashSet::new();
    for step in steps(&view) {
        let customers = step.people.iter().chain(&view.people);
        let subscribers = view.subscribers.iter().map(|one| &one.person);
        let known: HashSet<&str> =
            customers.chain(subscribers).map(|person| person.customer.as_str()).collect();
        for pair in &step.payments {
            assert!(!pair.listed.is_empty(), "what changes is listed some time");
            for listed in &pair.listed {
                let row = &listed.row;
                assert!((0..=row.amount_minor).contains(&row.amount_captured_minor));
                assert!((0..=row.amount_captured_minor).contains(&row.amount_refunded_minor));
                assert_eq!(row.failure_code.is_some(), row.status == "failed");
                let ends = listed.until.is_none();
                let customer = listed.customer.as_deref();
                let seen = view.recent.iter().any(|recent| recent.customer == listed.customer);
                assert!(!ends || seen || customer.is_none_or(|id| known.contains(id)));
            }
            let row = &pair.listed[0].row;
            let is_new = !view
                .recent
                .iter()
                .any(|recent| recent.row.provider_payment_id == row.provider_payment_id);
            assert!(!is_new || ids.insert(row.provider_payment_id.clone()), "an id comes twice");
            // What the provider has of one time is at the ledger no older than the step.
            assert!(pair.ledger.iter().all(|kept| kept.amount_minor > 0));
        }
    }
}

#[test]
fn drift_goes_both_ways_and_most_records_agree() {
    let (mut unheard, mut half_heard, mut equal) = (0, 0, 0);
    for pair in steps(&view()).flat_map(|step| step.payments) {
        match (&pair.ledger, &pair.listed[0].row) {
            (None, _) => unheard += 1,
            (Some(kept), stated) if kept.status != stated.status => half_heard += 1,
            _ => equal += 1,
        }
    }
    assert!(unheard > 400 && half_heard > 200, "{unheard}, {half_heard}");
    assert!(equal > unheard + half_heard, "{equal} of {}", equal + unheard + half_heard);
}

#[test]
fn every_kind_of_happening_comes_within_the_first_hour() {
    let view = view();
    let kinds: BTreeSet<&str> = (1..=360)
        .flat_map(|number| step(7, number, now(), &view).happenings)
        .map(|happening| happening.kind)
        .collect();
    let all = [
        "attack",
        "drift",
        "duplicate",
        "export_broken",
        "export_mended",
        "needs_approval",
        "only_in_ledger",
        "refused",
        "sign_up",
        "unknown_customer",
    ];
    assert_eq!(kinds, all.into_iter().collect());
}

#[test]
fn each_pattern_is_planted_in_turn_and_both_sides_know_it() {
    let view = view();
    let attacks: Vec<(u64, &str)> =
        (1..=STEPS).filter_map(|number| Some((number, attacks::due(number)?))).collect();
    assert_eq!(attacks[0], (12, "many_payment_methods"), "a newcomer sees one in two minutes");
    let planted: BTreeSet<&str> = attacks.iter().map(|(_, pattern)| *pattern).collect();
    let mut all: BTreeSet<&str> = PATTERNS.into_iter().collect();
    all.remove("unlike_own_past");
    assert_eq!(planted, all);
    for (number, pattern) in attacks {
        let step = step(7, number, now(), &view);
        // Others give an old payment back in the same step.
        let fresh = now() - Duration::minutes(10)..=now();
        let equal = step.payments.iter().filter(|pair| {
            let listed = &pair.listed[0].row;
            pair.ledger.as_ref().is_some_and(|kept| {
                fresh.contains(&kept.created_at)
                    && (&kept.status, kept.created_at) == (&listed.status, listed.created_at)
                    && kept.updated_at == now()
            })
        });
        let count = equal.count();
        assert!(count >= 6, "{pattern}: {count}");
    }
}

#[test]
fn exports_break_for_longer_than_a_minute_now_and_then() {
    let faults: Vec<(u64, Fault)> =
        (0..400).filter_map(|number| Some((number, Fault::of(number)?))).collect();
    let of = |wanted| -> Vec<u64> {
        faults.iter().filter(|(_, fault)| *fault == wanted).map(|(number, _)| *number).collect()
    };
    assert_eq!(of(Fault::CutOff), (48..55).collect::<Vec<_>>());
    assert_eq!(of(Fault::WholeUnits), (150..157).collect::<Vec<_>>());
    assert_eq!(of(Fault::ErrorPage), (318..325).collect::<Vec<_>>());
}

#[test]
fn a_wrong_export_changes_more_than_a_run_may() {
    let listing = both_sides(7, now()).2;
    let whole = listing.charges.len() + listing.subscriptions.len();
    let wrong = |code: &str| matches!(code, "EUR" | "GBP");
    let changed = listing.charges.iter().filter(|one| wrong(one.row.currency.as_str())).count();
    assert!(changed * 100 > whole * 25, "{changed} of {whole}");
    let statement = |step| statement(step, now(), listing.clone()).files;
    assert_eq!(statement(1), statement(2));
    assert_ne!(statement(150), statement(2));
}
