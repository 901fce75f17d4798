//! Who may ask, in which form, and what is refused.

use super::{document, failures, ledger, lines};
use crate::harness::{Ledger, Program};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_only_read_may_ask() {
    let mut ledger = ledger().await;
    let reader = format!("reader_of_{}", ledger.name());
    let role = format!("CREATE ROLE {reader} LOGIN PASSWORD 'x' IN ROLE payment_monitor_reader");
    ledger.sql(&role).await;
    let (port, name) = (ledger.server().port(), ledger.name());
    let url = format!("postgres://{reader}:x@127.0.0.1:{port}/{name}");
    let program = Program::new().with("DATABASE_URL", &url);
    for asked in ["--by total", "--by code", "--by user", "--code unknown", "--user 1"] {
        for output in ["human", "json", "csv"] {
            let arguments = format!("failures {asked} --since 2024-11-01 --output {output}");
            let told = program.run(&arguments.split(' ').collect::<Vec<_>>()).await;
            assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{arguments}");
            assert!(!told.stdout.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nothing_failed_with_is_told_and_those_there_are_listed() {
    let ledger = ledger().await;
    let asked = "--code lost_crad --since 2024-11-01 --until 2024-11-25";
    let told = failures(&ledger, asked).await.stdout;
    assert!(told.starts_with("No payment failed with lost_crad between 2024-11-01"), "{told}");
    let codes = "Codes in this time: do_not_honor, expired_card, lost_card, unknown.";
    assert!(told.contains(codes), "{told}");
    let told = document(&ledger, asked).await;
    assert_eq!((&told["totals"]["failures"], &told["totals"]["attempts"]), (&json!(0), &json!(11)));
    let steps = lines(&ledger, asked).await;
    assert_eq!(steps.len(), 1 + 24, "every day has a line");
    assert!(steps[1..].iter().all(|line| line[2] == "0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_failed_that_is_said() {
    let ledger = ledger().await;
    let told = |stretch| failures(&ledger, stretch);
    let told_of = |output: crate::harness::Output| output.stdout.replace('\n', " ");
    assert_eq!(
        told_of(told("--since 2024-11-04T04:00:00Z --until 2024-11-04T06:00:00Z").await),
        "No payment failed between 2024-11-04 04:00 and 2024-11-04 06:00 UTC, of 1 attempt. \
         Before that, as long: 1 of 1 failed (100.0 %), now 100.0 points less "
    );
    for by in ["total", "code"] {
        let stretch = format!("--by {by} --since 2024-01-01 --until 2024-02-01");
        let none = "No payment was attempted between 2024-01-01 00:00 and 2024-02-01 00:00 UTC. ";
        assert_eq!(told_of(failures(&ledger, &stretch).await), none);
    }
    let empty = Ledger::empty().await;
    let told = failures(&empty, "--by user").await.stdout;
    assert!(told.starts_with("No user's payment failed between "), "{told}");
    assert!(failures(&empty, "--per week").await.stdout.starts_with("No payment was attempted"));
    assert_eq!(document(&empty, "--per hour").await["steps"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_many_hours_fits_the_terminal_and_is_whole_for_machines() {
    let ledger = ledger().await;
    let stretch = "--per hour --since 2024-10-01 --until 2025-10-01";
    let chart = failures(&ledger, stretch).await.stdout;
    assert!(chart.starts_with("Payment failures per 112 hours"), "{chart}");
    assert!(chart.lines().all(|line| line.chars().count() <= 80), "{chart}");
    let hours = lines(&ledger, stretch).await.len() - 1;
    assert_eq!(hours, 334 * 24, "from the first payment on, 334 days");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let ledger = ledger().await;
    let program = Program::on(&ledger);
    for (arguments, words) in [
        ("--user 1 --by code", "cannot be used with"),
        ("--user 1 --per week", "cannot be used with"),
        ("--user 1 --code unknown", "cannot be used with"),
        ("--code unknown --by user", "--code counts one code over time"),
        ("--code unknown --by code", "--code counts one code over time"),
        ("--limit 5", "--limit is for"),
        ("--by code --limit 0", "0 is not in 1.."),
        ("--per month", "possible values: hour, day, week"),
        ("--since yesterday", "nor a time span"),
        ("--since 2024-11-02 --until 2024-11-01", "is not before until"),
        ("--since 1h --until 1h", "is not before until"),
        ("--since 3000y", "1970 to 9999"),
    ] {
        let all: Vec<&str> = ["failures"].into_iter().chain(arguments.split(' ')).collect();
        let told = program.run(&all).await;
        assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{arguments}: {}", told.all());
        assert!(told.stderr.replace('\n', " ").contains(words), "{arguments}: {}", told.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_commands_refuse_csv_before_they_do_anything() {
    let program = Program::new().with("DATABASE_URL", "postgres://x:x@127.0.0.1:1/x");
    for command in [
        &["run", "--statement", "missing"][..],
        &["runs"],
        &["show"],
        &["discrepancies"],
        &["migrate"],
        &["rescue"],
        &["demo"],
        &["man"],
    ] {
        let told = program.run(&[command, &["--output", "csv"]].concat()).await;
        assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{command:?}");
        assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
        assert!(told.stderr.contains("only `failures`"), "{}", told.stderr);
    }
}
