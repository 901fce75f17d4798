//! The company's own records: the rows of the reference schema's three tables.

use crate::domain::Currency;
use chrono::{DateTime, Utc};

/// The ledger as the company's database has it. Ids run from 1 without gaps, in order of
/// creation; whoever inserts them sets the sequences beyond the highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    pub users: Vec<UserRow>,
    pub payments: Vec<PaymentRow>,
    pub subscriptions: Vec<SubscriptionRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub id: i64,
    /// None where the ledger was never told; the statement's customer objects then say.
    pub provider_customer_id: Option<String>,
    pub email: String,
    pub created_at: DateTime<Utc>,
}

/// One attempt to charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    pub id: i64,
    /// None is a guest.
    pub user_id: Option<i64>,
    pub provider_payment_id: String,
    pub status: String,
    pub amount_minor: i64,
    pub amount_captured_minor: i64,
    pub amount_refunded_minor: i64,
    pub disputed: bool,
    pub currency: Currency,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub payment_method_fingerprint: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub removed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub id: i64,
    pub user_id: Option<i64>,
    pub provider_subscription_id: String,
    pub plan: String,
    pub status: String,
    pub current_period_end: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub removed_at: Option<DateTime<Utc>>,
}

impl PaymentRow {
    /// The payment as not decided yet: nothing captured, nothing refunded, no failure.
    pub(super) fn make_pending(&mut self) {
        "pending".clone_into(&mut self.status);
        self.amount_captured_minor = 0;
        self.amount_refunded_minor = 0;
        self.failure_code = None;
        self.failure_message = None;
        self.updated_at = self.created_at;
    }

    /// The payment as refused for this reason.
    pub(super) fn make_failed(&mut self, decline: &super::declines::Decline) {
        "failed".clone_into(&mut self.status);
        self.amount_captured_minor = 0;
        self.amount_refunded_minor = 0;
        self.failure_code = Some(decline.code.to_owned());
        self.failure_message = Some(decline.message.to_owned());
    }

    /// The payment as gone through.
    pub(super) fn make_succeeded(&mut self) {
        "succeeded".clone_into(&mut self.status);
        self.amount_captured_minor = self.amount_minor;
        self.failure_code = None;
        self.failure_message = None;
    }

    /// A success of which nothing has been given back and nothing is disputed.
    pub(super) fn is_plain_success(&self) -> bool {
        self.status == "succeeded" && self.amount_refunded_minor == 0 && !self.disputed
    }
}
