//! Each kind of discrepancy alone: what is found, what is done, and what is recorded.

use crate::harness::{Charge, Ledger, Listing, Subscription, request};
use payment_monitor::run::Report;
use tempfile::TempDir;

/// Runs a listing that is proven complete.
async fn run(ledger: &mut Ledger, listing: &Listing) -> Report {
    let folder = TempDir::new().unwrap();
    let report = ledger.run(request(&listing.write(folder.path()))).await;
    assert_eq!(report.summary.error, None);
    ledger.assert_invariants().await;
    report
}

/// A ledger that is in line with these records.
async fn in_line_with(listing: &Listing) -> Ledger {
    let mut ledger = Ledger::with_users(3).await;
    run(&mut ledger, listing).await;
    ledger
}

fn found(report: &Report) -> Vec<(&str, u64)> {
    report.summary.discrepancies.iter().map(|(kind, n)| (kind.as_str(), *n)).collect()
}

#[tokio::test]
async fn a_payment_only_in_the_statement_is_inserted_as_stated() {
    let charge = Charge::new("ch_1", 10)
        .failed("insufficient_funds")
        .with("failure_message", "Your card has insufficient funds.")
        .with("currency", "jpy");
    let mut ledger = in_line_with(&Listing::of([charge])).await;
    let row =
        "SELECT concat_ws(' ', user_id, status, amount_minor, amount_captured_minor, currency,
        failure_code, failure_message, created_at AT TIME ZONE 'UTC') FROM payments";
    assert_eq!(
        ledger.text(row).await,
        "1 failed 1000 0 JPY insufficient_funds Your card has insufficient funds. \
         2026-11-01 00:10:00"
    );
    let state = "SELECT new_state - 'created_at' FROM payment_monitor_results";
    assert!(!ledger.text(state).await.contains("insufficient funds."), "no free text in the trail");
}

#[tokio::test]
async fn a_guests_payment_has_no_user() {
    let guest = Charge::new("ch_1", 10).with("customer", serde_json::Value::Null);
    let mut ledger = in_line_with(&Listing::of([guest])).await;
    assert_eq!(ledger.text("SELECT user_id FROM payments").await, "NULL");
}

#[tokio::test]
async fn a_payment_that_is_not_listed_any_more_is_marked_and_listed_again_is_restored() {
    let both = Listing::of([Charge::new("ch_1", 10), Charge::new("ch_2", 20)]);
    let mut ledger = in_line_with(&both).await;
    let report = run(&mut ledger, &Listing::of([Charge::new("ch_1", 10)])).await;
    assert_eq!(found(&report), [("only_in_ledger", 1)]);
    let removed = "SELECT string_agg(provider_payment_id, ' ') FROM payments
        WHERE removed_at IS NOT NULL";
    assert_eq!(ledger.text(removed).await, "ch_2");
    let report = run(&mut ledger, &both).await;
    assert_eq!(found(&report), [("listed_again", 1)]);
    assert_eq!(ledger.text(removed).await, "NULL");
    let actions = "SELECT string_agg(action, ' ' ORDER BY id) FROM payment_monitor_results
        WHERE payment_id = (SELECT id FROM payments WHERE provider_payment_id = 'ch_2')";
    assert_eq!(ledger.text(actions).await, "new delete update");
}

#[tokio::test]
async fn every_field_of_a_payment_that_differs_is_brought_in_line() {
    let cases = [
        ("amount", "amount", serde_json::json!(900), "amount_minor", "900"),
        ("amount_captured", "amount_captured", 500.into(), "amount_captured_minor", "500"),
        ("amount_refunded", "amount_refunded", 250.into(), "amount_refunded_minor", "250"),
        ("disputed", "disputed", true.into(), "disputed", "true"),
        ("currency", "currency", "eur".into(), "currency", "EUR"),
        ("owner", "customer", "cus_2".into(), "user_id", "2"),
        ("failure_code", "failure_code", "expired_card".into(), "failure_code", "expired_card"),
    ];
    let mut ledger = in_line_with(&Listing::of([Charge::new("ch_1", 10)])).await;
    let mut charge = Charge::new("ch_1", 10);
    for (kind, field, value, column, stored) in cases {
        charge = charge.with(field, value);
        let report = run(&mut ledger, &Listing::of([charge.clone()])).await;
        assert_eq!(found(&report), [(kind, 1)]);
        assert_eq!(ledger.text(&format!("SELECT {column} FROM payments")).await, stored);
        let both = format!(
            "SELECT concat_ws(' ', outcome, previous_state ->> '{column}' IS DISTINCT
            FROM new_state ->> '{column}') FROM payment_monitor_results ORDER BY id DESC LIMIT 1"
        );
        assert_eq!(ledger.text(&both).await, "applied t");
    }
}

#[tokio::test]
async fn a_subscriptions_plan_status_and_period_are_brought_in_line() {
    let one = Subscription::new("sub_1", 10);
    let mut ledger = in_line_with(&Listing::default().subscriptions([one.clone()])).await;
    let cases = [
        ("plan", one.clone().of_plan("price_team")),
        ("status", one.clone().of_plan("price_team").with("status", "past_due")),
        (
            "current_period_end",
            one.of_plan("price_team")
                .with("status", "past_due")
                .with("current_period_end", 1_800_000_000),
        ),
    ];
    for (kind, subscription) in cases {
        let report = run(&mut ledger, &Listing::default().subscriptions([subscription])).await;
        assert_eq!(found(&report), [(kind, 1)]);
    }
    let row = "SELECT concat_ws(' ', plan, status, extract(epoch FROM current_period_end)::bigint)
        FROM subscriptions";
    assert_eq!(ledger.text(row).await, "price_team past_due 1800000000");
}

#[tokio::test]
async fn a_replaced_subscription_keeps_its_row_and_both_ids_are_recorded() {
    let old = Listing::default().subscriptions([Subscription::new("sub_old", 10)]);
    let mut ledger = in_line_with(&old).await;
    let new = Listing::default().subscriptions([Subscription::new("sub_new", 20)]);
    let report = run(&mut ledger, &new).await;
    assert_eq!(found(&report), [("id_replaced", 1)]);
    let rows = "SELECT string_agg(provider_subscription_id, ' ') FROM subscriptions";
    assert_eq!(ledger.text(rows).await, "sub_new");
    let ids = "SELECT concat_ws(' ', previous_state ->> 'provider_subscription_id',
        new_state ->> 'provider_subscription_id') FROM payment_monitor_results
        WHERE action = 'update'";
    assert_eq!(ledger.text(ids).await, "sub_old sub_new");
}

#[tokio::test]
async fn a_replacement_is_recognised_only_one_to_one_and_of_one_plan() {
    let old = Listing::default().subscriptions([Subscription::new("sub_old", 10)]);
    for (candidates, expected) in [
        (
            vec![Subscription::new("sub_a", 20), Subscription::new("sub_b", 20)],
            vec![("only_in_ledger", 1), ("only_in_statement", 2)],
        ),
        (
            vec![Subscription::new("sub_a", 20).of_plan("price_team")],
            vec![("only_in_ledger", 1), ("only_in_statement", 1)],
        ),
        (
            vec![Subscription::new("sub_a", 20).with("customer", "cus_2")],
            vec![("only_in_ledger", 1), ("only_in_statement", 1)],
        ),
    ] {
        let mut ledger = in_line_with(&old).await;
        let report = run(&mut ledger, &Listing::default().subscriptions(candidates)).await;
        assert_eq!(found(&report), expected);
    }
}

#[tokio::test]
async fn an_ended_subscription_that_is_absent_is_no_discrepancy() {
    let canceled = Subscription::new("sub_1", 10).with("status", "canceled");
    let mut ledger = in_line_with(&Listing::default().subscriptions([canceled])).await;
    let report = run(&mut ledger, &Listing::of([Charge::new("ch_1", 10)])).await;
    assert_eq!(found(&report), [("only_in_statement", 1)]);
}

#[tokio::test]
async fn an_id_listed_twice_is_left_alone_and_open_once() {
    let twice = Listing::of([Charge::new("ch_1", 10), Charge::new("ch_1", 10)]);
    let mut ledger = in_line_with(&twice).await;
    let report = run(&mut ledger, &twice).await;
    assert_eq!(found(&report), [("duplicate_in_statement", 1)]);
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 0);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 1);
    run(&mut ledger, &Listing::of([Charge::new("ch_1", 10)])).await;
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 1);
}

#[tokio::test]
async fn an_unknown_customer_is_left_until_the_user_is_linked() {
    let stranger = Listing::of([Charge::new("ch_1", 10).with("customer", "cus_99")]);
    let mut ledger = in_line_with(&stranger).await;
    assert_eq!(ledger.text("SELECT reason FROM open_discrepancies").await, "unknown_customer");
    assert_eq!(ledger.number("SELECT count(*) FROM payments").await, 0);
    ledger.sql("UPDATE users SET provider_customer_id = 'cus_99' WHERE id = 3").await;
    run(&mut ledger, &stranger).await;
    assert_eq!(ledger.number("SELECT user_id FROM payments").await, 3);
    assert_eq!(ledger.number("SELECT count(*) FROM open_discrepancies").await, 0);
}

#[tokio::test]
async fn a_customers_metadata_links_it_to_a_user() {
    let customer = serde_json::json!({
        "id": "cus_99", "object": "customer", "livemode": true, "metadata": { "user_id": "3" },
    });
    let listing = Listing::of([Charge::new("ch_1", 10).with("customer", "cus_99")]);
    let mut ledger = in_line_with(&listing.and(&customer)).await;
    assert_eq!(ledger.number("SELECT user_id FROM payments").await, 3);
}

#[tokio::test]
async fn status_changes_are_applied_left_for_approval_or_never_made() {
    for (from, to, left) in [
        ("pending", "succeeded", None),
        ("pending", "failed", None),
        ("failed", "succeeded", None),
        ("succeeded", "failed", Some("needs_approval")),
        ("succeeded", "pending", Some("never_made")),
        ("succeeded", "under_review", Some("needs_approval")),
    ] {
        let charge = Charge::new("ch_1", 10);
        let mut ledger = in_line_with(&Listing::of([charge.clone().with("status", from)])).await;
        let report = run(&mut ledger, &Listing::of([charge.with("status", to)])).await;
        let reasons: Vec<&str> = report.summary.left.keys().map(String::as_str).collect();
        assert_eq!(reasons, left.into_iter().collect::<Vec<_>>(), "{from} to {to}");
        let status = ledger.text("SELECT status FROM payments").await;
        assert_eq!(status, if left.is_some() { from } else { to });
    }
}
