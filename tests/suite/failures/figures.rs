//! Every figure against what was counted by hand, of hours that are kept and of those that aren't.

use super::{document, ledger, lines};
use crate::harness::Ledger;
use serde_json::{Value, json};

const NOVEMBER: &str = "--since 2024-11-01 --until 2024-11-25";

/// Attempts, failures, payments and failed payments.
fn counts(of: &Value) -> [i64; 4] {
    ["attempts", "failures", "payments", "failed_payments"].map(|key| of[key].as_i64().unwrap())
}

fn steps(document: &Value) -> Vec<(&str, [i64; 4])> {
    let steps = document["steps"].as_array().unwrap();
    steps.iter().map(|step| (step["at"].as_str().unwrap(), counts(step))).collect()
}

async fn hours_days_and_weeks_are_as_counted_by_hand(ledger: &Ledger) {
    let stretch = "--since 2024-11-03T23:00:00Z --until 2024-11-04T06:00:00Z";
    let hours = document(ledger, &format!("--per hour {stretch}")).await;
    assert_eq!(
        steps(&hours),
        [
            ("2024-11-03T23:00:00Z", [1, 1, 0, 0]),
            ("2024-11-04T00:00:00Z", [1, 1, 0, 0]),
            ("2024-11-04T01:00:00Z", [3, 1, 3, 1]),
            ("2024-11-04T02:00:00Z", [1, 1, 0, 0]),
            ("2024-11-04T03:00:00Z", [0, 0, 0, 0]),
            ("2024-11-04T04:00:00Z", [0, 0, 0, 0]),
            ("2024-11-04T05:00:00Z", [1, 0, 1, 0]),
        ]
    );
    let days = document(ledger, "--since 2024-11-03 --until 2024-11-05").await;
    assert_eq!(
        steps(&days),
        [("2024-11-03T00:00:00Z", [1, 1, 0, 0]), ("2024-11-04T00:00:00Z", [6, 3, 4, 1])]
    );
    assert_eq!(counts(&days["totals"]), [7, 4, 4, 1]);
    assert_eq!(days["totals"]["payment_failure_rate"], 0.25);
    assert_eq!(days["steps"][0]["payment_failure_rate"], Value::Null);
    assert_eq!(counts(&days["previous"]), [1, 1, 1, 1]);
    let weeks = document(ledger, &format!("--per week {NOVEMBER}")).await;
    assert_eq!(
        steps(&weeks),
        [
            ("2024-10-28T00:00:00Z", [2, 2, 1, 1]),
            ("2024-11-04T00:00:00Z", [7, 3, 5, 1]),
            ("2024-11-11T00:00:00Z", [1, 1, 1, 1]),
            ("2024-11-18T00:00:00Z", [1, 0, 1, 0]),
        ]
    );
    assert_eq!(weeks["previous"], Value::Null, "there were no payments yet");
}

async fn codes_and_users_are_as_counted_by_hand(ledger: &Ledger) {
    let codes = lines(ledger, &format!("--by code {NOVEMBER}")).await;
    let expected = [
        ["failure_code", "failures", "failed_payments", "share", "failure_rate"],
        ["do_not_honor", "3", "1", "0.500000", "0.272727"],
        ["expired_card", "1", "0", "0.166667", "0.090909"],
        ["lost_card", "1", "1", "0.166667", "0.090909"],
        ["unknown", "1", "1", "0.166667", "0.090909"],
    ];
    assert_eq!(codes, expected);
    let one = document(ledger, &format!("--per week --code do_not_honor {NOVEMBER}")).await;
    let told: Vec<[i64; 4]> = steps(&one).into_iter().map(|(_, counts)| counts).collect();
    assert_eq!(told, [[2, 1, 1, 0], [7, 1, 5, 0], [1, 1, 1, 1], [1, 0, 1, 0]]);
    assert_eq!(one["codes"], json!(["do_not_honor", "expired_card", "lost_card", "unknown"]));

    let users = lines(ledger, &format!("--by user {NOVEMBER}")).await;
    let expected = [
        ["1", "3", "2", "0.666667", "0", "do_not_honor", "2024-11-04T00:00:00Z"],
        ["2", "4", "2", "0.500000", "1", "do_not_honor", "2024-11-11T02:00:00Z"],
        ["3", "2", "1", "0.500000", "1", "lost_card", "2024-11-01T00:00:00Z"],
    ];
    assert_eq!(users[1..], expected);
    let users = document(ledger, &format!("--by user --limit 1 {NOVEMBER}")).await;
    assert_eq!(users["users"].as_array().unwrap().len(), 1);
    assert_eq!(users["total_users"], 3);
    assert_eq!(users["guests"], json!({ "attempts": 2, "failures": 1, "failure_rate": 0.5 }));
}

async fn one_user_is_as_counted_by_hand(ledger: &Ledger) {
    let user = document(ledger, "--user 1").await;
    assert_eq!(counts(&user["totals"]), [3, 2, 1, 0]);
    assert_eq!(user["since"], "2024-11-03T23:00:00Z");
    assert_eq!(counts(&user["everybody"]), [10, 5, 7, 2], "from the user's first payment on");
    assert_eq!(user["total_payments"], 4, "a removed one is listed, and not counted");
    let lines = lines(ledger, "--user 1 --since 2024-11-04").await;
    let card = "fingerprint_1";
    let made = |at: &str| format!("2024-11-04T0{at}:00:00Z");
    assert_eq!(lines[1][1..6], ["ch_8", &made("3"), "failed", "9900", "USD"]);
    assert!(!lines[1][9].is_empty(), "it was removed");
    assert_eq!(lines[2][1..], ["ch_4", &made("1"), "succeeded", "1000", "USD", "", card, "", ""]);
    let retried = [made("0"), made("1")];
    let code = "expired_card";
    let last = ["ch_3", &retried[0], "failed", "1000", "USD", code, card, &retried[1], ""];
    assert_eq!(lines[3][1..], last);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_as_counted_by_hand_whether_hours_are_kept_or_not() {
    let mut ledger = ledger().await;
    let kept = "SELECT count(*) FROM payment_monitor_payment_hours";
    for is_kept in [false, true] {
        if is_kept {
            ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
        }
        assert_eq!(ledger.number(kept).await > 0, is_kept);
        hours_days_and_weeks_are_as_counted_by_hand(&ledger).await;
        codes_and_users_are_as_counted_by_hand(&ledger).await;
        one_user_is_as_counted_by_hand(&ledger).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_say_the_same_in_every_time_zone() {
    let mut ledger = ledger().await;
    let all = "SELECT md5(string_agg(told, ' ' ORDER BY told)) FROM (
            SELECT concat(extract(epoch FROM hour), attempts, failures, payments, failed_payments)
            FROM payment_failures_by_hour WHERE attempts > 0
            UNION ALL SELECT concat(day, attempts, failures, payments, failed_payments)
            FROM payment_failures_by_day WHERE attempts > 0
            UNION ALL SELECT concat(day, failure_code, failures)
            FROM payment_failures_by_code_and_day
            UNION ALL SELECT concat(day, user_id, failures) FROM payment_failures_by_user_and_day
            UNION ALL SELECT concat(user_id, failed_payments) FROM payment_failures_by_user
        ) t (told)";
    ledger.sql("SET timezone = 'UTC'").await;
    let in_utc = ledger.text(all).await;
    for zone in ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"] {
        ledger.sql(&format!("SET timezone = '{zone}'")).await;
        assert_eq!(ledger.text(all).await, in_utc, "{zone}");
        ledger.sql("SELECT payment_monitor_keep_hours(now())").await;
        assert_eq!(ledger.text(all).await, in_utc, "{zone}, kept");
    }
}
