//! What machines read: its keys are a public interface, documented in docs/json.md.

use super::Program;
use crate::harness::{Charge, Ledger, Listing};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every path of keys in a document; lists count by their first element.
fn keys(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path =
                    if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                found.insert(path.clone());
                keys(value, &path, found);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                keys(first, &format!("{prefix}[]"), found);
            }
        }
        _ => {}
    }
}

fn interface(document: &Value) -> String {
    let mut found = BTreeSet::new();
    keys(document, "", &mut found);
    found.into_iter().collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_every_document_are_as_documented() {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CONSTRAINT rule CHECK (amount_minor > 0)").await;
    ledger
        .sql(
            "INSERT INTO payments (user_id, provider_payment_id, status, amount_minor, currency,
                created_at, updated_at)
            VALUES (1, 'ch_0', 'succeeded', 1, 'USD', '2026-10-31T12:00Z', '2026-10-31T12:00Z')",
        )
        .await;
    let program = Program::on(&ledger).with("PAYMENT_MONITOR_OUTPUT", "json");
    let listing = Listing::of([
        Charge::new("ch_1", 1).failed("expired_card"),
        Charge::new("ch_2", 2).with("amount", 0),
        Charge::new("ch_3", 3).with("customer", "cus_9"),
    ]);
    let path = listing.line("{").write(program.folder.path());
    let dry = program.run_statement(&path, &["--dry-run", "--max-changes", "none"]).await;
    let mut lines = dry.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let operation = lines.next().unwrap();
    let summary = lines.next_back().unwrap();

    let run = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let runs = program.run(&["runs"]).await.json();
    let show = program.run(&["show"]).await.json();
    let discrepancies = program.run(&["discrepancies"]).await.json();
    let rescue = program.run(&["rescue"]).await.json();
    let doctor = program.run(&["doctor"]).await.json();
    let stretch = ["--since", "2026-11-01", "--until", "2026-11-02"];
    let mut failures = Vec::new();
    for asked in [["--code", "expired_card"], ["--by", "code"], ["--by", "user"], ["--user", "1"]] {
        failures.push(program.run(&[&["failures"], &asked[..], &stretch].concat()).await.json());
    }
    let run = run.json();
    assert_eq!(run["operations"]["planned"], 2);
    assert_eq!(runs["runs"][0]["run_id"], run["run_id"]);
    assert_eq!(show["operations"], run["operations"]);
    assert_eq!(discrepancies["open"], 2);

    let documented = include_str!("../../../docs/json.md");
    let documents = [
        ("run", &run),
        ("runs", &runs),
        ("show", &show),
        ("discrepancies", &discrepancies),
        ("rescue", &rescue),
        ("failures", &failures[0]),
        ("failures --by code", &failures[1]),
        ("failures --by user", &failures[2]),
        ("failures --user", &failures[3]),
        ("run --dry-run, an operation", &operation),
        ("run --dry-run, the summary", &summary),
        ("doctor", &doctor),
    ];
    let told: Vec<String> = documents
        .iter()
        .map(|(name, document)| format!("# {name}\n{}", interface(document)))
        .collect();
    insta::assert_snapshot!(told.join("\n\n"));
    for (name, document) in documents {
        for path in interface(document).lines() {
            let key = path.rsplit('.').next().unwrap().trim_end_matches("[]");
            assert!(documented.contains(&format!("`{key}`")), "{name}: {path}");
        }
    }
}
