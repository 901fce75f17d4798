//! What no ordinary customer does, planted among what ordinary customers do: one instance of
//! each suspicious pattern, for the rules that look for them to be measured against.
//!
//! Either one user, made for it, shows a pattern (`users`), or payments of many ordinary
//! customers and guests show it together (`totals`). A user made for one pattern may show
//! others too: who tries out cards also fails often.

pub(super) mod totals;
pub(super) mod users;

use super::company::PaymentRow;
use super::declines::Decline;
use super::history::Buyer;
use super::people::{self, Money, Person};
use super::{Times, random};
use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

/// The names of all patterns, in the order of [`Demo::planted`](super::Demo::planted): first
/// those of a user, then those of the total.
pub const PATTERNS: [&str; 8] = [
    "many_failures",
    "many_payment_methods",
    "small_amounts",
    "success_after_failures",
    "failures_after_signup",
    "unlike_own_past",
    "failure_rate",
    "dominant_failure_code",
];

/// One instance of suspicious activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planted {
    /// One of [`PATTERNS`].
    pub pattern: &'static str,
    /// Whose activity it is; none where it is that of many customers and guests.
    pub user_id: Option<i64>,
    /// The code with which nearly all of it failed, where the pattern is about one.
    pub failure_code: Option<&'static str>,
    /// Its first payment, and its last.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Everything planted.
#[derive(Debug, Default)]
pub(super) struct Planting {
    pub planted: Vec<Planted>,
    /// The payments that show the patterns, and the past of the users made for one.
    pub payments: Vec<PaymentRow>,
}

/// The users made for a pattern sign up, and take the places in the ids that their times give.
pub(super) fn join(rng: &mut ChaCha20Rng, times: Times, people: &mut Vec<Person>) {
    for kind in &users::KINDS {
        let joined = (kind.joined)(rng, times);
        let person = Person {
            activity: 0,
            // What is a small and what a large amount is then plain to see.
            currency: Money::dollars(),
            planted: Some(kind.pattern),
            ..people::person(rng, joined)
        };
        let at = people.partition_point(|other| other.user.created_at < joined);
        people.insert(at, person);
    }
    people::number(people);
}

/// All that happens in addition to the `ordinary` payments.
pub(super) fn plant(
    rng: &mut ChaCha20Rng,
    times: Times,
    people: &[Person],
    ordinary: &[PaymentRow],
) -> Planting {
    let mut planting = Planting::default();
    for kind in &users::KINDS {
        let made_for_it = |person: &&Person| person.planted == Some(kind.pattern);
        let person = people.iter().find(made_for_it).expect("a user who joined for it");
        planting.payments.extend(users::past(rng, times, person, &kind.past));
        let starts = (kind.starts)(rng, times, person);
        let payments = (kind.acts)(rng, starts, person);
        planting.add(kind.pattern, Some(person.user.id), None, payments);
    }
    let mut crowd = totals::Crowd::gather(rng, times, people, ordinary);
    for kind in &totals::KINDS {
        let starts = (kind.starts)(rng, times);
        let payments = (kind.happens)(rng, starts, &mut crowd);
        planting.add(kind.pattern, None, kind.failure_code, payments);
    }
    planting
}

impl Planting {
    fn add(
        &mut self,
        pattern: &'static str,
        user_id: Option<i64>,
        failure_code: Option<&'static str>,
        payments: Vec<PaymentRow>,
    ) {
        let (Some(first), Some(last)) = (payments.first(), payments.last()) else {
            unreachable!("every pattern is made of payments");
        };
        let (from, to) = (first.created_at, last.created_at);
        self.planted.push(Planted { pattern, user_id, failure_code, from, to });
        self.payments.extend(payments);
    }
}

/// A payment that went through, or failed for this reason.
pub(super) fn attempt(
    rng: &mut ChaCha20Rng,
    at: DateTime<Utc>,
    buyer: &Buyer,
    amount_minor: i64,
    decline: Option<&Decline>,
) -> PaymentRow {
    let mut payment = buyer.pays(rng, at, amount_minor);
    if let Some(decline) = decline {
        payment.make_failed(decline);
    }
    payment
}

/// This many times in order, one anywhere in each of as many equal parts of the span.
fn moments(
    rng: &mut ChaCha20Rng,
    from: DateTime<Utc>,
    span: Duration,
    count: usize,
) -> Vec<DateTime<Utc>> {
    let (seconds, parts) = (span.num_seconds(), i64::try_from(count).expect("a small count"));
    let moment = |part| (part * seconds + rng.random_range(0..seconds)) / parts;
    (0..parts).map(moment).map(|second| from + Duration::seconds(second)).collect()
}

/// In no particular order, which of so many attempts fail.
fn fate(rng: &mut ChaCha20Rng, attempts: usize, failures: usize) -> Vec<bool> {
    let mut fails: Vec<bool> = (0..attempts).map(|attempt| attempt < failures).collect();
    fails.shuffle(rng);
    fails
}

/// Someone who pays with a card that nobody has used before.
fn with_another_card(rng: &mut ChaCha20Rng, person: &Person) -> Buyer {
    Buyer { cards: vec![random::fingerprint(rng)], ..Buyer::customer(person) }
}
