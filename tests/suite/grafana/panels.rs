//! Every query of every dashboard runs, gives something, and gives what its panel shows.

use super::boards::{self, Board, Place};
use super::fit::{Answer, faults};
use super::look::{Look, answer, values};
use super::macros::Range;
use super::scenario::{World, world};
use crate::harness::Ledger;
use chrono::{DurationRound as _, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

/// What is empty after the scenario, and why that is right: (dashboard, place, why).
const EMPTY: [(&str, &str, &str); 0] = [];

/// The last 30 days in whole hours, with the one that has begun.
pub fn range() -> Range {
    let hour = Utc::now().duration_trunc(TimeDelta::hours(1)).unwrap();
    let (from, to) = (hour - TimeDelta::days(30), hour + TimeDelta::hours(1));
    Range { from, to, interval: "1h" }
}

/// Ways to look that together show everything that there is.
async fn looks(world: &World, ledger: &mut Ledger) -> Vec<Look> {
    let user = |from: &str| format!("SELECT min(user_id) FROM {from}");
    let waiting = ledger.text(&user("open_discrepancies")).await;
    let changed = user("audit_trail WHERE subscription_id IS NOT NULL AND outcome = 'applied'");
    let changed = ledger.text(&changed).await;
    let listed = "SELECT min(provider_id) FROM run_operations WHERE subject =";
    let payment = ledger.text(&format!("{listed} 'payment'")).await;
    let subscription = ledger.text(&format!("{listed} 'subscription'")).await;
    let suspicious = world.demo.planted[0].user_id.unwrap().to_string();
    vec![
        Look::default(),
        Look::at(&[("run", &world.first)]),
        Look::at(&[("run", &world.interrupted)]),
        Look::at(&[("run", &world.held)]),
        Look::at(&[("run", &world.conflicting)]),
        Look::at(&[("run", &world.failed)]),
        Look::at(&[("run", &world.dead)]),
        Look::at(&[("user", &suspicious)]),
        Look::at(&[("user", &waiting)]),
        Look::at(&[("user", &changed)]),
        Look::at(&[("user", "it's nobody")]),
        Look::at(&[("payment", &payment)]),
        Look::at(&[("subscription", &subscription)]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_runs_gives_a_row_and_fits_its_panel() {
    let (world, mut ledger, mut reader) = world().await;
    let looks = looks(world, &mut ledger).await;
    let mut found = Vec::new();
    for board in boards::all() {
        for place in board.places() {
            for fault in look_at(&mut reader, &board, &place, &looks).await {
                found.push(format!("{}, {}: {fault}", place.board, place.name));
            }
        }
    }
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
}

/// What is wrong with a place, whoever looks; and whether nobody sees anything.
async fn look_at(
    reader: &mut PgConnection,
    board: &Board,
    place: &Place,
    looks: &[Look],
) -> Vec<String> {
    // By target: the answer with all columns, and the rows that any look gives.
    let mut answers: Vec<Option<Answer>> = vec![None; place.targets.len()];
    for look in looks {
        let values = match values(reader, board, look, &range()).await {
            Ok(values) => values,
            Err(error) => return vec![error],
        };
        for (target, so_far) in place.targets.iter().zip(&mut answers) {
            match answer(reader, target, &values, &range()).await {
                Ok(answer) => match so_far {
                    Some(so_far) => so_far.rows.extend(answer.rows),
                    None => *so_far = Some(answer),
                },
                Err(error) => return vec![format!("{look:?}: {error}")],
            }
        }
    }
    let answers: Vec<Answer> = answers.into_iter().flatten().collect();
    let is_empty = answers.iter().any(|answer| !answer.rows.iter().any(says_something));
    let excused = EMPTY.iter().any(|(board, name, _)| *board == place.board && *name == place.name);
    let mut faults = match &place.kind {
        // The same option is seen by every look.
        boards::Kind::Variable => Vec::new(),
        _ => faults(place, &answers),
    };
    if is_empty != excused {
        let word = if excused { "not empty any more" } else { "empty" };
        faults.push(format!("it is {word}"));
    }
    faults
}

/// A row of nulls, zeros and times shows that nothing was there.
fn says_something(row: &Value) -> bool {
    let says = |value: &Value| !value.is_null() && value.as_f64() != Some(0.0);
    row.as_object().is_some_and(|row| row.iter().any(|(name, value)| name != "time" && says(value)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_of_every_variable_are_there_once_and_none_is_lost() {
    let (_, _ledger, mut reader) = world().await;
    for board in boards::all() {
        let values = values(&mut reader, &board, &Look::default(), &range()).await.unwrap();
        for place in board.places() {
            if matches!(place.kind, boards::Kind::Variable) {
                let answer = answer(&mut reader, &place.targets[0], &values, &range()).await;
                let found = faults(&place, &[answer.unwrap()]);
                assert!(found.is_empty(), "{}, {}: {found:?}", place.board, place.name);
            }
        }
    }
}
