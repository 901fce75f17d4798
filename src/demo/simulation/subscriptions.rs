//! Subscriptions: they begin, are renewed and paid, fall behind, change and end.

use super::{Scene, Subscriber};
use crate::demo::company::SubscriptionRow;
use crate::demo::history::Buyer;
use crate::demo::pairs::{Listed, Pair};
use crate::demo::people::{self, Person};
use crate::demo::{declines, random};

/// How many subscriptions a step renews at most: after a long pause many are due.
const RENEWALS_MAX: usize = 3;
/// Of a thousand steps, how many see one of these, if there is one that suits.
const CATCH_UPS: u32 = 15;
const PLAN_CHANGES: u32 = 12;
const CANCELLATIONS: u32 = 10;
/// Of a hundred of them, of how many the company does not hear.
const UNHEARD: u32 = 40;

impl Scene<'_> {
    /// A new subscription, and its first payment.
    pub(super) fn subscribe(&mut self, person: &Person) {
        let row = people::new_subscription(&mut self.rng, person, self.now);
        let plan = row.plan.clone();
        let listed = Listed::always(row.clone(), Some(person.customer.clone()));
        self.step.subscriptions.push(Pair { ledger: Some(row), listed: vec![listed] });
        self.charge(person, &plan, 5);
    }

    /// Periods that are over go on; who can't pay falls behind.
    pub(super) fn renew(&mut self) {
        let view = self.view;
        let now = self.now;
        let is_due = |one: &&Subscriber| {
            let row = &one.subscription.row;
            row.status == "active" && row.current_period_end.is_some_and(|end| end <= now)
        };
        for one in view.subscribers.iter().filter(is_due).take(RENEWALS_MAX) {
            let paid = self.charge(&one.person, &one.subscription.row.plan, 10);
            self.change(one, "current_period_end", |row| {
                row.current_period_end = Some(now + people::period(&row.plan));
                if !paid {
                    "past_due".clone_into(&mut row.status);
                }
            });
        }
    }

    /// One of them at most in a step: each concerns one subscription.
    pub(super) fn change_subscriptions(&mut self) {
        let view = self.view;
        let now = self.now;
        let goes_on = |one: &Subscriber| {
            one.subscription.row.status == "active"
                && one.subscription.row.current_period_end.is_some_and(|end| end > now)
        };
        if self.chance(CATCH_UPS) {
            let is_behind = |one: &Subscriber| one.subscription.row.status == "past_due";
            let Some(one) = self.pick(&view.subscribers, is_behind) else { return };
            let paid = self.charge(&one.person, &one.subscription.row.plan, 40);
            let status = if paid { "active" } else { "canceled" };
            self.change(one, "status", |row| status.clone_into(&mut row.status));
        } else if self.chance(PLAN_CHANGES) {
            let Some(one) = self.pick(&view.subscribers, goes_on) else { return };
            let plan = people::another_plan(&mut self.rng, &one.subscription.row.plan);
            self.change(one, "plan", |row| plan.clone_into(&mut row.plan));
        } else if self.chance(CANCELLATIONS) {
            let Some(one) = self.pick(&view.subscribers, goes_on) else { return };
            self.change(one, "status", |row| "canceled".clone_into(&mut row.status));
        }
    }

    /// Changes a subscription at the provider, and in the ledger if the company hears of it.
    fn change(
        &mut self,
        one: &Subscriber,
        field: &'static str,
        change: impl Fn(&mut SubscriptionRow),
    ) {
        let mut listed = one.subscription.clone();
        change(&mut listed.row);
        listed.row.updated_at = self.now;
        let ledger = if random::chance(&mut self.rng, UNHEARD) {
            let user = one.person.user.id;
            let text =
                format!("the company did not hear of a change of user {user}'s subscription");
            let look = match field {
                "plan" => "runs: update, plan",
                "status" => "runs: update, status",
                _ => "runs: update, current_period_end",
            };
            self.tell("drift", Some(user), look, text);
            None
        } else {
            Some(listed.row.clone())
        };
        self.step.subscriptions.push(Pair { ledger, listed: vec![listed] });
    }

    /// A payment of a plan's price; whether it went through.
    fn charge(&mut self, person: &Person, plan: &str, failures_percent: u32) -> bool {
        let fails = random::chance(&mut self.rng, failures_percent);
        let decline = fails.then(|| declines::ordinary(&mut self.rng));
        let amount = person.currency.price(people::cents_of(plan));
        self.pay(&Buyer::customer(person), amount, decline);
        !fails
    }
}
