//! What the company misses of its provider's doings, and what the provider's listings get wrong.
//!
//! A run mends what the company missed. What needs a person is mended by the provider hours
//! later, so that open discrepancies come and go, and do not pile up.

use super::{Scene, whose};
use crate::demo::company::PaymentRow;
use crate::demo::pairs::{Listed, Pair};
use crate::demo::{REFUSED_BY, declines, history, planted, random};
use chrono::{DateTime, Duration, Utc};
use rand::Rng;

/// Of a hundred payments, of how many the company never hears, and of how many only half.
const UNHEARD: u32 = 25;
const HALF_HEARD: u32 = 20;
/// How long what needs a person stays.
const HOURS: i64 = 2;

impl Scene<'_> {
    /// Both sides of a new payment: calls of the provider to the company's web hook get lost.
    pub(super) fn hear_of(&mut self, listed: Listed<PaymentRow>) -> Pair<PaymentRow> {
        let mut kept = PaymentRow { updated_at: self.now, ..listed.row.clone() };
        let user_id = kept.user_id;
        let (whose, status) = (whose(user_id), kept.status.clone());
        let draw = self.rng.random_range(0..100);
        if draw < UNHEARD {
            let text = format!("the company did not hear of a payment of {whose} ({status})");
            self.tell("drift", user_id, "runs: new, once it is settled", text);
            return Pair { ledger: None, listed: vec![listed] };
        }
        if draw < UNHEARD + HALF_HEARD {
            kept.make_pending();
            let text = format!("the company believes a payment of {whose} pending: it {status}");
            self.tell("drift", user_id, "runs: update, status, once it is settled", text);
        }
        Pair { ledger: Some(kept), listed: vec![listed] }
    }

    /// The ledger has a payment that the provider lists hours later.
    pub(super) fn list_late(&mut self) {
        let listed = self.a_success();
        let ledger = Some(listed.row.clone());
        let user_id = listed.row.user_id;
        let late = Listed { from: self.in_hours(), ..listed };
        self.step.payments.push(Pair { ledger, listed: vec![late] });
        let text = format!(
            "the provider's listing lacks a payment of {} for {HOURS} hours",
            whose(user_id)
        );
        let look = "runs: a delete withheld (made, where --max-deletes allows), then listed_again";
        self.tell("only_in_ledger", user_id, look, text);
    }

    /// The company's database refuses an amount of 0, until the provider states the right one.
    pub(super) fn list_an_amount_of_nothing(&mut self) {
        let listed = self.a_success();
        let mut wrong = Listed { until: self.in_hours(), ..listed.clone() };
        wrong.row.amount_minor = 0;
        wrong.row.amount_captured_minor = 0;
        let user_id = listed.row.user_id;
        let right = Listed { from: self.in_hours(), ..listed };
        self.step.payments.push(Pair { ledger: None, listed: vec![wrong, right] });
        let text = format!(
            "the provider lists a payment of {} with an amount of 0, which the company's rule \
             {} refuses",
            whose(user_id),
            REFUSED_BY.constraint
        );
        self.tell("refused", user_id, "runs: failed operation; alert operations-failing", text);
    }

    /// The ledger learns only later which user the customer is.
    pub(super) fn list_an_unknown_customer(&mut self) {
        let listed = self.a_success();
        let nobody = Some(random::id(&mut self.rng, "cus_", 14));
        let unknown = Listed { until: self.in_hours(), customer: nobody, ..listed.clone() };
        let known = Listed { from: self.in_hours(), ..listed };
        self.step.payments.push(Pair { ledger: None, listed: vec![unknown, known] });
        let text = format!("a payment of a customer that nobody knows, for {HOURS} hours");
        self.tell("unknown_customer", None, "payment-monitor discrepancies", text);
    }

    /// A listing that has a payment twice.
    pub(super) fn list_twice(&mut self) {
        let Some(listed) = self.an_earlier_success() else { return };
        let mut again = Listed { until: self.in_hours(), ..listed.clone() };
        again.row.amount_refunded_minor = again.row.amount_captured_minor;
        let user_id = listed.row.user_id;
        self.step.payments.push(Pair { ledger: None, listed: vec![listed, again] });
        let text = format!("a payment of {} is listed twice for {HOURS} hours", whose(user_id));
        self.tell("duplicate", user_id, "payment-monitor discrepancies", text);
    }

    /// A payment that had succeeded is stated as failed, and then is good after all.
    pub(super) fn return_a_payment(&mut self) {
        let Some(listed) = self.an_earlier_success() else { return };
        let user_id = listed.row.user_id;
        let mut returned = Listed { until: self.in_hours(), ..listed.clone() };
        returned.row.make_failed(declines::returned());
        let good = Listed { from: self.in_hours(), ..listed };
        self.step.payments.push(Pair { ledger: None, listed: vec![returned, good] });
        let text = format!("a payment of {} came back after it had succeeded", whose(user_id));
        let look = "payment-monitor discrepancies: needs_approval";
        self.tell("needs_approval", user_id, look, text);
    }

    /// A new payment that went through.
    fn a_success(&mut self) -> Listed<PaymentRow> {
        let buyer = self.buyer();
        let amount = history::draw_amount(&mut self.rng, buyer.currency);
        let row = planted::attempt(&mut self.rng, self.now, &buyer, amount, None);
        let customer = self.customer_of(buyer.user_id);
        Listed::always(row, customer)
    }

    fn in_hours(&self) -> Option<DateTime<Utc>> {
        Some(self.now + Duration::hours(HOURS))
    }
}
