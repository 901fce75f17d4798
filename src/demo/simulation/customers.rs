//! Who signs up, and who of those that are there acts next.

use super::Scene;
use crate::demo::history::{Buyer, GUESTS_PERCENT};
use crate::demo::people::{self, Person};
use crate::demo::random;
use chrono::{DateTime, Utc};

/// Of a thousand steps, how many bring a new customer.
const SIGN_UPS: u32 = 20;

impl Scene<'_> {
    /// Half of those who sign up subscribe at once.
    pub(super) fn sign_up_now_and_then(&mut self) {
        if !self.chance(SIGN_UPS) {
            return;
        }
        let person = self.sign_up(people::person, self.now);
        let id = person.user.id;
        let subscribes = random::chance(&mut self.rng, 50);
        let what = if subscribes { " and subscribed" } else { "" };
        self.tell("sign_up", Some(id), "dashboard User", format!("user {id} signed up{what}"));
        if subscribes {
            self.subscribe(&person);
        }
    }

    /// A new customer, with the next id.
    pub(super) fn sign_up(
        &mut self,
        make: fn(&mut rand_chacha::ChaCha20Rng, DateTime<Utc>) -> Person,
        at: DateTime<Utc>,
    ) -> Person {
        let mut person = make(&mut self.rng, at);
        let others = i64::try_from(self.step.people.len()).unwrap_or(i64::MAX);
        person.user.id = self.view.next_user_id + others;
        person.user.email = people::address(person.user.id);
        self.step.people.push(person.clone());
        person
    }

    /// The next customer to buy something, or a guest.
    pub(super) fn buyer(&mut self) -> Buyer {
        let guest = random::chance(&mut self.rng, GUESTS_PERCENT);
        if guest || self.view.people.iter().all(|person| person.activity == 0) {
            return Buyer::guest(&mut self.rng);
        }
        let activity = |person: &Person| person.activity;
        Buyer::customer(random::weighted(&mut self.rng, &self.view.people, activity))
    }

    /// The provider's id of a user; none of a guest.
    pub(super) fn customer_of(&self, user_id: Option<i64>) -> Option<String> {
        let id = user_id?;
        let subscribers = self.view.subscribers.iter().map(|one| &one.person);
        let mut known = self.step.people.iter().chain(&self.view.people).chain(subscribers);
        known.find(|person| person.user.id == id).map(|person| person.customer.clone())
    }
}
