//! What is expected of the runs: one row, changed on the record, exported by every run.

use crate::harness::{Ledger, Program};

const SCHEDULE: &str = "SELECT concat_ws(' ', every, grace, longest, expected_within)
    FROM run_schedule";
const LAST_EVENT: &str = "SELECT concat_ws(' ', actor, reason, details #>> '{previous,every}',
        details #>> '{new,every}', details ->> 'login')
    FROM run_events WHERE kind = 'schedule' ORDER BY event_id DESC LIMIT 1";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_and_changed_on_the_record_and_nonsense_is_refused_with_the_reason() {
    let mut ledger = Ledger::empty().await;
    let program = Program::on(&ledger);
    let shown = program.run(&["schedule"]).await;
    assert!(shown.stdout.contains("none has succeeded for 1 hour 15 minutes"), "{}", shown.all());

    let who = ["--by", "Ada", "--reason", "nightly"];
    let change = [&["schedule", "--every", "1day", "--grace", "2h"], &who[..]].concat();
    let changed = program.run(&change).await;
    assert_eq!(changed.code, 0, "{}", changed.all());
    assert!(changed.stdout.contains("1 day  (was 1 hour)"), "{}", changed.all());
    assert_eq!(ledger.text(SCHEDULE).await, "1 day 02:00:00 01:00:00 1 day 02:00:00");
    assert_eq!(ledger.text(LAST_EVENT).await, "Ada nightly 01:00:00 1 day job");

    let refused: [(&[&str], &str); 8] = [
        (&["--every", "0s"], "every minute at most"),
        (&["--every", "8days"], "expected within 7 days"),
        (&["--grace", "0s"], "the grace must be 1 minute or more"),
        (&["--grace", "7days"], "expected within 7 days"),
        (&["--longest", "1s"], "from 1 minute to 7 days"),
        (&["--longest", "8days"], "from 1 minute to 7 days"),
        (&["--every", "often"], "invalid"),
        (&[], "required"),
    ];
    for (change, why) in refused {
        let output = program.run(&[&["schedule"], change, &who[..]].concat()).await;
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{change:?}");
        assert!(output.stderr.contains(why), "{change:?}: {}", output.stderr);
    }
    let nobody = program.run(&["schedule", "--every", "2h"]).await;
    assert_eq!(nobody.code, 2, "who and why must be told: {}", nobody.all());
    assert_eq!(ledger.text(LAST_EVENT).await, "Ada nightly 01:00:00 1 day job");
}

#[tokio::test]
async fn a_change_by_psql_is_recorded_too_and_the_row_can_be_neither_doubled_nor_deleted() {
    let mut ledger = Ledger::empty().await;
    assert_eq!(
        ledger.text(LAST_EVENT).await,
        "payment-monitor what comes with the schema 01:00:00 superuser"
            .replace("superuser", &ledger.text("SELECT current_user").await)
    );
    let mut job = ledger.database().connect().await.unwrap();
    let trick = "BEGIN; CREATE TEMP TABLE payment_monitor_events (LIKE payment_monitor_events);
        UPDATE payment_monitor_schedule SET every = '2 hours';
        DROP TABLE pg_temp.payment_monitor_events; COMMIT";
    sqlx::raw_sql(trick).execute(&mut job).await.unwrap();
    assert_eq!(ledger.text(LAST_EVENT).await, "job not told 01:00:00 02:00:00 job");
    for (statement, why) in [
        ("UPDATE payment_monitor_schedule SET every = '1 month'", "in days or less"),
        ("UPDATE payment_monitor_schedule SET grace = '-1 hour'", "1 minute or more"),
        ("UPDATE payment_monitor_schedule SET longest = NULL", "not-null"),
        ("INSERT INTO payment_monitor_schedule VALUES (true, '1h', '1h', '1h')", "duplicate"),
        ("INSERT INTO payment_monitor_schedule VALUES (false, '1h', '1h', '1h')", "check"),
        ("DELETE FROM payment_monitor_schedule", "not be deleted"),
        ("TRUNCATE payment_monitor_schedule", "append-only"),
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut ledger.admin).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{statement}: {refused}");
    }
    assert_eq!(ledger.text(SCHEDULE).await, "02:00:00 00:15:00 01:00:00 02:15:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_document_has_the_documented_keys() {
    let ledger = Ledger::empty().await;
    let program = Program::on(&ledger).with("PAYMENT_MONITOR_OUTPUT", "json");
    let change = ["schedule", "--longest", "2h", "--by", "Ada", "--reason", "large statements"];
    let document = program.run(&change).await.json();
    assert_eq!(document["longest"], "2 hours");
    assert_eq!(document["previous"]["longest"], "1 hour");
    assert_eq!(document["changed_by"], "Ada");
    let documented = include_str!("../../../docs/json.md");
    let section = documented.split("## `schedule`").nth(1).unwrap().split("##").next().unwrap();
    for key in document.as_object().unwrap().keys() {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
    assert_eq!(program.run(&["schedule"]).await.json()["previous"], serde_json::Value::Null);
}
