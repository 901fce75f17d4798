//! A believable company, made from a seed: what its ledger holds, what its provider lists, and
//! how the two differ.
//!
//! Pure: the same seed and the same `now` give the same bytes. Nothing here reads a clock,
//! writes a file or knows SQL; the `demo` command and the tests do that with what comes out.

mod company;
mod declines;
mod differences;
mod expectation;
mod history;
mod pairs;
mod people;
mod planted;
mod provider;
mod random;
pub mod simulation;
mod statement;
#[cfg(test)]
mod tests;

pub use company::{Company, PaymentRow, SubscriptionRow, UserRow};
pub use differences::Listing;
pub use expectation::{Expectation, REFUSED_BY, Refusal};
pub use pairs::{Listed, Pair};
pub use people::{Money, Person};
pub use planted::{PATTERNS, Planted};
pub use statement::{ACCOUNT, File, Statement};

use chrono::{DateTime, Duration, SubsecRound, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// Both sides of a company, and what a comparison of them has to find.
#[derive(Debug, Clone)]
pub struct Demo {
    pub company: Company,
    pub statement: Statement,
    pub expected: Expectation,
    /// What no ordinary customer does, one instance of each of [`PATTERNS`], in their order.
    /// Its payments are equal on both sides.
    pub planted: Vec<Planted>,
}

/// When the company's history takes place. All times are whole seconds, as Stripe gives them.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: DateTime<Utc>,
    /// When the statement was taken: long enough before `now` that a row changed since then is
    /// newer than it by any margin for clock skew.
    as_of: DateTime<Utc>,
}

impl Times {
    fn at(now: DateTime<Utc>) -> Self {
        let now = now.trunc_subsecs(0);
        Self { now, as_of: now - Duration::minutes(30) }
    }

    /// The beginning (UTC) of the day this many days before today.
    fn midnight(self, days_ago: i64) -> DateTime<Utc> {
        let day = self.now.date_naive() - Duration::days(days_ago);
        day.and_time(chrono::NaiveTime::MIN).and_utc()
    }

    /// The first day of the payments' history, at midnight.
    fn first_payment(self) -> DateTime<Utc> {
        self.midnight(history::DAYS - 1)
    }

    /// Everything that both sides know happened before this: no row is young or unsettled.
    fn quiet_since(self) -> DateTime<Utc> {
        self.as_of - Duration::hours(2)
    }

    /// `wanted`, or the latest time that both sides know of.
    fn no_later_than_quiet(self, wanted: DateTime<Utc>) -> DateTime<Utc> {
        wanted.min(self.quiet_since())
    }
}

/// What happened, before the two sides are made to differ.
struct Events {
    people: Vec<people::Person>,
    subscriptions: Vec<SubscriptionRow>,
    /// Payments of everyone who does nothing unusual.
    ordinary: Vec<PaymentRow>,
    planting: planted::Planting,
}

fn events(rng: &mut ChaCha20Rng, times: Times) -> Events {
    let mut people = people::sign_up(rng, times);
    planted::join(rng, times, &mut people);
    let subscriptions = people::subscribe(rng, times, &people);
    let ordinary = history::of(rng, times, &people);
    let planting = planted::plant(rng, times, &people, &ordinary);
    Events { people, subscriptions, ordinary, planting }
}

/// Makes the company and its provider's statement as they are at `now`.
pub fn generate(seed: u64, now: DateTime<Utc>) -> Demo {
    let rng = &mut ChaCha20Rng::seed_from_u64(seed);
    let times = Times::at(now);
    let events = events(rng, times);
    let planted = events.planting.planted.clone();
    let (company, listing, expected) = differences::spread(rng, times, events);
    // Before the oldest record of any kind, so that what the statement leaves out is missing
    // rather than out of its sight.
    let since = times.now - Duration::days(400);
    let statement = statement::package(times.as_of, Some(since), &listing);
    Demo { company, statement, expected, planted }
}

/// Both sides at `now` as records, for who goes on from there: the company, its customers as
/// the provider knows them, and what the provider lists.
pub fn both_sides(seed: u64, now: DateTime<Utc>) -> (Company, Vec<Person>, Listing) {
    let rng = &mut ChaCha20Rng::seed_from_u64(seed);
    let times = Times::at(now);
    let events = events(rng, times);
    let people = events.people.clone();
    let (company, listing, _) = differences::spread(rng, times, events);
    (company, people, listing)
}
