//! Failures over time, by code and by user, at 80 columns.

use super::super::chart::{self, sparkline};
use super::super::failures::{self, Asked, ByCode, ByUser, Code, CodeCount, Guests};
use super::super::failures::{OverTime, Previous};
use super::super::line::Palette;
use super::WIDTH;
use super::fixtures::time;
use crate::domain::Per;
use crate::store::failures::{Counts, FailingUser, Step, rate};
use chrono::{DateTime, TimeDelta, Utc};
use insta::assert_snapshot;

pub(super) fn step(at: DateTime<Utc>, failures: u64, attempts: u64) -> Step {
    let (payments, failed_payments) = (attempts - failures / 3, failures - failures / 3);
    Step { at, counts: Counts { attempts, failures, payments, failed_payments } }
}

/// So many steps, of which one stands out.
fn steps(first: &str, per: Per, number: u64, peak: u64) -> Vec<Step> {
    let at = |n: u64| time(first) + per.length() * i32::try_from(n).unwrap();
    let counted = |n: u64| if n == peak { (71, 149) } else { (2 + n * 7 % 6, 50 + n * 13 % 37) };
    (0..number).map(|n| step(at(n), counted(n).0, counted(n).1)).collect()
}

fn drawn(steps: &[Step], per: Per) -> String {
    chart::failures(steps, per, None, WIDTH, Palette::plain())
}

/// Without the bars.
fn around_the_bars(chart: &str) -> String {
    let kept = chart.lines().filter(|line| !line.contains(['│', '┤']));
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_day_of_an_attack_stands_out_in_eight_weeks() {
    assert_snapshot!(drawn(&steps("2026-01-08T00:00:00Z", Per::Day, 56, 46), Per::Day), @r"
    Payment failures per day  8 Jan to 4 Mar 2026, UTC
                               71 of 149 failed on 23 Feb ▼
        71 ┤                                              █
           │                                              █
           │                                              █
           │                                              █
        35 ┤                                              █
           │                                              █
           │                                              █
           │▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅▆▇▂▃▄▅█▇▂▃▄▅▆▇▂▃
         0 ┼────┴──────┴──────┴──────┴──────┴──────┴──────┴──────┴──
                12 Jan 19 Jan 26 Jan 2 Feb  9 Feb  16 Feb 23 Feb 2 Mar
    313 failed of 3,895 attempts (8.0 %), on a usual day 4
    ");
}

#[test]
fn an_axis_of_hours_names_days_and_quarters_of_them() {
    let hours = steps("2026-03-03T14:00:00Z", Per::Hour, 48, 20);
    assert_snapshot!(around_the_bars(&drawn(&hours, Per::Hour)), @r"
    Payment failures per hour  3 Mar 14:00 to 5 Mar 14:00 2026, UTC
                                ▼ 71 of 149 failed on 4 Mar at 10:00
         0 ┼────┴─────┴─────┴─────┴─────┴─────┴─────┴─────┴─
                18:00 4 Mar 06:00 12:00 18:00 5 Mar 06:00 12:00
    283 failed of 3,324 attempts (8.5 %), in a usual hour 5
    ");
    let hours = steps("2026-03-03T14:00:00Z", Per::Hour, 600, 20);
    assert_snapshot!(around_the_bars(&drawn(&hours, Per::Hour)), @r"
    Payment failures per 9 hours  3 Mar 14:00 to 28 Mar 14:00 2026, UTC
              ▼ 103 of 680 failed 4 Mar 08:00 to 4 Mar 17:00
         0 ┼──────────────┴──────────────────┴─────────────────┴───────────────
                          9 Mar              16 Mar            23 Mar
    2,767 failed of 40,859 attempts (6.8 %), in a usual hour 5
    ");
}

#[test]
fn an_axis_of_weeks_names_months_and_years() {
    let weeks = steps("2025-11-03T00:00:00Z", Per::Week, 26, 3);
    assert_snapshot!(around_the_bars(&drawn(&weeks, Per::Week)), @r"
    Payment failures per week  3 Nov 2025 to 27 Apr 2026, UTC
                  ▼ 71 of 149 failed in the week of 24 Nov
         0 ┼────────┴───────┴───────┴───────┴─────────┴───────┴─
                    Dec     2026    Feb     Mar       Apr     May
    179 failed of 1,848 attempts (9.7 %), in a usual week 4
    ");
    let days = steps("2024-11-03T00:00:00Z", Per::Day, 1_500, 3);
    assert_snapshot!(around_the_bars(&drawn(&days, Per::Day)), @r"
    Payment failures per 21 days  3 Nov 2024 to 11 Dec 2028, UTC
            ▼ 156 of 1,509 failed 3 Nov to 23 Nov
         0 ┼──┴─────────────────┴────────────────┴────────────────┴─────────────────
              2025              2026             2027             2028
    6,816 failed of 102,098 attempts (6.7 %), on a usual day 5
    ");
}

#[test]
fn an_axis_of_a_few_days_names_them() {
    let days = steps("2026-03-03T00:00:00Z", Per::Day, 5, 2);
    assert_snapshot!(around_the_bars(&drawn(&days, Per::Day)), @r"
    Payment failures per day  3 Mar to 7 Mar 2026, UTC
                    ▼ 71 of 149 failed on 5 Mar
         0 ┼┴───┴───┴───┴───┴───
            3 Mar   5 Mar   7 Mar
    87 failed of 379 attempts (23.0 %), on a usual day 5
    ");
}

#[test]
fn a_sparkline_is_as_high_as_the_share_of_its_highest() {
    assert_eq!(sparkline(&[0, 1, 4, 8], 10), " ▁▄█");
    assert_eq!(sparkline(&[0, 0, 1, 1, 2], 3), " ██");
    assert_eq!(sparkline(&[0, 0], 3), "  ");
    assert_eq!(sparkline(&[], 3), "");
}

fn asked() -> Asked {
    let (since, until) = (time("2026-02-03T00:00:00Z"), time("2026-03-04T15:00:00Z"));
    Asked { since, until, per: Per::Day }
}

fn over_time(code: Option<&str>, failures: u64) -> OverTime {
    let asked = asked();
    let steps = vec![step(asked.since, failures, 400)];
    let before = asked.stretch().before();
    OverTime {
        asked,
        code: code.map(str::to_owned),
        codes: code.map(|_| vec!["do_not_honor".to_owned(), "expired_card".to_owned()]),
        totals: steps[0].counts,
        previous: Some(Previous {
            since: before.since,
            until: before.until,
            totals: step(before.since, 20, 400).counts,
        }),
        steps,
    }
}

/// What stands below the chart.
fn told(document: &OverTime) -> String {
    around_the_bars(&failures::over_time(document, WIDTH, Palette::plain()))
}

#[test]
fn totals_count_retries_once_too_and_are_compared_with_the_time_before() {
    assert_snapshot!(told(&over_time(None, 30)), @r"
    Payment failures per day  3 Feb 2026, UTC
            ▼ 30 of 400 failed on 3 Feb
         0 ┼┴───
            3 Feb
    30 failed of 400 attempts (7.5 %), on a usual day 30
    Retries counted once: 20 of 390 payments failed (5.1 %)
    Before that, as long: 20 of 400 failed (5.0 %), now 2.5 points more
    ");
    assert!(told(&over_time(None, 12)).contains("now 2.0 points less"));
    assert!(told(&over_time(None, 20)).ends_with("(5.0 %), as often"));
}

#[test]
fn that_nothing_failed_is_said_in_words() {
    assert_snapshot!(told(&over_time(None, 0)), @r"
    No payment failed between 2026-02-03 00:00 and 2026-03-04 15:00 UTC, of 400
    attempts.
    Before that, as long: 20 of 400 failed (5.0 %), now 5.0 points less
    ");
    assert_snapshot!(told(&over_time(Some("lost_card"), 0)), @r"
    No payment failed with lost_card between 2026-02-03 00:00 and 2026-03-04 15:00
    UTC, of 400 attempts.
    Codes in this time: do_not_honor, expired_card.
    Before that, as long: 20 of 400 failed (5.0 %), now 5.0 points less
    ");
    let mut silent = over_time(None, 0);
    (silent.totals, silent.previous) = (Counts::default(), None);
    let words = "No payment was attempted between 2026-02-03 00:00 and 2026-03-04 15:00 UTC.";
    assert_eq!(told(&silent), words);
}

pub(super) fn by_code() -> ByCode {
    let asked = asked();
    let totals = step(asked.since, 60, 700).counts;
    let code = |code: &str, each: &[u64]| {
        let failures = each.iter().sum();
        let at = |n: usize| asked.since + TimeDelta::days(i64::try_from(n).unwrap());
        Code {
            failure_code: code.to_owned(),
            failures,
            failed_payments: failures - 2,
            share: rate(failures, totals.failures),
            failure_rate: rate(failures, totals.attempts),
            steps: (0..).zip(each).map(|(n, f)| CodeCount { at: at(n), failures: *f }).collect(),
        }
    };
    let codes = vec![
        code("insufficient_funds", &[3, 9, 0, 18]),
        code("transaction_not_allowed", &[0, 2, 18, 8]),
    ];
    ByCode { asked, totals, total_codes: 3, codes }
}

#[test]
fn codes_are_listed_with_their_shares_and_how_they_went() {
    assert_snapshot!(failures::by_code(&by_code(), WIDTH, Palette::plain()), @r"
    Payment failures by code  2026-02-03 00:00 to 2026-03-04 15:00, UTC

    CODE                     FAILURES   SHARE   RATE  UNPAID  OVER TIME
    ────────────────────────────────────────────────────────────────────
    insufficient_funds             30  50.0 %  4.3 %      28  ▂▄ █
    transaction_not_allowed        28  46.7 %  4.0 %      26   ▁█▄
    2 of 3 codes (--limit)
    UNPAID: failures that were not followed by another attempt at the same payment

    60 of 700 attempts failed (8.6 %)
    Retries counted once: 40 of 680 payments failed (5.9 %)
    ");
}

pub(super) fn by_user() -> ByUser {
    let user = |user_id, failures, attempts, code: Option<&str>| FailingUser {
        user_id,
        attempts,
        failures,
        failure_rate: rate(failures, attempts),
        failed_payments: failures - 5,
        most_frequent_failure_code: code.map(str::to_owned),
        last_failure_at: time("2026-02-23T14:06:07Z"),
    };
    ByUser {
        since: asked().since,
        until: asked().until,
        total_users: 43,
        users: vec![user(336, 67, 69, Some("transaction_not_allowed")), user(18, 12, 41, None)],
        guests: Guests { attempts: 241, failures: 23, failure_rate: rate(23, 241) },
    }
}

#[test]
fn users_are_listed_with_their_rate_and_their_commonest_code() {
    assert_snapshot!(failures::by_user(&by_user(), WIDTH, Palette::plain()), @r"
    The users with most failures  2026-02-03 00:00 to 2026-03-04 15:00, UTC

    USER  FAILURES  ATTEMPTS    RATE  UNPAID  MOST OFTEN               LAST
    ──────────────────────────────────────────────────────────────────────────
     336        67        69  97.1 %      62  transaction_not_allowed  23 Feb
      18        12        41  29.3 %       7  unknown                  23 Feb
    2 of 43 users (--limit)
    UNPAID: failures that were not followed by another attempt at the same payment
    Guests: 23 of 241 attempts failed (9.5 %)
    ");
    let wide = failures::by_user(&by_user(), 140, Palette::plain());
    assert!(wide.contains("2026-02-23 14:06"), "{wide}");
}

#[test]
fn where_no_users_payment_failed_guests_are_told_of_all_the_same() {
    let none = ByUser { users: Vec::new(), total_users: 0, ..by_user() };
    assert_snapshot!(failures::by_user(&none, WIDTH, Palette::plain()), @r"
    No user's payment failed between 2026-02-03 00:00 and 2026-03-04 15:00 UTC.
    Guests: 23 of 241 attempts failed (9.5 %)
    ");
    assert_eq!(failures::users(&[], WIDTH), "No payment has failed.\n");
    assert_eq!(drawn(&[], Per::Day), "No payments yet.\n");
}
