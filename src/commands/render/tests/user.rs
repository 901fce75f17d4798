//! One user's payments with their history, at 80 columns.

use super::super::line::Palette;
use super::super::user::{self, OfUser, Told};
use super::WIDTH;
use super::fixtures::time;
use crate::store::failures::Counts;
use crate::store::payments::{Event, Payment};
use insta::assert_snapshot;
use uuid::Uuid;

fn payment(id: i64, status: &str, code: Option<&str>) -> Payment {
    Payment {
        payment_id: id,
        provider_payment_id: format!("ch_3ae9gUmY7fcDYPr9DukdFU{id}o"),
        created_at: time("2026-02-23T14:06:07Z"),
        status: status.to_owned(),
        amount_minor: 129_900,
        currency: "USD".to_owned(),
        failure_code: code.map(str::to_owned),
        payment_method_fingerprint: Some("Xt5EWLLDS7FJjR1c".to_owned()),
        retried_at: None,
        removed_at: None,
    }
}

fn event(outcome: &str, description: &str, error: Option<&str>) -> Event {
    Event {
        payment_id: 7,
        operation_id: Uuid::nil(),
        occurred_at: time("2026-03-04T15:06:07Z"),
        action: "update".to_owned(),
        outcome: outcome.to_owned(),
        description: description.to_owned(),
        error: error.map(str::to_owned),
        run_id: Uuid::parse_str("0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b").unwrap(),
        run_status: "succeeded".to_owned(),
    }
}

pub(super) fn of_user() -> OfUser {
    let told = |payment, history| Told { payment, history };
    let status = "payment ch_3ae9gUmY7fcDYPr9DukdFU7o: status pending to failed, failure code none \
                  to do_not_honor";
    let conflict = event("conflict", "refunded 0 to 2900", Some("the row changed"));
    let retried = Payment {
        retried_at: Some(time("2026-02-24T14:06:07Z")),
        payment_method_fingerprint: Some("short".to_owned()),
        ..payment(6, "failed", Some("expired_card"))
    };
    let mut removed = payment(5, "succeeded", None);
    (removed.removed_at, removed.currency) = (Some(time("2026-03-01T00:00:00Z")), "JPY".to_owned());
    removed.payment_method_fingerprint = None;
    OfUser {
        user_id: 336,
        since: Some(time("2026-01-08T09:00:00Z")),
        until: Some(time("2026-03-04T16:00:00Z")),
        totals: Counts { attempts: 69, failures: 67, payments: 3, failed_payments: 1 },
        everybody: Counts { attempts: 3_895, failures: 313, payments: 3_700, failed_payments: 250 },
        total_payments: 70,
        payments: vec![
            told(
                payment(7, "failed", Some("do_not_honor")),
                vec![event("applied", status, None), conflict],
            ),
            told(retried, Vec::new()),
            told(removed, Vec::new()),
        ],
    }
}

#[test]
fn a_users_payments_are_told_with_what_runs_did_to_each() {
    assert_snapshot!(user::of_user(&of_user(), WIDTH, Palette::plain()), @r"
    User 336  2026-01-08 09:00 to 2026-03-04 16:00, UTC
    67 of 69 attempts failed (97.1 %)
    Retries counted once: 1 of 3 payments failed (33.3 %)
    Everybody in the same time: 313 of 3,895 attempts failed (8.0 %)

    2026-02-23 14:06:07  failed        1299.00 USD  do_not_honor
        ch_3ae9gUmY7fcDYPr9DukdFU7o  payment 7  card Xt5EWLLD…, not retried
        2026-03-04 15:06:07  update applied
          payment ch_3ae9gUmY7fcDYPr9DukdFU7o: status pending to failed, failure
          code none to do_not_honor
          run 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b, succeeded
        2026-03-04 15:06:07  update conflict
          refunded 0 to 2900
          the row changed
          run 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b, succeeded

    2026-02-23 14:06:07  failed        1299.00 USD  expired_card
        ch_3ae9gUmY7fcDYPr9DukdFU6o  payment 6  card short, retried 2026-02-24 14:06

    2026-02-23 14:06:07  succeeded      129900 JPY
        ch_3ae9gUmY7fcDYPr9DukdFU5o  payment 5
        removed 2026-03-01 00:00, not counted

    ... and 67 older (--limit)
    ");
}

#[test]
fn that_a_user_has_no_payments_is_said_in_words() {
    let told = |document: &OfUser| user::of_user(document, WIDTH, Palette::plain());
    let none = OfUser { user_id: 7, ..OfUser::default() };
    assert_eq!(told(&none), "User 7 has no payments.\n");
    let none = OfUser { since: of_user().since, until: of_user().until, ..none };
    let words = "User 7 has no payments between 2026-01-08 09:00 and 2026-03-04 16:00 UTC.\n";
    assert_eq!(told(&none), words);
}
