//! What ordinary customers do: buy, fail, try again, and get money back.

use super::{Scene, whose};
use crate::demo::company::PaymentRow;
use crate::demo::declines::{self, Decline};
use crate::demo::history::{self, Buyer};
use crate::demo::pairs::{Listed, Pair};
use crate::demo::{planted, random};
use chrono::{Duration, Timelike};

/// How likely a step has a purchase in the quietest hour, in percent.
const PURCHASES_PERCENT_MIN: u32 = 20;
/// Of a thousand steps, how many see a failed payment tried again, if there is one.
const RETRIES: u32 = 60;
/// Of a thousand steps, how many see money given back by the company, and by the provider alone.
const REFUNDS: u32 = 15;
const REFUNDS_UNHEARD: u32 = 25;
const DISPUTES_UNHEARD: u32 = 5;

impl Scene<'_> {
    /// More by day than at night, and at night often enough that something is to be seen.
    pub(super) fn buy(&mut self) {
        let busy = history::HOURS[self.now.hour() as usize];
        if !random::chance(&mut self.rng, PURCHASES_PERCENT_MIN + 3 * busy) {
            return;
        }
        let buyer = self.buyer();
        let amount = history::draw_amount(&mut self.rng, buyer.currency);
        let fails = random::chance(&mut self.rng, buyer.failures_percent);
        let decline = fails.then(|| declines::ordinary(&mut self.rng));
        self.pay(&buyer, amount, decline);
    }

    /// A payment of now, of which the company hears or does not.
    pub(super) fn pay(&mut self, buyer: &Buyer, amount: i64, decline: Option<&Decline>) {
        let row = planted::attempt(&mut self.rng, self.now, buyer, amount, decline);
        let customer = self.customer_of(buyer.user_id);
        let pair = self.hear_of(Listed::always(row, customer));
        self.step.payments.push(pair);
    }

    /// Somebody whose payment failed tries again with the same card.
    pub(super) fn try_again(&mut self) {
        if !self.chance(RETRIES) {
            return;
        }
        let recent = &self.view.recent;
        let is_newest = |listed: &Listed<PaymentRow>| {
            let same = |other: &&Listed<PaymentRow>| {
                other.customer == listed.customer
                    && other.row.amount_minor == listed.row.amount_minor
            };
            recent.iter().find(same) == Some(listed)
        };
        let since = self.now - Duration::hours(6);
        let waits = |listed: &Listed<PaymentRow>| {
            let code = listed.row.failure_code.as_deref();
            is_in_order(listed)
                && listed.row.user_id.is_some()
                && listed.row.created_at > since
                && code.is_some_and(|code| declines::of_code(code).retry)
                && is_newest(listed)
        };
        let Some(failed) = self.pick(&self.view.recent, waits) else { return };
        let mut row = failed.row.clone();
        row.provider_payment_id = random::id(&mut self.rng, "ch_3", 23);
        row.created_at = self.now;
        row.updated_at = self.now;
        // What failed once is likelier to fail again.
        if random::chance(&mut self.rng, 45) {
            row.make_failed(declines::ordinary(&mut self.rng));
        } else {
            row.make_succeeded();
        }
        let pair = self.hear_of(Listed::always(row, failed.customer.clone()));
        self.step.payments.push(pair);
    }

    /// Refunds and disputes.
    pub(super) fn give_back(&mut self) {
        if self.chance(REFUNDS) {
            self.refund(true);
        }
        if self.chance(REFUNDS_UNHEARD) {
            self.refund(false);
        }
        if self.chance(DISPUTES_UNHEARD)
            && let Some(mut listed) = self.an_earlier_success()
        {
            listed.row.disputed = true;
            let whose = whose(listed.row.user_id);
            let text = format!("{whose} disputes a payment, and the company was not told");
            self.tell("drift", listed.row.user_id, "runs: update, disputed", text);
            self.step.payments.push(Pair { ledger: None, listed: vec![listed] });
        }
    }

    fn refund(&mut self, is_heard: bool) {
        let Some(mut listed) = self.an_earlier_success() else { return };
        listed.row.amount_refunded_minor = listed.row.amount_captured_minor;
        let ledger = is_heard.then(|| PaymentRow { updated_at: self.now, ..listed.row.clone() });
        if !is_heard {
            let whose = whose(listed.row.user_id);
            let text = format!("{whose} got money back at the provider, unknown to the company");
            self.tell("drift", listed.row.user_id, "runs: update, amount_refunded", text);
        }
        self.step.payments.push(Pair { ledger, listed: vec![listed] });
    }

    /// One that the runs look at, and that this step has not touched.
    pub(super) fn an_earlier_success(&mut self) -> Option<Listed<PaymentRow>> {
        let until = self.now - Duration::minutes(10);
        let touched = self.step.payments.iter().flat_map(|pair| &pair.listed);
        let touched: Vec<String> =
            touched.map(|listed| listed.row.provider_payment_id.clone()).collect();
        let suits = |listed: &Listed<PaymentRow>| {
            is_in_order(listed)
                && listed.row.is_plain_success()
                && listed.row.created_at < until
                && !touched.contains(&listed.row.provider_payment_id)
        };
        self.pick(&self.view.recent, suits).cloned()
    }
}

/// What the company can write down: it refuses amounts of 0, and customers that nobody knows.
fn is_in_order(listed: &Listed<PaymentRow>) -> bool {
    listed.row.amount_minor > 0 && listed.customer.is_some() == listed.row.user_id.is_some()
}
