//! Nothing is ever wider than the terminal, whatever the records say.

use super::super::{Palette, chart, failures, line, summary, table, tree, user};
use super::failures::{by_code, by_user, step};
use super::fixtures::{open, phase, run, time};
use super::user::of_user;
use crate::domain::run::{PerformedOperation, Summary};
use crate::domain::{Outcome, Per};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

/// Whatever a provider may write: wide, combining and control characters too.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_ ]{0,60}", "\\PC{0,30}", "[支払い失敗é\u{301}\\n\\t\u{1b}]{0,50}"]
}

fn any_operation() -> impl Strategy<Value = PerformedOperation> {
    let outcome = prop::sample::select(Outcome::ALL);
    let error = prop::option::of(any_text());
    (any_text(), any_text(), outcome, 0_u64..1 << 40, 0_u64..1 << 40, error).prop_map(
        |(span_name, description, outcome, offset, duration, error)| PerformedOperation {
            span_name,
            description,
            outcome,
            offset: Duration::from_micros(offset),
            duration: Duration::from_micros(duration),
            error,
        },
    )
}

fn any_run() -> impl Strategy<Value = Summary> {
    let counts = || prop::collection::btree_map(any_text(), 0_u64..1 << 32, 0..20);
    let phases = prop::collection::vec((any_text(), 0_u64..1 << 40, 0_u64..1 << 40), 0..9);
    let ended = prop::option::of(0_u64..1 << 50);
    (counts(), counts(), phases, prop::option::of(any_text()), ended, any_text()).prop_map(
        |(discrepancies, left, phases, error, duration_ms, id)| Summary {
            run_id: id.clone(),
            host: id.clone(),
            statement: Some(json!({"payments_listing": {"proof": "unproven", "why": id}})),
            phases: phases.iter().map(|(name, at, took)| phase(name, *at, *took)).collect(),
            discrepancies,
            left,
            error,
            duration_ms,
            ..run()
        },
    )
}

/// The widest line, in columns, once escapes are taken away.
fn widest(text: &str) -> usize {
    let plain = anstream::adapter::strip_str(text).to_string();
    plain.lines().map(line::columns).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_line_is_wider_than_the_terminal(
        run in any_run(),
        operations in prop::collection::vec(any_operation(), 0..12),
        counts in prop::collection::vec((0_u64..1 << 40, 0_u64..1 << 40), 0..200),
        per in prop::sample::select(&Per::ALL[..]),
        code in any_text(),
        width in 1_usize..220,
    ) {
        let first = time("2024-02-20T07:00:00Z");
        let steps: Vec<_> = (0_i32..)
            .zip(counts)
            .map(|(n, (failed, passed))| step(first + per.length() * n, failed, failed + passed))
            .collect();
        let (mut codes, mut users, mut odd_user) = (by_code(), by_user(), of_user());
        codes.codes[0].failure_code.clone_from(&code);
        users.users[0].most_frequent_failure_code = Some(code.clone());
        let odd_payment = &mut odd_user.payments[0];
        odd_payment.payment.failure_code = Some(code.clone());
        odd_payment.payment.provider_payment_id.clone_from(&code);
        odd_payment.payment.payment_method_fingerprint = Some(code.clone());
        odd_payment.history[0].description.clone_from(&code);
        let mut odd = open();
        odd[0].reason.clone_from(&run.run_id);
        for palette in [Palette::plain(), Palette::colour()] {
            let chart = chart::failures(&steps, per, Some(&code), width, palette);
            prop_assert!(widest(&chart) <= width);
            prop_assert!(widest(&failures::by_code(&codes, width, palette)) <= width);
            prop_assert!(widest(&failures::by_user(&users, width, palette)) <= width);
            prop_assert!(widest(&user::of_user(&odd_user, width, palette)) <= width);
            prop_assert!(widest(&tree(&run, &operations, width, palette)) <= width);
            prop_assert!(widest(&summary(&run, width, palette)) <= width);
        }
        prop_assert!(widest(&table::runs(std::slice::from_ref(&run), width)) <= width);
        prop_assert!(widest(&table::discrepancies(&odd, width)) <= width);
    }
}
