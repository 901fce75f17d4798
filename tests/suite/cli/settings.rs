//! Flags, then the environment, then the file, then defaults; and secrets stay secret.

use super::Program;
use crate::harness::{Charge, Ledger, Listing};

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_beats_the_environment_which_beats_the_file() {
    let mut ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    program.write("payment-monitor.toml", "max_changes = 0\nsettle = \"0s\"\n");
    let path = path.to_str().unwrap();
    let file = program.run(&["run", "--statement", path]).await;
    assert_eq!(file.code, 4, "{}", file.all());
    let program = program.with("PAYMENT_MONITOR_MAX_CHANGES", "none");
    let flag = program.run(&["run", "--statement", path, "--max-changes", "0"]).await;
    assert_eq!(flag.code, 4, "{}", flag.all());
    let environment = program.run(&["run", "--statement", path]).await;
    assert_eq!(environment.code, 0, "{}", environment.all());
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typo_or_a_wrong_value_in_the_file_is_named_with_its_key() {
    let program = Program::new();
    for (content, key) in [
        ("max_chnges = 5", "max_chnges"),
        ("max_changes = \"many\"", "max_changes"),
        ("concurrency = \"many\"", "concurrency"),
        ("strict = 3", "strict"),
    ] {
        program.write("payment-monitor.toml", content);
        let output = program.run(&["runs"]).await;
        assert_eq!(output.code, 2, "{}", output.all());
        assert!(output.stderr.contains(key), "{content}: {}", output.stderr);
        assert!(output.stderr.contains("payment-monitor.toml"), "{}", output.stderr);
    }
    for (path, why) in [
        ("nowhere.toml", "nowhere.toml does not exist"),
        (".", "can't be read: it is not a file"),
        ("payment-monitor.toml/below", "can't be read: Not a directory"),
    ] {
        let output = program.run(&["runs", "--config", path]).await;
        assert!(output.code == 2 && output.stderr.contains(why), "{why}: {}", output.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_names_each_settings_variable_and_every_exit_code() {
    let help = Program::new().run(&["run", "--help"]).await.stdout;
    for variable in [
        "DATABASE_URL",
        "DATABASE_URL_FILE",
        "STATEMENT",
        "FORMAT",
        "AS_OF",
        "STRICT",
        "ACCOUNT",
        "LIVEMODE",
        "SINCE",
        "UNTIL",
        "SETTLE",
        "CLOCK_SKEW",
        "MAX_CHANGES",
        "MAX_DELETES",
        "CONCURRENCY",
        "RETRY_FOR",
        "USER_ID_KEY",
        "OUTPUT",
        "CONFIG",
    ] {
        let name = if variable.starts_with("DATABASE_URL") {
            variable.to_owned()
        } else {
            format!("PAYMENT_MONITOR_{variable}")
        };
        assert!(help.contains(&name), "{name}");
    }
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "130", "143"] {
        assert!(help.contains(&format!("\n  {code}")), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_never_printed() {
    let secret = "s3cretpassw0rd";
    let ledger = Ledger::empty().await;
    let port = ledger.server().port();
    for url in [
        format!("postgres://job:{secret}@127.0.0.1:{port}/{}", ledger.name()),
        format!("postgres://job:{secret}@127.0.0.1:1/x"),
        format!("postgres://job:{secret}@127.0.0.1:{port}/nowhere"),
        format!("mysql://job:{secret}@127.0.0.1/x"),
        format!("postgres://job:{secret}@127.0.0.1:port/x"),
        format!("postgres://job:/{secret}@127.0.0.1:{port}/x"),
        format!("postgres://job:?{secret}@127.0.0.1:{port}/x"),
    ] {
        let program = Program::new().with("DATABASE_URL", &url).with("RUST_LOG", "trace");
        for arguments in [&["runs"][..], &["run", "--statement", "x"], &["run", "--help"]] {
            let output = program.run(arguments).await;
            assert!(!output.all().contains(secret), "{arguments:?}: {}", output.all());
        }
        let output = program.run(&["runs", "--database-url", &url]).await;
        assert!(!output.all().contains(secret), "{}", output.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syntax_error_in_the_file_does_not_quote_its_lines() {
    let program = Program::new();
    program.write("payment-monitor.toml", "database_url = \"postgres://job:s3cretpassw0rd@h\n");
    let output = program.run(&["runs"]).await;
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(!output.all().contains("s3cret"), "{}", output.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_a_manual_page_come_from_the_same_definition() {
    let program = Program::new();
    let bash = program.run(&["completions", "bash"]).await;
    assert!(bash.code == 0 && bash.stdout.contains("discrepancies"));
    let page = program.run(&["man"]).await;
    assert!(page.code == 0 && page.stdout.contains(".TH payment-monitor"));
}
