//! The generator against an independent, naive comparison of what it made: it reads the
//! statement's files again and shares no code with what spread the differences.

use super::*;
use crate::domain::discrepancy::KINDS;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;

fn now() -> DateTime<Utc> {
    "2026-03-04T15:06:07.891Z".parse().unwrap()
}

fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (1_600_000_000_i64..2_000_000_000).prop_map(|at| DateTime::from_timestamp(at, 5_000).unwrap())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn has_ending(name: &str, ending: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|found| found == ending)
}

/// All objects of a kind in the statement.
fn objects(statement: &Statement, kind: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for file in &statement.files {
        let mut text = Vec::new();
        if has_ending(&file.name, "gz") {
            GzDecoder::new(&file.bytes[..]).read_to_end(&mut text).unwrap();
        } else {
            text.clone_from(&file.bytes);
        }
        if has_ending(&file.name, "json") {
            let data = json(&text).get("data").and_then(Value::as_array).cloned();
            found.extend(data.unwrap_or_default());
        } else {
            found.extend(text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(json));
        }
    }
    found.retain(|object| object["object"] == kind);
    found
}

/// Which user a customer is, as far as ledger and statement know.
fn users_by_customer(demo: &Demo) -> HashMap<String, i64> {
    let known = demo.company.users.iter();
    let mut users: HashMap<String, i64> =
        known.filter_map(|user| Some((user.provider_customer_id.clone()?, user.id))).collect();
    for customer in objects(&demo.statement, "customer") {
        let user = customer["metadata"]["user_id"].as_str().unwrap().parse().unwrap();
        users.insert(customer["id"].as_str().unwrap().to_owned(), user);
    }
    users
}

/// Records by id as (field, value) in the order of their weight, the owner among them.
type Side = BTreeMap<String, Vec<(&'static str, Value)>>;

struct Compared {
    kinds: BTreeMap<&'static str, u64>,
    newer: u64,
}

/// Compares in the plainest way: everything in maps, one `if` after the other.
fn compare(
    ledger: &Side,
    removed: &HashSet<String>,
    newer: &HashSet<String>,
    listed: &[(String, Vec<(&'static str, Value)>)],
) -> Compared {
    let mut result = Compared { kinds: BTreeMap::new(), newer: 0 };
    let mut stated: BTreeMap<&String, Vec<_>> = BTreeMap::new();
    for (id, fields) in listed {
        stated.entry(id).or_default().push(fields);
    }
    let mut missing: Vec<_> = Vec::new();
    let mut added: Vec<_> = Vec::new();
    for (id, records) in &stated {
        let unknown =
            records[0].iter().any(|(name, value)| *name == "owner" && *value == "unknown");
        let kind = if records.len() > 1 {
            "duplicate_in_statement"
        } else if unknown {
            "unknown_customer"
        } else if let Some(row) = ledger.get(*id) {
            let differing = row.iter().zip(records[0]).find(|(ours, theirs)| ours != theirs);
            match differing {
                _ if removed.contains(*id) => "listed_again",
                Some((ours, _)) => ours.0,
                None => continue,
            }
        } else {
            added.push(records[0]);
            continue;
        };
        result.newer += u64::from(newer.contains(*id));
        *result.kinds.entry(kind).or_default() += 1;
    }
    missing
        .extend(ledger.iter().filter(|(id, _)| !stated.contains_key(id) && !removed.contains(*id)));
    let key = |fields: &[(&'static str, Value)]| {
        let of = |name| fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
        of("plan").map(|plan| format!("{plan} {:?}", of("owner")))
    };
    let replaced = added.iter().filter(|fields| {
        let same = |other: &[(&'static str, Value)]| key(other) == key(fields);
        key(fields).is_some()
            && missing.iter().filter(|(_, other)| same(other)).count() == 1
            && added.iter().filter(|other| same(other)).count() == 1
    });
    let replaced = replaced.count() as u64;
    for (kind, count) in [
        ("id_replaced", replaced),
        ("only_in_statement", added.len() as u64 - replaced),
        ("only_in_ledger", missing.len() as u64 - replaced),
    ] {
        *result.kinds.entry(kind).or_default() += count;
    }
    result
}

fn owner(users: &HashMap<String, i64>, customer: &Value) -> Value {
    match customer.as_str() {
        None => Value::Null,
        Some(id) => users.get(id).map_or(Value::from("unknown"), |user| Value::from(*user)),
    }
}

/// Stripe says `card_declined` and gives the reason elsewhere.
fn decline_code(charge: &Value) -> Value {
    match charge["failure_code"].as_str() {
        Some("card_declined") => charge["outcome"]["reason"].clone(),
        _ => charge["failure_code"].clone(),
    }
}

fn compare_payments(demo: &Demo) -> Compared {
    let users = users_by_customer(demo);
    let rows = &demo.company.payments;
    let ledger = rows.iter().map(|p| {
        let fields = vec![
            ("currency", Value::from(p.currency.as_str())),
            ("amount", p.amount_minor.into()),
            ("owner", p.user_id.into()),
            ("status", p.status.clone().into()),
            ("amount_captured", p.amount_captured_minor.into()),
            ("amount_refunded", p.amount_refunded_minor.into()),
            ("disputed", p.disputed.into()),
            ("failure_code", p.failure_code.clone().into()),
            ("fingerprint", p.payment_method_fingerprint.clone().into()),
            ("message", p.failure_message.clone().into()),
            ("created", p.created_at.timestamp().into()),
        ];
        (p.provider_payment_id.clone(), fields)
    });
    let listed = objects(&demo.statement, "charge").into_iter().map(|c| {
        let fields = vec![
            ("currency", Value::from(c["currency"].as_str().unwrap().to_uppercase())),
            ("amount", c["amount"].clone()),
            ("owner", owner(&users, &c["customer"])),
            ("status", c["status"].clone()),
            ("amount_captured", c["amount_captured"].clone()),
            ("amount_refunded", c["amount_refunded"].clone()),
            ("disputed", c["disputed"].clone()),
            ("failure_code", decline_code(&c)),
            ("fingerprint", c["payment_method_details"]["card"]["fingerprint"].clone()),
            ("message", c["failure_message"].clone()),
            ("created", c["created"].clone()),
        ];
        (c["id"].as_str().unwrap().to_owned(), fields)
    });
    let ids = |keep: &dyn Fn(&PaymentRow) -> bool| {
        rows.iter().filter(|p| keep(p)).map(|p| p.provider_payment_id.clone()).collect()
    };
    let removed = ids(&|p| p.removed_at.is_some());
    let newer = ids(&|p| p.updated_at > demo.statement.as_of);
    compare(&ledger.collect(), &removed, &newer, &listed.collect::<Vec<_>>())
}

fn compare_subscriptions(demo: &Demo) -> Compared {
    let users = users_by_customer(demo);
    let rows = &demo.company.subscriptions;
    let ledger = rows.iter().map(|s| {
        let fields = vec![
            ("owner", Value::from(s.user_id)),
            ("plan", s.plan.clone().into()),
            ("status", s.status.clone().into()),
            ("current_period_end", s.current_period_end.map(|end| end.timestamp()).into()),
            ("created", s.created_at.timestamp().into()),
        ];
        (s.provider_subscription_id.clone(), fields)
    });
    let listed = objects(&demo.statement, "subscription").into_iter().map(|s| {
        let item = &s["items"]["data"][0];
        let fields = vec![
            ("owner", owner(&users, &s["customer"])),
            ("plan", item["price"]["id"].clone()),
            ("status", s["status"].clone()),
            ("current_period_end", item["current_period_end"].clone()),
            ("created", s["created"].clone()),
        ];
        (s["id"].as_str().unwrap().to_owned(), fields)
    });
    let removed = rows.iter().filter(|s| s.removed_at.is_some());
    let removed = removed.map(|s| s.provider_subscription_id.clone()).collect();
    compare(&ledger.collect(), &removed, &HashSet::new(), &listed.collect::<Vec<_>>())
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

#[test]
fn one_user_tests_cards_and_nobody_else_fails_as_often() {
    let demo = generate(1, now());
    let failures = |user: i64| {
        let of_user = demo.company.payments.iter().filter(|p| p.user_id == Some(user));
        of_user.filter(|p| p.status == "failed").count()
    };
    let attacker = demo.attackers[0].user_id;
    let of_attacker: Vec<_> =
        demo.company.payments.iter().filter(|p| p.user_id == Some(attacker)).collect();
    assert!(all_different(of_attacker.iter().map(|p| &p.payment_method_fingerprint)));
    assert!((50..80).contains(&of_attacker.len()));
    assert!((1..=2).contains(&(of_attacker.len() - failures(attacker))));
    let took = of_attacker.last().unwrap().created_at - of_attacker[0].created_at;
    assert!(took < Duration::hours(2));
    let others = demo.company.users.iter().map(|user| user.id).filter(|id| *id != attacker);
    assert!(others.map(failures).max().unwrap() * 2 < failures(attacker));
}
