//! `suspicious` and its parts, from outside.

use super::{assess, fail};
use crate::harness::{Ledger, Program};

async fn refused(program: &Program, arguments: &[&str], why: &str) {
    let output = program.run(arguments).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{arguments:?}: {}", output.all());
    assert!(output.stderr.contains(why), "{arguments:?}: {}", output.stderr);
}

const SET: [&str; 6] = ["suspicious", "set", "many_failures", "--by", "Ada", "--reason=quiet"];

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_listed_with_their_reasons_until_they_are_snoozed() {
    let mut ledger = Ledger::with_users(2).await;
    let program = Program::on(&ledger);
    let none = program.run(&["suspicious"]).await;
    assert!(none.stdout.starts_with("Nothing suspicious was found since "), "{}", none.all());
    fail(&mut ledger, 1, 7, 20.0).await;
    fail(&mut ledger, 2, 8, 20.0).await;
    assess(&ledger).await;
    let rule = ["--rule", "many_failures"];
    let list = program.run(&[&["suspicious"], &rule[..]].concat()).await;
    assert!(list.stdout.contains("7 failed payments within 1 hour"), "{}", list.all());
    assert!(list.stdout.contains("2 findings of 2 since"), "{}", list.all());

    let snooze = ["suspicious", "snooze", "1", "--until", "2d", "--by", "Ada", "--reason", "known"];
    let snoozed = program.run(&[&snooze[..], &rule].concat()).await;
    assert_eq!(snoozed.code, 0, "{}", snoozed.all());
    let json = ["suspicious", "--output", "json"];
    let left = program.run(&[&json[..], &rule].concat()).await.json();
    assert_eq!(left["total"], 1);
    assert_eq!(left["findings"][0]["user_id"], 2);
    let all = program.run(&[&json[..], &rule, &["--all", "--user", "1"]].concat()).await.json();
    assert_eq!(all["findings"][0]["snoozed_by"], "Ada");
    assert_eq!(all["findings"][0]["snooze_reason"], "known");
    let past = ["suspicious", "snooze", "1", "--until", "2026-01-01", "--by", "B", "--reason", "x"];
    let again = program.run(&[&past[..], &rule].concat()).await;
    assert!(again.stdout.contains("is reported again"), "{}", again.all());
    assert_eq!(program.run(&[&json[..], &rule].concat()).await.json()["total"], 2);
    let events =
        "SELECT string_agg(actor, ' ' ORDER BY event_id) FROM run_events WHERE kind = 'snooze'";
    assert_eq!(ledger.text(events).await, "Ada B");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_changed_on_the_record_and_nonsense_is_refused_with_the_reason() {
    let mut ledger = Ledger::empty().await;
    let program = Program::on(&ledger);
    let set = program.run(&[&SET[..], &["--threshold", "9", "--window", "2h"]].concat()).await;
    assert_eq!(set.code, 0, "{}", set.all());
    assert!(set.stdout.contains("was  warning   from 6 on within 1 hour, enabled"));
    assert!(set.stdout.contains("is   warning   from 9 on within 2 hours, enabled"));
    let event = "SELECT concat_ws(' ', actor, reason, details -> 'previous' ->> 'threshold',
        details -> 'new' ->> 'threshold') FROM run_events WHERE kind = 'rule'
        ORDER BY event_id DESC LIMIT 1";
    assert_eq!(ledger.text(event).await, "Ada quiet 6 9");
    let off = program.run(&[&SET[..], &["--disable"]].concat()).await;
    assert!(off.stdout.contains("not enabled"), "{}", off.all());

    let nonsense: [(&[&str], &str); 7] = [
        (&["--threshold", "0"], "the threshold must be a number above 0, and is 0"),
        (&["--threshold", "-3"], "above 0"),
        (&["--threshold", "2.5"], "a whole number of payments"),
        (&["--window", "10s"], "the window must be from 1 minute to 90 days"),
        (&["--window", "1year"], "the window must be from 1 minute to 90 days"),
        (&["--at-least", "0"], "at_least must be 1 or more"),
        (&[], "required"),
    ];
    for (change, why) in nonsense {
        refused(&program, &[&SET[..], change].concat(), why).await;
    }
    let week =
        ["suspicious", "set", "failure_rate", "--window", "5h", "--by", "A", "--reason", "x"];
    refused(&program, &week, "the window must divide a week").await;
    let share = ["dominant_failure_code", "--threshold", "1.1", "--by", "A", "--reason", "x"];
    refused(&program, &[&["suspicious", "set"], &share[..]].concat(), "at most 1").await;
    let last = ledger.text(event).await;
    assert_eq!(last, "Ada quiet 9 9", "what was refused is not recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_named() {
    let ledger = Ledger::with_users(1).await;
    let program = Program::on(&ledger);
    let who = ["--by", "Ada", "--reason", "x"];
    refused(&program, &["suspicious", "--rule", "many"], "no rule \"many\"; there are dom").await;
    refused(&program, &["suspicious", "--user", "7"], "the ledger has no user 7").await;
    refused(&program, &["suspicious", "backtest", "many"], "no rule \"many\"").await;
    let snooze = ["suspicious", "snooze", "7", "--rule", "many_failures", "--until", "1d"];
    refused(&program, &[&snooze[..], &who].concat(), "the ledger has no user 7").await;
    let snooze = ["suspicious", "snooze", "1", "--rule", "x", "--until", "1d"];
    refused(&program, &[&snooze[..], &who].concat(), "no rule \"x\"").await;
    let snooze = ["suspicious", "snooze", "1", "--rule", "failure_rate", "--until", "1d"];
    refused(&program, &[&snooze[..], &who].concat(), "is on the payments of all").await;
    let snooze = ["suspicious", "snooze", "all", "--rule", "many_failures", "--until", "1d"];
    refused(&program, &[&snooze[..], &who].concat(), "is on single users").await;
    let snooze = ["suspicious", "snooze", "1", "--rule", "many_failures", "--until", "soon"];
    refused(&program, &[&snooze[..], &who].concat(), "\"soon\" is neither a time").await;
    let snooze = ["suspicious", "snooze", "1", "--rule", "many_failures", "--until", "1d"];
    let blank = ["--by", " ", "--reason", "x"];
    refused(&program, &[&snooze[..], &blank].concat(), "must say who and why").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_rule_is_recorded_whatever_tables_its_maker_has() {
    let mut ledger = Ledger::empty().await;
    let mut job = ledger.database().connect().await.unwrap();
    let trick = "BEGIN; CREATE TEMP TABLE payment_monitor_events (LIKE payment_monitor_events);
        UPDATE payment_monitor_rules SET enabled = false WHERE name = 'many_failures';
        DROP TABLE pg_temp.payment_monitor_events; COMMIT";
    sqlx::raw_sql(trick).execute(&mut job).await.unwrap();
    let event = "SELECT concat_ws(' ', details ->> 'rule', details ->> 'login') FROM run_events
        WHERE kind = 'rule' ORDER BY event_id DESC LIMIT 1";
    assert_eq!(ledger.text(event).await, "many_failures job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_shows_what_a_change_would_have_flagged_and_records_nothing() {
    let mut ledger = Ledger::with_users(3).await;
    for (user, failures) in [(1, 7), (2, 5), (3, 3)] {
        fail(&mut ledger, user, failures, 20_000.0 + f64::from(failures)).await;
    }
    let program = Program::on(&ledger);
    let before = ledger.number("SELECT count(*) FROM payment_monitor_events").await;
    let backtest = ["suspicious", "backtest", "many_failures", "--threshold", "4"];
    let told = program.run(&backtest).await;
    assert_eq!(told.code, 0, "{}", told.all());
    assert!(told.stdout.contains("as it is  warning   from 6 on within 1 hour: 1 finding"));
    assert!(told.stdout.contains("2 findings, 1 in both"), "{}", told.stdout);
    assert!(told.stdout.contains("2 of 3 users who paid (66.7 %)"), "{}", told.stdout);
    let json = program.run(&[&backtest[..], &["--output", "json"]].concat()).await.json();
    assert_eq!(json["found"][1]["user_id"].as_i64().map(|id| id < 3), Some(true));
    assert_eq!((&json["in_both"], &json["paying_users"]), (&1.into(), &3.into()));
    let after = [&backtest[..], &["--since", "2d"]].concat();
    assert!(program.run(&after).await.stdout.contains("0 findings"));
    refused(&program, &[&backtest[..], &["--window", "1s"]].concat(), "from 1 minute").await;
    let empty = [&backtest[..], &["--since", "1d", "--until", "2d"]].concat();
    refused(&program, &empty, "is not before until").await;
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_events").await, before);
    assert_eq!(ledger.number("SELECT count(*) FROM payment_monitor_findings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_look_and_backtest_but_change_nothing() {
    let mut ledger = Ledger::with_users(1).await;
    let name = format!("{}_analyst", ledger.name());
    ledger
        .sql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE payment_monitor_reader"))
        .await;
    let url = ledger.url();
    let place = url.split_once('@').unwrap().1;
    let reader = Program::new().with("DATABASE_URL", &format!("postgres://{name}:x@{place}"));
    for arguments in
        [&["suspicious"][..], &["suspicious", "rules"], &["suspicious", "backtest", "failure_rate"]]
    {
        let output = reader.run(arguments).await;
        assert_eq!(output.code, 0, "{}", output.all());
    }
    let set = reader.run(&[&SET[..], &["--disable"]].concat()).await;
    assert_eq!(set.code, 3, "{}", set.all());
    assert!(set.stderr.contains("permission denied"), "{}", set.stderr);
}
