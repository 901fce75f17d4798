//! The database's URL from a file: systemd's credentials, mounted secrets.

use super::Program;
use crate::harness::{Ledger, finish};
use std::os::unix::net::UnixListener;
use std::process::Command;

/// Whether it reached a database, and the right one.
async fn assert_reaches(program: &Program, more: &[&str]) {
    let output = program.run(&[&["runs"], more].concat()).await;
    assert_eq!(output.code, 0, "{more:?}: {}", output.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_is_read_from_a_file_that_a_flag_a_variable_or_the_settings_name() {
    let ledger = Ledger::empty().await;
    let mut program = Program::new();
    for end in ["", "\n", "\r\n", "  \n\n"] {
        let path = program.write("url", format!("{}{end}", ledger.url()));
        assert_reaches(&program, &["--database-url-file", path.to_str().unwrap()]).await;
    }
    program.write("payment-monitor.toml", "database_url_file = \"url\"");
    assert_reaches(&program, &[]).await;
    program.write("payment-monitor.toml", "");
    program.set("DATABASE_URL_FILE", "url");
    assert_reaches(&program, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_variables_beat_either_key_of_the_file_and_two_at_once_are_refused() {
    let ledger = Ledger::empty().await;
    let program = Program::new();
    program.write("url", ledger.url());
    program.write("payment-monitor.toml", "database_url = \"postgres://nobody@127.0.0.1:1/x\"");
    assert_reaches(&program, &["--database-url-file", "url"]).await;
    program.write("payment-monitor.toml", "database_url_file = \"missing\"");
    assert_reaches(&program, &["--database-url", &ledger.url()]).await;

    let both = format!("database_url = \"{}\"\ndatabase_url_file = \"url\"", ledger.url());
    program.write("payment-monitor.toml", both);
    let output = program.run(&["runs"]).await;
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.stderr.contains("payment-monitor.toml gives both"), "{}", output.stderr);
    assert_reaches(&program, &["--database-url-file", "url"]).await;

    let program = program.with("DATABASE_URL", &ledger.url());
    let output = program.run(&["runs", "--database-url-file", "url"]).await;
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.stderr.contains("environment (DATABASE_URL, "), "{}", output.stderr);
    assert!(!output.all().contains(ledger.server().password()), "{}", output.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_no_url_is_named_and_never_quoted() {
    let program = Program::new();
    let long = "s".repeat(20_000);
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b" \n\n", "it is empty"),
        (b"postgres://job:s3cret@h/a\npostgres://job:s3cret@h/b\n", "more than one line"),
        (b"postgres://job:s3cret@h/\xff", "it is not text"),
        (long.as_bytes(), "too long to be a URL"),
        (b"postgres://job:s3cret@h/a\rpostgres://job:s3cret@h/b", "more than one line"),
        (b"s3cret", "url (database_url_file): it is not a postgres:// URL"),
        (b"\xef\xbb\xbfpostgres://job:s3cret@h/x", "it is not a postgres:// URL"),
        (b"postgres://job:s3cret@h:port/x", "DATABASE_URL"),
    ] {
        program.write("url", content);
        let output = program.run(&["runs", "--database-url-file", "url"]).await;
        assert!(matches!(output.code, 2 | 3), "{why}: {}", output.all());
        assert!(output.stderr.contains(why), "{why}: {}", output.stderr);
        assert!(!output.all().contains("s3cret") && !output.all().contains("sss"), "{why}");
    }
    let _socket = UnixListener::bind(program.folder.path().join("socket")).unwrap();
    for (path, why) in [
        ("missing", "No such file"),
        ("url/below", "Not a directory"),
        (".", "Is a directory"),
        ("socket", "No such device"),
    ] {
        let output = program.run(&["runs", "--database-url-file", path]).await;
        let told = format!("can't be read from {path} (database_url_file): {why}");
        assert!(output.code == 2 && output.stderr.contains(&told), "{}", output.all());
    }
    let doctor = program.run(&["doctor", "--database-url-file", "missing"]).await;
    assert!(doctor.code == 1 && doctor.stdout.contains("from missing"), "{}", doctor.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_read_and_one_that_nobody_writes_to_does_not_hang() {
    let ledger = Ledger::empty().await;
    let program = Program::new();
    let pipe = program.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = program.spawn(&["runs", "--database-url-file", "pipe"]);
    let url = ledger.url();
    let writing = tokio::task::spawn_blocking(move || std::fs::write(pipe, url));
    let output = finish(child).await;
    assert_eq!(output.code, 0, "{}", output.all());
    writing.await.unwrap().unwrap();

    let output = program.run(&["runs", "--database-url-file", "pipe"]).await;
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.stderr.contains("does anybody write to it?"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_variable_is_as_good_as_none() {
    let ledger = Ledger::empty().await;
    let mut program = Program::new();
    program.write("url", ledger.url());
    for empty in ["DATABASE_URL", "PAYMENT_MONITOR_CONFIG", "PAYMENT_MONITOR_TELEMETRY_TIMEOUT"] {
        program.set(empty, "");
    }
    program.set("DATABASE_URL_FILE", "url");
    assert_reaches(&program, &[]).await;
    let program = Program::on(&ledger).with("DATABASE_URL_FILE", "");
    assert_reaches(&program, &[]).await;
    let output = Program::new().with("DATABASE_URL", "").run(&["runs"]).await;
    assert!(output.code == 2 && output.stderr.contains("no database is given"), "{}", output.all());
}
