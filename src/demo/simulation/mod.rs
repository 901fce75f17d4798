//! How the demo's company goes on living: what happens in one step, on both sides.
//!
//! Pure: the same seed, number of the step, time and view of what is there give the same step.
//! Rates and schedule are meant for a step every 10 seconds and a run every minute.

mod attacks;
mod customers;
mod drift;
mod export;
mod payments;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use export::{Fault, LISTED_MAX, statement};

use super::company::{PaymentRow, SubscriptionRow};
use super::pairs::{Listed, Pair};
use super::people::Person;
use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

/// The part of what is there that a step is made from.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Ordinary customers, in the order in which they are to act.
    pub people: Vec<Person>,
    pub next_user_id: i64,
    /// The provider's latest payments of ordinary customers and guests, newest first; none that
    /// some statements list and others do not.
    pub recent: Vec<Listed<PaymentRow>>,
    /// Subscriptions that have not ended: those past due first, then by the end of their period.
    pub subscribers: Vec<Subscriber>,
}

/// A subscription and whose it is.
#[derive(Debug, Clone)]
pub struct Subscriber {
    pub person: Person,
    pub subscription: Listed<SubscriptionRow>,
}

/// What happens in a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Who signed up, known to both sides.
    pub people: Vec<Person>,
    /// Customers who are not ordinary any more, by the provider's id.
    pub suspects: Vec<String>,
    /// New and changed records: `listed` replaces all that the provider had of that id, and the
    /// ledger's row becomes `ledger` where there is one, else it stays as it is.
    pub payments: Vec<Pair<PaymentRow>>,
    pub subscriptions: Vec<Pair<SubscriptionRow>>,
    pub happenings: Vec<Happening>,
}

/// Something that a person may want to know of. Its JSON keys are a public interface
/// (docs/json.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happening {
    pub kind: &'static str,
    pub text: String,
    /// Where it is to be seen.
    pub look: &'static str,
    pub user_id: Option<i64>,
}

/// Something that happens at fixed steps, so that nobody has to wait for it.
struct Scheduled {
    first: u64,
    every: u64,
    happens: fn(&mut Scene),
}

const SCHEDULE: [Scheduled; 5] = [
    Scheduled { first: 15, every: 120, happens: |scene| scene.list_late() },
    Scheduled { first: 24, every: 360, happens: |scene| scene.list_an_amount_of_nothing() },
    Scheduled { first: 40, every: 360, happens: |scene| scene.list_an_unknown_customer() },
    Scheduled { first: 60, every: 720, happens: |scene| scene.list_twice() },
    Scheduled { first: 100, every: 720, happens: |scene| scene.return_a_payment() },
];

impl Scheduled {
    fn is_due(&self, step: u64) -> bool {
        step >= self.first && (step - self.first).is_multiple_of(self.every)
    }
}

/// Makes the step of this number, from 1 on.
pub fn step(seed: u64, number: u64, now: DateTime<Utc>, view: &View) -> Step {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let mut scene = Scene { rng, now, view, step: Step::default() };
    scene.sign_up_now_and_then();
    scene.buy();
    scene.try_again();
    scene.give_back();
    scene.renew();
    scene.change_subscriptions();
    for scheduled in SCHEDULE.iter().filter(|scheduled| scheduled.is_due(number)) {
        (scheduled.happens)(&mut scene);
    }
    if let Some(attack) = attacks::due(number) {
        scene.attack(attack);
    }
    scene.step.happenings.extend(export::told(number));
    scene.step
}

/// A step while it is made.
struct Scene<'a> {
    rng: ChaCha20Rng,
    now: DateTime<Utc>,
    view: &'a View,
    step: Step,
}

impl<'a> Scene<'a> {
    /// True in `share` of a thousand draws.
    fn chance(&mut self, share: u32) -> bool {
        self.rng.random_ratio(share, 1_000)
    }

    /// One of those that suit, any with the same chance.
    fn pick<T>(&mut self, all: &'a [T], suits: impl Fn(&T) -> bool) -> Option<&'a T> {
        let suitable: Vec<&T> = all.iter().filter(|one| suits(one)).collect();
        (!suitable.is_empty()).then(|| suitable[self.rng.random_range(0..suitable.len())])
    }

    fn tell(&mut self, kind: &'static str, user_id: Option<i64>, look: &'static str, text: String) {
        self.step.happenings.push(Happening { kind, text, look, user_id });
    }
}

/// Whose it is, in words.
fn whose(user_id: Option<i64>) -> String {
    user_id.map_or("a guest".to_owned(), |id| format!("user {id}"))
}
