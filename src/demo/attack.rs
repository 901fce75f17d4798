//! Users who do what no ordinary customer does, planted among them.
//!
//! One pattern so far, card testing: someone with a list of stolen numbers tries each of them
//! with a tiny amount, within an hour or two, to learn which still work.

use super::company::PaymentRow;
use super::people::{self, Money, Person};
use super::{Times, declines, history, random};
use chrono::{DateTime, Duration, Utc};
use rand::Rng;
use rand_chacha::ChaCha20Rng;

/// A planted user and what that user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attacker {
    pub user_id: i64,
    /// `card_testing`.
    pub pattern: &'static str,
}

/// How many days before now the cards are tested: well within any chart's view.
const DAYS_AGO: i64 = 9;
const CARDS: std::ops::Range<usize> = 58..74;
const CARDS_THAT_WORK: usize = 2;

fn started(times: Times) -> DateTime<Utc> {
    let day = times.now.date_naive() - Duration::days(DAYS_AGO);
    day.and_hms_opt(2, 40, 0).expect("a time of day").and_utc()
}

/// The attacker signs up hours before, and takes the place in the ids that this time gives.
pub(super) fn join(rng: &mut ChaCha20Rng, times: Times, people: &mut Vec<Person>) -> Attacker {
    let joined = started(times) - Duration::minutes(rng.random_range(60..600));
    let mut person = people::person(rng, joined);
    person.activity = 0;
    let at = people.partition_point(|other| other.user.created_at < joined);
    people.insert(at, person);
    people::number(people);
    Attacker { user_id: people[at].user.id, pattern: "card_testing" }
}

/// Dozens of tiny payments, each with a card of its own; the last but a few go through.
pub(super) fn test_cards(
    rng: &mut ChaCha20Rng,
    times: Times,
    people: &[Person],
    attacker: Attacker,
) -> Vec<PaymentRow> {
    assert!(people.iter().any(|person| person.user.id == attacker.user_id));
    let cards = rng.random_range(CARDS);
    let mut at = started(times);
    let mut works = vec![false; cards];
    for _ in 0..CARDS_THAT_WORK {
        works[rng.random_range(cards / 2..cards)] = true;
    }
    works
        .into_iter()
        .map(|works| {
            at += Duration::seconds(rng.random_range(8..110));
            test_card(rng, at, attacker.user_id, works)
        })
        .collect()
}

fn test_card(rng: &mut ChaCha20Rng, at: DateTime<Utc>, user_id: i64, works: bool) -> PaymentRow {
    let amount = rng.random_range(50..200);
    let card = random::fingerprint(rng);
    let mut payment = history::succeeded(rng, at, Some(user_id), amount, Money::dollars(), card);
    if !works {
        payment.make_failed(declines::card_testing(rng));
    }
    payment
}
