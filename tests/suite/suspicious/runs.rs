//! What a run records of what the rules find.

use super::{assess, fail, of, pay};
use crate::harness::{Charge, Ledger, Listing, environment, request};
use payment_monitor::domain::Status;
use payment_monitor::reconcile::Limit;
use payment_monitor::run::{Request, run};
use tempfile::TempDir;

const FINDINGS: &str = "SELECT count(*) FROM payment_monitor_findings WHERE rule = 'many_failures'";

#[tokio::test]
async fn a_finding_is_recorded_once_and_again_when_it_got_worse() {
    let mut ledger = Ledger::with_users(2).await;
    fail(&mut ledger, 1, 7, 20.0).await;
    fail(&mut ledger, 2, 5, 20.0).await;
    let first = assess(&ledger).await;
    assert_eq!((of(&first, "many_failures").found, of(&first, "many_failures").new), (1, 1));
    let row = "SELECT concat_ws(' ', user_id, severity, value, threshold, time_window, reason)
        FROM suspicious_activity WHERE rule = 'many_failures'";
    assert_eq!(ledger.text(row).await, "1 warning 7 6 01:00:00 7 failed payments within 1 hour");

    let second = assess(&ledger).await;
    assert_eq!((of(&second, "many_failures").found, of(&second, "many_failures").new), (1, 0));
    fail(&mut ledger, 1, 2, 5.0).await;
    let third = assess(&ledger).await;
    assert_eq!((of(&third, "many_failures").found, of(&third, "many_failures").new), (1, 1));
    assert_eq!(ledger.number(FINDINGS).await, 2);
    let latest = "SELECT string_agg(value || ' ' || is_latest, ', ' ORDER BY finding_id)
        FROM suspicious_activity WHERE rule = 'many_failures'";
    assert_eq!(ledger.text(latest).await, "7 false, 9 true");
}

#[tokio::test]
async fn a_second_attack_is_a_finding_of_its_own_even_if_it_is_smaller() {
    let mut ledger = Ledger::with_users(1).await;
    fail(&mut ledger, 1, 12, 4_000.0).await;
    assert_eq!(of(&assess(&ledger).await, "many_failures").new, 1);
    fail(&mut ledger, 1, 7, 2.0).await;
    let second = assess(&ledger).await;
    assert_eq!((of(&second, "many_failures").found, of(&second, "many_failures").new), (2, 1));
    let values = "SELECT string_agg(value || ' ' || is_latest, ', ' ORDER BY finding_id)
        FROM suspicious_activity WHERE rule = 'many_failures'";
    assert_eq!(ledger.text(values).await, "12 true, 7 true");
    fail(&mut ledger, 1, 1, 1.0).await;
    assert_eq!(of(&assess(&ledger).await, "many_failures").new, 1, "8 is more than a tenth worse");
}

#[tokio::test]
async fn no_row_keeps_a_rule_from_being_evaluated() {
    let mut ledger = Ledger::with_users(2).await;
    pay(&mut ledger, 2, &[(9_000.0, "succeeded", 3_000, "c")]).await;
    pay(&mut ledger, 2, &[(30.0, "failed", 1_000_000_000_000_000_000, "c")]).await;
    for code in ["a", "b", "b", "c"] {
        fail(&mut ledger, 1, 10, 20.0).await;
        let name = format!("UPDATE payments SET failure_code = '{code}' WHERE user_id = 1");
        ledger.sql(&(name + " AND failure_code = 'card_declined'")).await;
    }
    ledger.sql("ALTER TABLE payments DROP CONSTRAINT payments_user_id_fkey").await;
    ledger.sql("UPDATE payments SET user_id = 77 WHERE user_id = 1").await;
    ledger
        .sql(
            "UPDATE payment_monitor_rules SET threshold = 0.4878
            WHERE name = 'dominant_failure_code'",
        )
        .await;
    let assessment = assess(&ledger).await;
    assert_eq!(assessment.unevaluated().collect::<Vec<_>>(), []);
    assert_eq!(of(&assessment, "many_failures").new, 1);
}

#[tokio::test]
async fn what_a_run_found_stays_on_record_with_the_run() {
    let mut ledger = Ledger::with_users(1).await;
    fail(&mut ledger, 1, 7, 20.0).await;
    let assessment = assess(&ledger).await;
    let recorded = "SELECT details FROM payment_monitor_events e
        JOIN payment_monitor_jobs j ON j.id = e.job_id WHERE kind = 'assessment'";
    let recorded = ledger.text(recorded).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&recorded).unwrap(), {
        serde_json::to_value(&assessment).unwrap()
    });
    let by = "SELECT count(*) FROM payment_monitor_findings f JOIN payment_monitor_jobs j
        ON j.id = f.job_id WHERE j.execution_status = 'succeeded'";
    assert_eq!(ledger.number(by).await, i64::try_from(assessment.news()).unwrap());
    for statement in [
        "UPDATE payment_monitor_findings SET value = 99",
        "DELETE FROM
        payment_monitor_findings",
        "TRUNCATE payment_monitor_findings",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut ledger.admin).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_is_named_and_the_others_are_evaluated() {
    let mut ledger = Ledger::with_users(1).await;
    ledger
        .sql(
            "CREATE FUNCTION payment_monitor_measure_broken(since timestamptz, until timestamptz,
                time_window interval, threshold numeric, at_least bigint)
            RETURNS TABLE (user_id bigint, failure_code text, first_at timestamptz,
                last_at timestamptz, value numeric, usual numeric, reason text)
            LANGUAGE sql AS $$ SELECT 1::bigint, NULL, now(), now(), 1 / 0::numeric, 1.0, 'x' $$;
            INSERT INTO payment_monitor_rules
            VALUES ('broken', 'divides', 'broken', '1 hour', 3, 1, 'info', true, 'a test')",
        )
        .await;
    fail(&mut ledger, 1, 7, 20.0).await;
    let assessment = assess(&ledger).await;
    let unevaluated: Vec<_> = assessment.unevaluated().collect();
    assert_eq!(unevaluated, [("broken", "22012")]);
    assert_eq!(of(&assessment, "many_failures").new, 1);
    assert_eq!(assessment.rules.len(), 9);
    ledger.sql("DROP FUNCTION payment_monitor_measure_broken").await;
    let error = of(&assess(&ledger).await, "broken").error.clone().unwrap();
    assert!(error.contains("23514"), "{error}");
    ledger.sql("UPDATE payment_monitor_rules SET enabled = false WHERE name = 'broken'").await;
    assert_eq!(assess(&ledger).await.unevaluated().count(), 0);
}

#[tokio::test]
async fn a_held_run_looks_too_and_payments_that_only_the_statement_had_are_seen() {
    let mut ledger = Ledger::with_users(1).await;
    // As many days ago as the statement is late: the look goes back a week.
    let now = ledger.text("SELECT extract(epoch FROM now())::bigint / 60").await;
    let now: i64 = now.parse().unwrap();
    let zero = crate::harness::time(0).timestamp() / 60;
    let late = now - zero - 3 * 24 * 60;
    let listing = Listing::of((0..8).map(|n| {
        Charge::new(&format!("ch_{n}"), late + n).failed("card_declined").with("amount", 4000 + n)
    }));
    let folder = TempDir::new().unwrap();
    let path = listing.write_unproven(folder.path());
    let (environment, _stopper) = environment(&ledger);
    let held = Request { max_changes: Limit::Rows(1), ..request(&path) };
    let held = run(&environment, held).await.unwrap().summary;
    assert_eq!((held.status, held.assessment.map(|a| a.news())), (Status::Held, Some(0)));
    let done = run(&environment, request(&path)).await.unwrap().summary;
    assert_eq!((done.status, done.error), (Status::Succeeded, None));
    assert_eq!(of(&done.assessment.unwrap(), "many_failures").new, 1);
}

#[tokio::test]
async fn the_look_reaches_back_to_the_last_one_where_that_is_longer_ago() {
    let mut ledger = Ledger::with_users(1).await;
    let first = assess(&ledger).await;
    assert_eq!((first.until - first.since).num_days(), 7);
    ledger
        .sql(
            "ALTER TABLE payment_monitor_events DISABLE TRIGGER ALL;
            UPDATE payment_monitor_events SET details = jsonb_set(details, '{until}',
                to_jsonb(now() - interval '20 days')) WHERE kind = 'assessment'",
        )
        .await;
    let second = assess(&ledger).await;
    assert_eq!((second.until - second.since).num_days(), 20);
    let broken = "UPDATE payment_monitor_events e SET details = jsonb_set(details,
            '{rules, 1, error}', to_jsonb('broken'::text))
        FROM (SELECT max(id::text)::uuid AS id FROM payment_monitor_events
            WHERE kind = 'assessment') latest
        WHERE e.id = latest.id";
    ledger.sql(broken).await;
    let third = assess(&ledger).await;
    assert_eq!((third.until - third.since).num_days(), 20, "one rule has 20 days to look at");
    let fourth = assess(&ledger).await;
    assert_eq!((fourth.until - fourth.since).num_days(), 7);
}

#[tokio::test]
async fn a_snoozed_finding_is_recorded_and_not_news_until_the_snooze_expires() {
    let mut ledger = Ledger::with_users(2).await;
    fail(&mut ledger, 1, 7, 20.0).await;
    let snooze = |until: &str| {
        format!(
            "INSERT INTO payment_monitor_events (id, occurred_at, kind, actor, reason, details)
            VALUES (payment_monitor_new_id(), now(), 'snooze', 'Ada', 'known', jsonb_build_object(
                'rule', 'many_failures', 'user_id', 1, 'until', {until}))"
        )
    };
    ledger.sql(&snooze("now() + interval '1 day'")).await;
    let assessment = assess(&ledger).await;
    let assessed = of(&assessment, "many_failures");
    assert_eq!((assessed.new, assessed.snoozed, assessed.news()), (1, 1, 0));
    let stands = "SELECT string_agg(is_snoozed::text, ' ') FROM suspicious_activity
        WHERE rule = 'many_failures'";
    assert_eq!(ledger.text(stands).await, "true");
    ledger.sql(&snooze("now() - interval '1 second'")).await;
    assert_eq!(ledger.text(stands).await, "false", "the last one counts, and has expired");
    pay(&mut ledger, 2, &[(1.0, "failed", 100, "a")]).await;
    fail(&mut ledger, 1, 1, 2.0).await;
    assert_eq!(of(&assess(&ledger).await, "many_failures").news(), 1);
}
