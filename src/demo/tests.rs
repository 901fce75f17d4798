//! The generator against an independent comparison of what it made.

mod comparison;
mod planted;

use super::*;
use crate::domain::discrepancy::KINDS;
use comparison::{compare_payments, compare_subscriptions, json, objects};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashSet};

fn now() -> DateTime<Utc> {
    "2026-03-04T15:06:07.891Z".parse().unwrap()
}

fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (1_600_000_000_i64..2_000_000_000).prop_map(|at| DateTime::from_timestamp(at, 5_000).unwrap())
}

fn all_different<T: std::hash::Hash + Eq>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

fn ids_are_unique_and_owners_exist(company: &Company) {
    let Company { users, payments, subscriptions } = company;
    assert!(users.iter().map(|user| user.id).eq((1..).take(users.len())));
    assert!(payments.iter().map(|payment| payment.id).eq((1..).take(payments.len())));
    assert!(subscriptions.iter().map(|s| s.id).eq((1..).take(subscriptions.len())));
    assert!(all_different(users.iter().filter_map(|user| user.provider_customer_id.as_ref())));
    assert!(all_different(users.iter().map(|user| &user.email)));
    assert!(all_different(payments.iter().map(|p| &p.provider_payment_id)));
    assert!(all_different(subscriptions.iter().map(|s| &s.provider_subscription_id)));
    let known: HashSet<i64> = users.iter().map(|user| user.id).collect();
    assert!(payments.iter().filter_map(|p| p.user_id).all(|id| known.contains(&id)));
    assert!(subscriptions.iter().filter_map(|s| s.user_id).all(|id| known.contains(&id)));
}

fn rows_are_sound(demo: &Demo) {
    for p in &demo.company.payments {
        assert!(p.amount_minor > 0, "the ledger itself keeps the rule of REFUSED_BY");
        assert!((0..=p.amount_minor).contains(&p.amount_captured_minor));
        assert!((0..=p.amount_captured_minor).contains(&p.amount_refunded_minor));
        assert_eq!(p.failure_code.is_some(), p.status == "failed");
        assert_eq!(p.failure_code.is_some(), p.failure_message.is_some());
        assert!(p.created_at <= p.updated_at && p.created_at < demo.statement.as_of);
        assert!(p.removed_at.is_none_or(|at| at < demo.statement.as_of));
        assert_eq!(p.created_at.timestamp_subsec_nanos(), 0);
    }
}

fn counts_are_as_expected(demo: &Demo) {
    let (payments, subscriptions) = (compare_payments(demo), compare_subscriptions(demo));
    let mut found = payments.kinds;
    for (kind, count) in subscriptions.kinds {
        *found.entry(kind).or_default() += count;
    }
    assert_eq!(found, demo.expected.discrepancies);
    let left = &demo.expected.left;
    assert_eq!(left["newer_in_ledger"], payments.newer);
    assert_eq!(left["max_deletes"], found["only_in_ledger"]);
    assert_eq!(left["duplicate"], found["duplicate_in_statement"]);
    assert_eq!(left["unknown_customer"], found["unknown_customer"]);
    let zero = objects(&demo.statement, "charge").iter().filter(|c| c["amount"] == 0).count();
    assert_eq!(zero as u64, demo.expected.refused);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_seed_and_time_give_a_sound_company_that_differs_as_expected(
        seed in any::<u64>(), now in any_time(),
    ) {
        let demo = generate(seed, now);
        ids_are_unique_and_owners_exist(&demo.company);
        rows_are_sound(&demo);
        counts_are_as_expected(&demo);
    }
}

#[test]
fn the_same_seed_and_time_give_the_same_bytes_and_another_seed_others() {
    let (demo, again, other) = (generate(7, now()), generate(7, now()), generate(8, now()));
    assert_eq!(demo.company, again.company);
    assert_eq!(demo.statement, again.statement);
    assert_ne!(demo.company, other.company);
}

#[test]
fn every_kind_of_discrepancy_occurs_and_most_records_agree() {
    let demo = generate(1, now());
    let kinds: BTreeSet<_> = KINDS.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(demo.expected.discrepancies.keys().copied().collect::<BTreeSet<_>>(), kinds);
    assert!((110..=135).contains(&demo.expected.total()), "{}", demo.expected.total());
    assert!((3_600..=4_600).contains(&demo.company.payments.len()));
    assert!((250..=400).contains(&demo.company.subscriptions.len()));
}

#[test]
fn the_manifest_names_every_other_file_with_its_count_and_digest() {
    let statement = generate(1, now()).statement;
    let (manifest, files) = statement.files.split_last().unwrap();
    let manifest = json(&manifest.bytes);
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), files.len());
    for (entry, file) in listed.iter().zip(files) {
        assert_eq!(entry["name"], file.name);
        assert_eq!(entry["records"], file.records);
        assert_eq!(entry["sha256"], hex::encode(Sha256::digest(&file.bytes)));
    }
    let counted =
        ["charge", "subscription", "customer"].map(|kind| objects(&statement, kind).len());
    assert_eq!(statement.records(), counted.iter().sum::<usize>());
}
