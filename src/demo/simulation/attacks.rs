//! The suspicious patterns of the demo on fresh payments, one after the other.
//!
//! What takes an hour or a day there happens within ten minutes here, and both sides know it.
//! `unlike_own_past` has no attack of its own: it takes weeks, and an old customer who is
//! attacked shows it too.

use super::Scene;
use crate::demo::company::PaymentRow;
use crate::demo::pairs::{Listed, Pair};
use crate::demo::people::{self, Money, Person};
use crate::demo::planted::totals::{self, Crowd};
use crate::demo::planted::users;
use chrono::{DateTime, Duration, Utc};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

/// In this order: what comes before `dominant_failure_code` must not fail often, or no code is
/// dominant.
const ATTACKS: [&str; 7] = [
    "many_payment_methods",
    "dominant_failure_code",
    "success_after_failures",
    "many_failures",
    "small_amounts",
    "failures_after_signup",
    "failure_rate",
];
/// The first ones soon after the start; then one every hour and a half: more would be most of
/// the payments.
const FIRST: [u64; 5] = [12, 90, 180, 270, 360];
const EVERY: u64 = 540;
const MINUTES: i64 = 10;

/// The pattern that begins to show at this step.
pub(super) fn due(step: u64) -> Option<&'static str> {
    let last = FIRST[FIRST.len() - 1];
    let number = match FIRST.iter().position(|first| *first == step) {
        Some(number) => number as u64,
        None if step > last && (step - last).is_multiple_of(EVERY) => {
            FIRST.len() as u64 - 1 + (step - last) / EVERY
        }
        None => return None,
    };
    let place = number % ATTACKS.len() as u64;
    ATTACKS.get(usize::try_from(place).unwrap_or(0)).copied()
}

impl Scene<'_> {
    /// Plants a pattern in the last minutes.
    pub(super) fn attack(&mut self, pattern: &'static str) {
        let from = self.now - Duration::minutes(MINUTES);
        let (user_id, payments) = match users::KINDS.iter().find(|kind| kind.pattern == pattern) {
            Some(kind) => {
                let person = self.attacker(kind, from - Duration::minutes(2));
                let payments = (kind.acts)(&mut self.rng, from, &person);
                (Some(person.user.id), payments)
            }
            None => (None, self.trouble(pattern, from)),
        };
        let count = payments.len();
        for payment in squeezed(payments, from, self.now) {
            let customer = self.customer_of(payment.user_id);
            // The row is as old as this step, whatever time the payment has: statements that
            // were taken before know nothing of it.
            let ledger = Some(PaymentRow { updated_at: self.now, ..payment.clone() });
            self.step
                .payments
                .push(Pair { ledger, listed: vec![Listed::always(payment, customer)] });
        }
        let who = user_id.map_or("customers and guests".to_owned(), |id| format!("user {id}"));
        let text = format!("planted {pattern}: {count} payments of {who} in {MINUTES} minutes");
        let look = "payment-monitor suspicious; alert suspicious-activity";
        self.tell("attack", user_id, look, text);
    }

    /// A customer whose account is taken over, or a newcomer.
    fn attacker(&mut self, kind: &users::Kind, joined: DateTime<Utc>) -> Person {
        let in_dollars = |person: &&Person| person.currency.code == Money::dollars().code;
        let oldest = self.view.people.iter().filter(in_dollars).min_by_key(|p| p.user.created_at);
        match oldest {
            Some(person) if !kind.is_of_a_newcomer() => {
                self.step.suspects.push(person.customer.clone());
                person.clone()
            }
            _ => {
                let person = self.sign_up(newcomer, joined);
                self.step.suspects.push(person.customer.clone());
                person
            }
        }
    }

    fn trouble(&mut self, pattern: &str, from: DateTime<Utc>) -> Vec<PaymentRow> {
        let kind = totals::KINDS.iter().find(|kind| kind.pattern == pattern);
        let kind = kind.expect("a pattern of users or of all");
        let mut waiting: Vec<&Person> = self.view.people.iter().collect();
        waiting.shuffle(&mut self.rng);
        (kind.happens)(&mut self.rng, from, &mut Crowd::of(waiting))
    }
}

/// Pays in dollars: what is a small amount is then plain to see.
fn newcomer(rng: &mut ChaCha20Rng, at: DateTime<Utc>) -> Person {
    Person { currency: Money::dollars(), ..people::person(rng, at) }
}

/// The same payments in the same order between these times.
fn squeezed(
    mut payments: Vec<PaymentRow>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<PaymentRow> {
    let (Some(first), Some(last)) = (
        payments.iter().map(|payment| payment.created_at).min(),
        payments.iter().map(|payment| payment.created_at).max(),
    ) else {
        return payments;
    };
    let (long, short) = ((last - first).num_seconds().max(1), (until - from).num_seconds());
    for payment in &mut payments {
        let seconds = (payment.created_at - first).num_seconds() * short / long;
        payment.created_at = from + Duration::seconds(seconds);
        payment.updated_at = payment.created_at;
    }
    payments
}
