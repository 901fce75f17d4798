//! What people see, as snapshots at 80 columns.

mod failures;
mod fixtures;
mod user;
mod width;

use super::*;
use crate::domain::run::{Counts, Status};
use fixtures::{open, operations, run, several_runs};
use insta::assert_snapshot;
use serde_json::json;
use std::time::Duration;

const WIDTH: usize = 80;

#[test]
fn a_trace_shows_first_what_went_wrong() {
    assert_snapshot!(tree(&run(), &operations(), WIDTH, Palette::plain()), @r"
    run 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  succeeded  1.94 s
    ├─ begin            11 ms   ▏
    ├─ rescue          2.3 ms   ▏
    ├─ fetch           412 ms   ███████████
    ├─ compare         187 ms              █████
    ├─ plan             34 ms                   █
    ├─ guard           900 µs                    ▏
    ├─ perform         1.25 s                    █████████████████████████████████
    │  ├─ INSERT payments       failed       1  median 1.2 ms  max 1.2 ms
    │  │  └─  1.2 ms  payment ch_3NZ7aQ: new, succeeded, 0.00 USD
    │  │              23514 check_violation: payments_amount_positive
    │  ├─ UPDATE payments       conflict     1  median 1.0 ms  max 1.0 ms
    │  │  └─  1.0 ms  payment ch_3NQ4xx: refunded 0 to 2900
    │  │              the row changed after it was compared
    │  ├─ UPDATE payments       applied     48  median 2.3 ms  max 3.7 ms
    │  │  ├─  3.7 ms  payment ch_3N0047: status pending to succeeded
    │  │  ├─  3.7 ms  payment ch_3N0046: status pending to succeeded
    │  │  ├─  3.6 ms  payment ch_3N0045: status pending to succeeded
    │  │  └─ and 45 more
    │  └─ UPDATE subscriptions  applied      1  median 1.1 ms  max 1.1 ms
    │     └─  1.1 ms  subscription sub_1M9: plan starter_monthly to team_monthly
    └─ finish           43 ms                                                     █
    ");
}

#[test]
fn a_summary_says_what_is_left_to_do() {
    assert_snapshot!(summary(&run(), WIDTH, Palette::plain()), @r"
    Run 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  succeeded
      started    2026-03-04 15:06:07 UTC
      took       1.94 s
      trace      0199a1b2c3d47e5f8a9b0c1d2e3f4a5b
      on         billing-1, version 0.1.0
      spans      123 made, 123 delivered, 0 lost
      statement  4,076 payments, 292 subscriptions and 6 customers in 5 files
                 payments complete, by manifest.json
                 subscriptions complete, by manifest.json

    129 discrepancies
      only_in_statement          41     amount_refunded            11
      only_in_ledger              5     disputed                    3
      listed_again                4     failure_code                5
      currency                    2     plan                        4
      amount                      3     current_period_end          6
      owner                       3     id_replaced                 2
      status                     30     duplicate_in_statement      2
      amount_captured             4     unknown_customer            4

    114 operations planned: 112 applied, 1 failed, 1 in conflict, 0 not done
    15 left as they are
      duplicate            2  listed more than once; ask for a new statement
      max_deletes          5  look at them, then `approve` or raise --max-deletes
      needs_approval       2  check with the provider, then `approve`
      never_made           1  a settled payment stays settled; ask the provider
      newer_in_ledger      1  nothing; the next statement will know
      unknown_customer     4  link the customer to a user in the ledger
    ");
}

#[test]
fn a_failed_run_names_its_error_and_why_nothing_was_deleted() {
    let mut failed = run();
    failed.status = Status::Failed;
    failed.error = Some(
        "compare: the database went away and did not come back within 30 s: 57P01 \
         terminating connection due to administrator command"
            .to_owned(),
    );
    failed.telemetry = None;
    failed.withheld_deletes = 0;
    failed.discrepancies.clear();
    failed.left.clear();
    failed.operations = Counts::default();
    failed.statement.as_mut().unwrap()["malformed"] = json!(2);
    failed.statement.as_mut().unwrap()["payments_listing"] =
        json!({"proof": "unproven", "why": "2 malformed records may be among the payments"});
    assert_snapshot!(summary(&failed, WIDTH, Palette::plain()), @r"
    Run 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  failed
      because    compare: the database went away and did not come back within 30 s:
                 57P01 terminating connection due to administrator command
      started    2026-03-04 15:06:07 UTC
      took       1.94 s
      trace      0199a1b2c3d47e5f8a9b0c1d2e3f4a5b
      on         billing-1, version 0.1.0
      statement  4,076 payments, 292 subscriptions and 6 customers in 5 files
                 payments not proven complete: 2 malformed records may be among the
                          payments
                 subscriptions complete, by manifest.json
                 2 malformed records, so nothing is deleted

    No operation was planned; nothing was changed.
    ");
}

#[test]
fn only_a_run_that_came_to_its_end_says_that_the_sides_agree() {
    let mut silent = run();
    silent.discrepancies.clear();
    silent.operations = Counts::default();
    let agrees = |run: &_| summary(run, WIDTH, Palette::plain()).contains("agree");
    assert!(agrees(&silent));
    for status in [Status::Running, Status::Failed, Status::Interrupted, Status::Skipped] {
        silent.status = status;
        assert!(!agrees(&silent), "{status}");
    }
}

#[test]
fn runs_keep_their_whole_id_in_a_narrow_terminal() {
    assert_snapshot!(table::runs(&several_runs(), WIDTH), @r"
    RUN                                   STARTED (UTC)     STATUS        TOOK
    ───────────────────────────────────────────────────────────────────────────
    0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  2026-03-04 15:06  succeeded   1.94 s
      112 of 114 applied                  1 failed          5 withheld
                                          1 conflict
    0199a1b1-0000-7e5f-8a9b-0c1d2e3f4a5b  2026-03-04 15:06  held        1.94 s
      0 of 2,114 applied
    0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  2026-03-04 15:06  succeeded   1.94 s
      nothing planned                                       5 withheld
    ");
}

#[test]
fn runs_have_a_column_for_everything_in_a_wide_terminal() {
    let wide = table::runs(&several_runs(), 140);
    let head = wide.lines().next().unwrap();
    for name in ["RUN", "STARTED", "TOOK", "STATUS", "PLANNED", "APPLIED", "FAILED", "CONFLICT"] {
        assert!(head.contains(name), "{head}");
    }
    assert!(wide.lines().nth(2).unwrap().ends_with("       1         1         5"), "{wide}");
}

#[test]
fn open_discrepancies_name_the_record_and_the_reason() {
    assert_snapshot!(table::discrepancies(&open(), WIDTH), @r"
    RECORD                       KIND                    LEFT BECAUSE      SINCE
    ─────────────────────────────────────────────────────────────────────────────
    ch_3ae9gUmY7fcDYPr9DukdFU3o  unknown_customer        unknown_customer  4 Mar
    ch_3ae9gUmY7fcDYPr9DukdFU3o  duplicate_in_statement  duplicate         4 Mar
    ch_3ae9gUmY7fcDYPr9DukdFU3o  status                  needs_approval    4 Mar
    ");
}

#[test]
fn nothing_to_show_is_said_in_words() {
    assert_eq!(table::runs(&[], WIDTH), "No runs yet.\n");
    assert_eq!(table::discrepancies(&[], WIDTH), "Nothing is left for a person.\n");
}

#[test]
fn colour_adds_escapes_and_changes_no_character() {
    let coloured = tree(&run(), &operations(), WIDTH, Palette::colour());
    assert!(coloured.contains('\u{1b}'));
    let plain = tree(&run(), &operations(), WIDTH, Palette::plain());
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn a_records_text_can_not_move_the_cursor() {
    let mut operations = operations();
    operations[0].description = "payment \u{1b}[2J ch_1".to_owned();
    operations.truncate(1);
    assert!(!tree(&run(), &operations, WIDTH, Palette::plain()).contains('\u{1b}'));
}

#[test]
fn durations_are_told_in_the_unit_that_suits() {
    let told = |us| figures::duration(Duration::from_micros(us));
    assert_eq!(told(87), "87 µs");
    assert_eq!(told(1_249), "1.2 ms");
    assert_eq!(told(340_900), "340 ms");
    assert_eq!(told(4_218_000), "4.21 s");
    assert_eq!(told(123_000_000), "2 min 03 s");
    assert_eq!(told(3_720_000_000), "1 h 02 min");
}
