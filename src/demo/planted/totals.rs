//! The patterns that show in the total only: each customer and guest has one more payment.
//!
//! In a company's history each has a day on which no user was made to do anything unusual.

use super::{attempt, fate, moments};
use crate::demo::company::PaymentRow;
use crate::demo::declines::{self, Decline};
use crate::demo::history::{self, Buyer};
use crate::demo::people::Person;
use crate::demo::{Times, random};
use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use std::collections::HashSet;

/// How a pattern comes about among ordinary customers.
pub(in crate::demo) struct Kind {
    pub pattern: &'static str,
    /// The code with which nearly all of the failures came.
    pub failure_code: Option<&'static str>,
    /// When it begins.
    pub starts: fn(&mut ChaCha20Rng, Times) -> DateTime<Utc>,
    /// The payments from then on that show the pattern, in order.
    pub happens: fn(&mut ChaCha20Rng, DateTime<Utc>, &mut Crowd) -> Vec<PaymentRow>,
}

const FAILURE_RATE_DAYS_AGO: i64 = 1;
const DOMINANT_CODE_DAYS_AGO: i64 = 6;
const DOMINANT_CODE: &str = "processing_error";
const GUESTS_PERCENT: u32 = 25;

pub(in crate::demo) const KINDS: [Kind; 2] = [
    Kind {
        pattern: "failure_rate",
        failure_code: None,
        starts: in_a_full_hour,
        happens: issuer_in_trouble,
    },
    Kind {
        pattern: "dominant_failure_code",
        failure_code: Some(DOMINANT_CODE),
        starts: in_busy_hours,
        happens: processor_in_trouble,
    },
];

/// Customers who can have a failure more and stay ordinary, each drawn once.
pub(in crate::demo) struct Crowd<'a> {
    waiting: Vec<&'a Person>,
}

impl<'a> Crowd<'a> {
    /// Of these, in this order from the last one on.
    pub fn of(waiting: Vec<&'a Person>) -> Self {
        Self { waiting }
    }

    /// Who signed up before the last two weeks, and had no failure in the last eight days.
    pub fn gather(
        rng: &mut ChaCha20Rng,
        times: Times,
        people: &'a [Person],
        ordinary: &[PaymentRow],
    ) -> Self {
        let ago = |days| times.now - Duration::days(days);
        let lately = ordinary.iter().filter(|payment| payment.created_at > ago(8));
        let failed: HashSet<i64> =
            lately.filter(|p| p.status == "failed").filter_map(|p| p.user_id).collect();
        let suits = |person: &&Person| {
            person.planted.is_none()
                && person.user.created_at < ago(14)
                && !failed.contains(&person.user.id)
        };
        let mut waiting: Vec<&Person> = people.iter().filter(suits).collect();
        waiting.shuffle(rng);
        Self { waiting }
    }

    /// One payment of the next of them, or of a guest.
    fn pays(
        &mut self,
        rng: &mut ChaCha20Rng,
        at: DateTime<Utc>,
        decline: Option<&Decline>,
    ) -> PaymentRow {
        let guest = random::chance(rng, GUESTS_PERCENT);
        let person = if guest { None } else { self.waiting.pop() };
        let buyer = person.map_or_else(|| Buyer::guest(rng), Buyer::customer);
        let amount = history::draw_amount(rng, buyer.currency);
        attempt(rng, at, &buyer, amount, decline)
    }
}

fn in_a_full_hour(rng: &mut ChaCha20Rng, times: Times) -> DateTime<Utc> {
    times.midnight(FAILURE_RATE_DAYS_AGO) + Duration::hours(rng.random_range(9..=18))
}

/// A card issuer's trouble: for one full hour more than half of all payments fail.
fn issuer_in_trouble(
    rng: &mut ChaCha20Rng,
    hour: DateTime<Utc>,
    crowd: &mut Crowd,
) -> Vec<PaymentRow> {
    let attempts = rng.random_range(40..=60);
    let fails = fate(rng, attempts, attempts * 3 / 5);
    moments(rng, hour, Duration::hours(1), attempts)
        .into_iter()
        .zip(fails)
        .map(|(at, fails)| {
            let decline = fails.then(|| declines::ordinary(rng));
            crowd.pays(rng, at, decline)
        })
        .collect()
}

fn in_busy_hours(rng: &mut ChaCha20Rng, times: Times) -> DateTime<Utc> {
    times.midnight(DOMINANT_CODE_DAYS_AGO) + Duration::hours(rng.random_range(8..=16))
}

/// The processor's trouble: for three busy hours half of the payments fail, and nearly all of
/// those with one code.
fn processor_in_trouble(
    rng: &mut ChaCha20Rng,
    hour: DateTime<Utc>,
    crowd: &mut Crowd,
) -> Vec<PaymentRow> {
    let failures = rng.random_range(25..=35);
    let mut with_another_code = rng.random_range(0..=2);
    let fails = fate(rng, failures * 2, failures);
    moments(rng, hour, Duration::hours(3), failures * 2)
        .into_iter()
        .zip(fails)
        .map(|(at, fails)| {
            let decline = fails.then(|| {
                if with_another_code == 0 {
                    return declines::of_code(DOMINANT_CODE);
                }
                with_another_code -= 1;
                declines::another(rng, Some(DOMINANT_CODE))
            });
            crowd.pays(rng, at, decline)
        })
        .collect()
}
