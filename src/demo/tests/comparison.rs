//! A naive comparison that reads the statement's files again, and shares no code with what
//! spread the differences.

use super::super::{Demo, File, PaymentRow, Statement};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::Path;

pub(super) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn is(file: &File, extension: &str) -> bool {
    Path::new(&file.name).extension().is_some_and(|found| found == extension)
}

/// All objects of a kind in the statement.
pub(super) fn objects(statement: &Statement, kind: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for file in &statement.files {
        let mut text = Vec::new();
        if is(file, "gz") {
            GzDecoder::new(&file.bytes[..]).read_to_end(&mut text).unwrap();
        } else {
            text.clone_from(&file.bytes);
        }
        if is(file, "json") {
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

pub(super) struct Compared {
    pub kinds: BTreeMap<&'static str, u64>,
    pub newer: u64,
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

pub(super) fn compare_payments(demo: &Demo) -> Compared {
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

pub(super) fn compare_subscriptions(demo: &Demo) -> Compared {
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
