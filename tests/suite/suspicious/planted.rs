//! The rules on generated companies: every kind that is planted is found, and hardly anybody
//! else.

use crate::harness::Ledger;
use crate::harness::score::score;
use chrono::{DateTime, Utc};
use payment_monitor::demo;
use payment_monitor::store::seed;

#[tokio::test]
async fn every_planted_kind_is_found_and_under_one_percent_of_ordinary_users() {
    let now: DateTime<Utc> = "2026-03-04T15:06:07Z".parse().unwrap();
    let (mut ordinary, mut false_users) = (0, 0);
    for seed in 1..=3 {
        let mut ledger = Ledger::empty().await;
        let demo = demo::generate(seed, now);
        seed::load(&mut ledger.admin, &demo.company).await.unwrap();
        let score = score(&mut ledger.admin, &demo, now).await;
        for (rule, of_rule) in &score.rules {
            assert!(of_rule.recalled, "seed {seed}, {rule}: {of_rule:?}");
        }
        ordinary += score.ordinary;
        false_users += score.false_users;
        ledger.remove().await;
    }
    assert!(false_users * 100 < ordinary, "{false_users} of {ordinary} ordinary users");
}
