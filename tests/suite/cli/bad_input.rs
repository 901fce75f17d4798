//! Databases and statements that can't be used: what is said, and that nothing is half-done.

use super::Program;
use crate::harness::{Charge, Ledger, Listing};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

/// Runs a statement against a URL; gives what was said, in one paragraph.
async fn refused_by(url: &str) -> String {
    let program = Program::new().with("DATABASE_URL", url);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none"]).await;
    assert_eq!(output.code, 3, "{}", output.all());
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr.trim_end().lines().count(), 1, "{}", output.stderr);
    output.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_not_be_used_is_named_with_what_to_do() {
    let ledger = Ledger::empty().await;
    let (port, name) = (ledger.server().port(), ledger.name());
    let password = ledger.server().password();
    let place = format!("127.0.0.1:{port}");
    for (url, words) in [
        ("postgres://job:x@127.0.0.1:1/x".to_owned(), "is the server up"),
        (format!("postgres://job:wrong@{place}/{name}"), "check the user's name and password"),
        (format!("postgres://job:{password}@{place}/nowhere"), "has no database \"nowhere\""),
        (format!("postgres://job:{password}@{place}/postgres"), "payment-monitor migrate"),
        ("postgres://job:x@no.such.host.invalid/x".to_owned(), "is the address right"),
    ] {
        let said = refused_by(&url).await;
        assert!(said.contains(words), "{url}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_a_read_only_database_and_missing_grants_are_told_apart() {
    let mut ledger = Ledger::empty().await;
    let (port, name) = (ledger.server().port(), ledger.name().to_owned());
    ledger
        .sql(&format!(
            "CREATE ROLE nobody_{name} LOGIN PASSWORD 'x';
            CREATE ROLE reader_{name} LOGIN PASSWORD 'x' IN ROLE payment_monitor_writer;
            ALTER ROLE reader_{name} SET default_transaction_read_only = on"
        ))
        .await;
    let url = |user: &str| format!("postgres://{user}_{name}:x@127.0.0.1:{port}/{name}");
    let said = refused_by(&url("nobody")).await;
    assert!(said.contains("grant it payment_monitor_writer"), "{said}");
    let said = refused_by(&url("reader")).await;
    assert!(said.contains("read-only"), "{said}");
    ledger
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum,
            execution_time) VALUES (999999, 'later', true, '', 0)",
        )
        .await;
    let said = refused_by(&ledger.url()).await;
    assert!(said.contains("newer than this program knows"), "{said}");
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_jobs").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_can_not_be_read_fails_the_run_and_changes_nothing() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for n in 0..1_000 {
        writeln!(gzip, "{}", Charge::new(&format!("ch_{n}"), 1).0).unwrap();
    }
    let gzip = gzip.finish().unwrap();
    let cut = program.write("cut.ndjson.gz", &gzip[..gzip.len() / 2]);
    let empty = program.write("empty.ndjson", "");
    let prose = program.write("prose.ndjson", "Dear Sir or Madam,\nplease find attached\n");
    let broken = program.write("broken.json", "{\"object\": \"list\", \"data\": [ {]}");
    let folder = program.folder.path().join("nothing here");
    std::fs::create_dir(&folder).unwrap();
    let link = program.folder.path().join("dangling.ndjson");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    for path in [cut, empty, prose, broken, folder, link] {
        let output = program.run_statement(&path, &["--max-changes", "none"]).await;
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(output.code, 3, "{name}: {}", output.all());
        let recorded = "SELECT error FROM payment_monitor_jobs ORDER BY id DESC LIMIT 1";
        assert!(ledger.text(recorded).await.contains(name), "{name}");
    }
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 0);
    let left = "SELECT count(*) FROM payment_monitor_operations";
    assert_eq!(ledger.number(left).await, 0);
    ledger.assert_invariants().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_text_is_a_malformed_record_and_the_others_go_in() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let good = Charge::new("ch_good", 1);
    let nul = Charge::new("ch_\0", 1);
    let long = Charge::new(&"x".repeat(10_240), 1);
    let surrogate = Charge::new("ch_s", 1).0.to_string().replace("ch_s", "ch_\\ud800");
    let listing = Listing::of([good, nul, long]).line(&surrogate);
    let path = listing.write(program.folder.path());
    let output = program.run_statement(&path, &["--max-changes", "none", "--output", "json"]).await;
    assert_eq!(output.code, 0, "{}", output.all());
    let facts = &output.json()["statement"];
    assert_eq!(facts["malformed"], 3);
    let lines: Vec<u64> = facts["malformed_examples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|example| example["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(
        ledger.text("SELECT string_agg(provider_payment_id, ' ') FROM payments").await,
        "ch_good"
    );
}
