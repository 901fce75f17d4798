//! The patterns that one user shows, each with a user made for it.
//!
//! In a company's history they act two to five days before today: at any time of day that is
//! within the last week, and more than a day ago.

use super::{attempt, fate, moments, with_another_card};
use crate::demo::company::PaymentRow;
use crate::demo::history::Buyer;
use crate::demo::people::Person;
use crate::demo::{Times, declines, history, random};
use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use std::ops::RangeInclusive;

type Joined = fn(&mut ChaCha20Rng, Times) -> DateTime<Utc>;
type Starts = fn(&mut ChaCha20Rng, Times, &Person) -> DateTime<Utc>;
type Acts = fn(&mut ChaCha20Rng, DateTime<Utc>, &Person) -> Vec<PaymentRow>;

/// How a user comes to show a pattern.
pub(in crate::demo) struct Kind {
    pub pattern: &'static str,
    /// When the user signs up.
    pub joined: Joined,
    /// How many payments the user made in the weeks before.
    pub past: RangeInclusive<usize>,
    /// When the user begins to act.
    pub starts: Starts,
    /// The payments from then on that show the pattern, in order.
    pub acts: Acts,
}

const MANY_FAILURES_DAYS_AGO: i64 = 2;
const MANY_PAYMENT_METHODS_DAYS_AGO: i64 = 3;
const SMALL_AMOUNTS_DAYS_AGO: i64 = 4;
const SUCCESS_AFTER_FAILURES_DAYS_AGO: i64 = 5;
const SIGNUP_DAYS_AGO: i64 = 3;
const UNLIKE_OWN_PAST_DAYS_AGO: i64 = 5;
const UNLIKE_OWN_PAST_DAYS: usize = 4;

/// Too few payments to tell what is usual for a user, enough to tell, and those of a newcomer.
const SHORT_PAST: RangeInclusive<usize> = 5..=9;
const LONG_PAST: RangeInclusive<usize> = 28..=34;
const NO_PAST: RangeInclusive<usize> = 0..=0;

#[rustfmt::skip]
pub(in crate::demo) const KINDS: [Kind; 6] = [
    kind("many_failures", long_ago, SHORT_PAST, by_day::<MANY_FAILURES_DAYS_AGO>, fail_often),
    kind("many_payment_methods", long_ago, SHORT_PAST, by_day::<MANY_PAYMENT_METHODS_DAYS_AGO>,
        use_many_cards),
    kind("small_amounts", before_the_test, NO_PAST, at_night, test_cards),
    kind("success_after_failures", long_ago, SHORT_PAST, by_day::<SUCCESS_AFTER_FAILURES_DAYS_AGO>,
        succeed_at_last),
    kind("failures_after_signup", for_one_day, NO_PAST, from_the_start, fail_all_day),
    kind("unlike_own_past", long_ago, LONG_PAST, at_midnight, fail_day_after_day),
];

const fn kind(
    pattern: &'static str,
    joined: Joined,
    past: RangeInclusive<usize>,
    starts: Starts,
    acts: Acts,
) -> Kind {
    Kind { pattern, joined, past, starts, acts }
}

impl Kind {
    /// Whether the user has to be new to show the pattern.
    pub fn is_of_a_newcomer(&self) -> bool {
        *self.past.end() == 0
    }
}

/// Before the first payment of the history.
fn long_ago(rng: &mut ChaCha20Rng, times: Times) -> DateTime<Utc> {
    times.now - Duration::minutes(rng.random_range(90 * 24 * 60..330 * 24 * 60))
}

/// Good payments, at most one failure among them, evenly over the weeks until a week ago.
pub(super) fn past(
    rng: &mut ChaCha20Rng,
    times: Times,
    person: &Person,
    payments: &RangeInclusive<usize>,
) -> Vec<PaymentRow> {
    let payments = rng.random_range(payments.clone());
    let failures = usize::from(payments > 0 && random::chance(rng, 50));
    let from = times.now - Duration::days(history::DAYS - 1);
    let fails = fate(rng, payments, failures);
    let moments = moments(rng, from, Duration::days(history::DAYS - 10), payments);
    ordinary(rng, person, moments, fails)
}

/// Attempts with the customer's own cards and ordinary amounts, of which these fail.
fn ordinary(
    rng: &mut ChaCha20Rng,
    person: &Person,
    moments: Vec<DateTime<Utc>>,
    fails: Vec<bool>,
) -> Vec<PaymentRow> {
    moments
        .into_iter()
        .zip(fails)
        .map(|(at, fails)| {
            let decline = fails.then(|| declines::ordinary(rng));
            let cents = ordinary_cents(rng);
            attempt(rng, at, &Buyer::customer(person), cents, decline)
        })
        .collect()
}

/// Neither small nor large.
fn ordinary_cents(rng: &mut ChaCha20Rng) -> i64 {
    rng.random_range(2_000..18_000)
}

/// Some time in the working hours of a day.
fn by_day<const DAYS_AGO: i64>(rng: &mut ChaCha20Rng, times: Times, _: &Person) -> DateTime<Utc> {
    times.midnight(DAYS_AGO) + Duration::minutes(rng.random_range(9 * 60..15 * 60))
}

/// One purchase, tried again and again with the user's own cards, and given up.
fn fail_often(rng: &mut ChaCha20Rng, from: DateTime<Utc>, person: &Person) -> Vec<PaymentRow> {
    let attempts = rng.random_range(9..=14);
    let cents = ordinary_cents(rng);
    moments(rng, from, Duration::minutes(58), attempts)
        .into_iter()
        .map(|at| {
            let decline = declines::ordinary(rng);
            attempt(rng, at, &Buyer::customer(person), cents, Some(decline))
        })
        .collect()
}

/// Purchases that mostly go through, each with another card.
fn use_many_cards(rng: &mut ChaCha20Rng, from: DateTime<Utc>, person: &Person) -> Vec<PaymentRow> {
    let cards = rng.random_range(8..=12);
    let failures = rng.random_range(0..=3);
    let fails = fate(rng, cards, failures);
    moments(rng, from, Duration::minutes(5 * 60 + 30), cards)
        .into_iter()
        .zip(fails)
        .map(|(at, fails)| {
            let buyer = with_another_card(rng, person);
            let decline = fails.then(|| declines::ordinary(rng));
            let cents = ordinary_cents(rng);
            attempt(rng, at, &buyer, cents, decline)
        })
        .collect()
}

const CARDS: std::ops::Range<usize> = 58..74;
const CARDS_THAT_WORK: usize = 2;

fn test_starts(times: Times) -> DateTime<Utc> {
    times.midnight(SMALL_AMOUNTS_DAYS_AGO) + Duration::minutes(2 * 60 + 40)
}

fn at_night(_: &mut ChaCha20Rng, times: Times, _: &Person) -> DateTime<Utc> {
    test_starts(times)
}

/// Whoever tests cards signs up hours before.
fn before_the_test(rng: &mut ChaCha20Rng, times: Times) -> DateTime<Utc> {
    test_starts(times) - Duration::minutes(rng.random_range(60..600))
}

/// Card testing: someone with a list of stolen numbers tries each of them with a tiny amount,
/// to learn which still work. All but one or two do not.
fn test_cards(rng: &mut ChaCha20Rng, from: DateTime<Utc>, person: &Person) -> Vec<PaymentRow> {
    let cards = rng.random_range(CARDS);
    let mut at = from;
    let mut works = vec![false; cards];
    for _ in 0..CARDS_THAT_WORK {
        works[rng.random_range(cards / 2..cards)] = true;
    }
    works
        .into_iter()
        .map(|works| {
            at += Duration::seconds(rng.random_range(8..110));
            let cents = rng.random_range(50..200);
            let decline = (!works).then(|| declines::card_testing(rng));
            let buyer = with_another_card(rng, person);
            attempt(rng, at, &buyer, cents, decline)
        })
        .collect()
}

/// A purchase for a lot of money, with one stolen card after the other until one works.
fn succeed_at_last(rng: &mut ChaCha20Rng, from: DateTime<Utc>, person: &Person) -> Vec<PaymentRow> {
    let failures = rng.random_range(6..=9);
    let cents = rng.random_range(40_000..90_000);
    let mut payments = Vec::new();
    for at in moments(rng, from, Duration::minutes(50), failures) {
        let buyer = with_another_card(rng, person);
        let decline = declines::card_testing(rng);
        payments.push(attempt(rng, at, &buyer, cents, Some(decline)));
    }
    let at = payments[failures - 1].created_at + Duration::seconds(rng.random_range(40..480));
    let buyer = with_another_card(rng, person);
    payments.push(attempt(rng, at, &buyer, cents, None));
    payments
}

/// In the morning, so that the user's first day is over by the evening of the next.
fn for_one_day(rng: &mut ChaCha20Rng, times: Times) -> DateTime<Utc> {
    times.midnight(SIGNUP_DAYS_AGO) + Duration::minutes(rng.random_range(5 * 60..9 * 60))
}

/// Right after signing up.
fn from_the_start(rng: &mut ChaCha20Rng, _: Times, person: &Person) -> DateTime<Utc> {
    person.user.created_at + Duration::minutes(rng.random_range(2..20))
}

/// Now and then through the user's first day, and never with success.
fn fail_all_day(rng: &mut ChaCha20Rng, from: DateTime<Utc>, person: &Person) -> Vec<PaymentRow> {
    let failures = rng.random_range(6..=10);
    moments(rng, from, Duration::hours(22), failures)
        .into_iter()
        .map(|at| {
            let decline = declines::ordinary(rng);
            let cents = ordinary_cents(rng);
            attempt(rng, at, &Buyer::customer(person), cents, Some(decline))
        })
        .collect()
}

fn at_midnight(_: &mut ChaCha20Rng, times: Times, _: &Person) -> DateTime<Utc> {
    times.midnight(UNLIKE_OWN_PAST_DAYS_AGO)
}

/// A few attempts a day, of which hardly one succeeds.
fn fail_day_after_day(
    rng: &mut ChaCha20Rng,
    from: DateTime<Utc>,
    person: &Person,
) -> Vec<PaymentRow> {
    const PER_DAY: usize = 3;
    let attempts = UNLIKE_OWN_PAST_DAYS * PER_DAY;
    let failures = rng.random_range(9..attempts);
    let fails = fate(rng, attempts, failures);
    let mornings = (0..).map(|day| from + Duration::days(day) + Duration::hours(8));
    let moments = mornings
        .take(UNLIKE_OWN_PAST_DAYS)
        .flat_map(|morning| moments(rng, morning, Duration::hours(13), PER_DAY))
        .collect();
    ordinary(rng, person, moments, fails)
}
