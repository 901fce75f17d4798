//! What the numbers say is true: key panels, against the scenario and the tables themselves.

use super::boards::{Board, targets};
use super::look::{Look, answer, values};
use super::panels::range;
use super::scenario::world;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// The rows of a panel.
async fn rows(reader: &mut PgConnection, board: &str, title: &str, look: &Look) -> Vec<Value> {
    let board = Board::named(board);
    let values = values(reader, &board, look, &range()).await.unwrap();
    let target = targets(board.panel(title)).remove(0);
    answer(reader, &target, &values, &range()).await.unwrap().rows
}

/// The one number of a panel.
async fn number(reader: &mut PgConnection, board: &str, title: &str, look: &Look) -> Value {
    let rows = rows(reader, board, title, look).await;
    let [row] = &rows[..] else { panic!("{title}: {rows:?}") };
    let numbers = row.as_object().unwrap().values().find(|value| value.is_number());
    numbers.unwrap_or_else(|| panic!("{title}: {row}")).clone()
}

/// The sum of a column.
fn sum(rows: &[Value], column: &str) -> i64 {
    rows.iter().map(|row| row[column].as_i64().unwrap()).sum()
}

/// How many rows of a panel have each value of a column.
fn counted(rows: &[Value], column: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row[column].as_str().unwrap_or("null").to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_counted_by_how_they_ended_and_those_that_need_somebody_are_named() {
    let (world, _ledger, mut reader) = world().await;
    let look = Look::default();
    for (title, expected) in [
        ("Runs that did not succeed", 5),
        ("Held runs that wait for a decision", 1),
        ("Runs whose process has died", 1),
    ] {
        assert_eq!(number(&mut reader, "runs", title, &look).await, expected, "{title}");
    }
    let all = rows(&mut reader, "runs", "Runs, newest first", &look).await;
    let statuses = counted(&all, "Status");
    let expected = [
        ("failed", 1),
        ("held", 3),
        ("interrupted", 1),
        ("running", 1),
        ("skipped", 1),
        ("succeeded", 2),
    ];
    assert_eq!(statuses, expected.map(|(status, runs)| (status.to_owned(), runs)).into());
    let started = rows(&mut reader, "runs", "Are runs succeeding?", &look).await;
    let of = |status: &str| {
        let points = started.iter().filter(|row| row["metric"] == status);
        points.map(|row| row["runs"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((of("succeeded"), of("held"), of("skipped")), (2, 3, 1));
    let needing = rows(&mut reader, "runs", "Runs that need somebody", &look).await;
    let runs: Vec<&str> = needing.iter().map(|row| row["run_id"].as_str().unwrap()).collect();
    assert_eq!(runs, [&world.dead, &world.interrupted, &world.held]);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_where_their_outcome_says() {
    let (world, _ledger, mut reader) = world().await;
    let expected = &world.demo.expected;
    // Completed, failed, in conflict, never done: of whom how many.
    let runs = [
        (&world.first, expected.applied(), expected.refused, 0, 0),
        (&world.conflicting, 3, 0, 1, 0),
        // The two that were in flight.
        (&world.interrupted, 2, 0, 0, 4),
        (&world.dead, 0, 0, 0, 4),
    ];
    for (run, applied, failed, conflict, undone) in runs {
        let look = Look::at(&[("run", run)]);
        for (title, count) in [
            ("Operations completed", applied),
            ("Operations failed", failed),
            ("Operations in conflict", conflict),
            ("Operations never done", undone),
        ] {
            let said = number(&mut reader, "run", title, &look).await;
            assert_eq!(said, count, "{title} of {run}");
        }
        let tables = [
            ("Completed: the row before and after", applied),
            ("Failed and in conflict: nothing was changed", failed + conflict),
            ("Never done: no effect was left", undone),
        ];
        for (title, count) in tables {
            let listed = rows(&mut reader, "run", title, &look).await;
            assert_eq!(listed.len() as u64, count, "{title} of {run}");
        }
    }
    let look = Look::at(&[("run", &world.conflicting)]);
    let title = "Failed and in conflict: nothing was changed";
    let conflict = &rows(&mut reader, "run", title, &look).await[0];
    assert_eq!(conflict["Was to change"], "failure_code: expired_card → do_not_honor");
    assert_eq!(conflict["Found otherwise"], "disputed: false → true");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_their_rate_are_those_of_the_payments() {
    let (world, mut ledger, mut reader) = world().await;
    let range = range();
    let of = |what: &str, more: &str| {
        format!(
            "SELECT {what} FROM payments WHERE removed_at IS NULL AND created_at >= '{}'
                AND created_at < '{}' {more}",
            range.from, range.to
        )
    };
    let failed = "AND status = 'failed'";
    let failures = ledger.number(&of("count(*)", failed)).await;
    assert!(failures > 100);
    let look = Look::default();
    let said = number(&mut reader, "payment-failures", "Failed attempts", &look).await;
    assert_eq!(said, failures);
    let said = number(&mut reader, "payment-failures", "How many attempts fail", &look).await;
    let rate = "count(*) FILTER (WHERE status = 'failed')::float8 / count(*)";
    let rate: f64 = ledger.text(&of(rate, "")).await.parse().unwrap();
    assert!((said.as_f64().unwrap() - rate).abs() < 1e-9, "{said}, not {rate}");
    let users = ledger.number(&of("count(DISTINCT user_id)", failed)).await;
    let said = number(&mut reader, "payment-failures", "Users with a failed attempt", &look).await;
    assert_eq!(said, users);

    let codes = rows(&mut reader, "payment-failures", "Which codes do failures have?", &look).await;
    assert_eq!(sum(&codes, "failures"), failures);
    let chosen = Look::at(&[("code", "insufficient_funds")]);
    let codes =
        rows(&mut reader, "payment-failures", "Which codes do failures have?", &chosen).await;
    let of_code = format!("{failed} AND failure_code = 'insufficient_funds'");
    let of_code = ledger.number(&of("count(*)", &of_code)).await;
    assert_eq!(sum(&codes, "failures"), of_code);
    assert!(of_code > 0);

    let user = world.demo.planted[0].user_id.unwrap().to_string();
    let of_user = ledger.number(&of("count(*)", &format!("{failed} AND user_id = {user}"))).await;
    let look = Look::at(&[("user", &user)]);
    let said = number(&mut reader, "user", "Failed attempts", &look).await;
    assert_eq!(said, of_user);
    assert!(of_user >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_finds_what_is_asked_for_and_only_that() {
    let (world, mut ledger, mut reader) = world().await;
    let results = |wanted: &str| format!("SELECT count(*) FROM payment_monitor_results {wanted}");
    let title = "What was done, newest first";
    let all = ledger.number(&results("")).await;
    let look = Look::default();
    assert_eq!(number(&mut reader, "audit-trail", "Results found", &look).await, all);
    let failed = ledger.number(&results("WHERE outcome = 'failed'")).await;
    assert_eq!(number(&mut reader, "audit-trail", "Of these failed", &look).await, failed);
    let refused =
        rows(&mut reader, "audit-trail", title, &Look::at(&[("outcome", "failed")])).await;
    let error = refused[0]["Error"].as_str().unwrap();
    assert!(error.contains(demo_constraint()), "{error}");

    let payment = "SELECT max(payment_id) FROM payment_monitor_results WHERE outcome = 'conflict'";
    let payment = ledger.text(payment).await;
    let provider = format!("SELECT provider_payment_id FROM payments WHERE id = {payment}");
    let provider = ledger.text(&provider).await;
    let of_it = ledger.number(&results(&format!("WHERE payment_id = {payment}"))).await;
    for id in [&payment, &provider] {
        let look = Look::at(&[("payment", id)]);
        let story = "What happened to this one, from the beginning";
        let found = rows(&mut reader, "audit-trail", story, &look).await;
        assert_eq!(i64::try_from(found.len()).unwrap(), of_it, "{id}");
        let times: Vec<&str> = found.iter().map(|row| row["At"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    let run =
        rows(&mut reader, "audit-trail", title, &Look::at(&[("run", &world.interrupted)])).await;
    assert_eq!(run.len(), 2);
}

fn demo_constraint() -> &'static str {
    payment_monitor::demo::REFUSED_BY.constraint
}
