//! The loop over every point of a program's talk with PostgreSQL.

use crate::campaign::{Campaign, Tried, caught};
use crate::harness::proxy::{Moment, Point};
use crate::stage::Stage;

/// So many points at which something did not hold are told; then the rest is not tried.
const FAILURES_MAX: usize = 5;

/// No program that is tried says more.
const FLUSHES_MAX: u64 = 2_000;

/// What came of an attempt at a point.
pub enum Course {
    /// The talk was held there, at this statement.
    Held(String),
    /// The program had ended before.
    Over,
}

impl Course {
    /// The program ended by itself: what must hold then, holds.
    pub async fn over(mut stage: Stage) -> Self {
        stage.check().await;
        stage.remove().await;
        Self::Over
    }
}

/// Does something at each flush, until the program ends before it comes to its n-th. The long
/// form does it at every moment of each; the short one at one, in turn, but at every moment of
/// those whose statement contains one of `closely` (and of some campaigns not at every flush).
pub async fn each<Trying: Future<Output = Course>>(
    campaign: &Campaign,
    closely: &[&str],
    try_at: impl Fn(Point, Moment, u64) -> Trying,
) -> Tried {
    let (mut times, mut last, mut failures) = (0, 0, Vec::new());
    for flush in 1..=FLUSHES_MAX {
        if !campaign.takes(flush) {
            continue;
        }
        let mut moments = Moment::ALL;
        moments.rotate_left(
            usize::try_from((flush / campaign.every + campaign.seed / campaign.every) % 3).unwrap(),
        );
        let mut is_close = campaign.is_long();
        for (position, moment) in moments.into_iter().enumerate() {
            let point = format!("message {flush}, {moment:?}");
            if position > 0 && !is_close || !campaign.is_wanted(&point) {
                continue;
            }
            campaign.tell(&point);
            match caught(try_at(Point::Flush(flush), moment, times)).await {
                Ok(Course::Held(sql)) => is_close |= closely.iter().any(|text| sql.contains(text)),
                Ok(Course::Over) => {
                    assert!(failures.is_empty(), "{}", failures.join("\n  "));
                    return Tried { times, note: format!("{last} messages") };
                }
                Err(why) => failures.push(format!("at {point}: {why}")),
            }
            assert!(failures.len() < FAILURES_MAX, "{}", failures.join("\n  "));
            (times, last) = (times + 1, flush);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n  "));
    assert!(campaign.at.is_some(), "the program never ends before its n-th message");
    Tried { times, note: "some points only".to_owned() }
}
