//! Nothing is ever wider than the terminal, whatever the records say.

use super::super::table::{self, UserFailures};
use super::super::{Palette, failures_per_day, line, summary, tree};
use super::fixtures::{open, phase, run};
use crate::domain::Outcome;
use crate::domain::run::{PerformedOperation, Summary};
use chrono::{Days, NaiveDate};
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
        days in prop::collection::vec((0_u64..1 << 40, 0_u64..1 << 40), 0..120),
        code in any_text(),
        width in 1_usize..220,
    ) {
        let first = NaiveDate::from_ymd_opt(2024, 2, 20).unwrap();
        let days: Vec<_> = (0..)
            .zip(days)
            .map(|(n, (failed, passed))| (first + Days::new(n), failed, failed + passed))
            .collect();
        let users = [UserFailures { user_id: None, failures: 1, attempts: 2, top_code: code }];
        let mut odd = open();
        odd[0].reason.clone_from(&run.run_id);
        for palette in [Palette::plain(), Palette::colour()] {
            prop_assert!(widest(&failures_per_day(&days, width, palette)) <= width);
            prop_assert!(widest(&tree(&run, &operations, width, palette)) <= width);
            prop_assert!(widest(&summary(&run, width, palette)) <= width);
        }
        prop_assert!(widest(&table::runs(std::slice::from_ref(&run), width)) <= width);
        prop_assert!(widest(&table::discrepancies(&odd, width)) <= width);
        prop_assert!(widest(&table::users_with_most_failures(&users, width)) <= width);
    }
}
