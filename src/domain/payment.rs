//! A payment: one attempt to charge, as the statement lists it and as the ledger keeps it.
//!
//! The status machine stands in [`status_change`]; `docs/status-changes.md` is its table.

use super::record::{
    Difference, Differences, Owner, RowState, StatementRecord, StatusChange, owner_name,
};
use super::{Currency, Field, State, Stated, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A payment as the provider's statement lists it. Fields that a format lacks are not stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementPayment {
    pub provider_payment_id: String,
    /// The provider's id of the customer; `Nothing` is a guest.
    pub provider_customer_id: Stated<String>,
    /// The provider's own word: `pending`, `succeeded`, `failed`, or one we do not know.
    pub status: String,
    pub amount_minor: i64,
    pub amount_captured_minor: Option<i64>,
    pub amount_refunded_minor: Option<i64>,
    pub disputed: Option<bool>,
    pub currency: Currency,
    pub failure_code: Stated<String>,
    /// Free text of the provider: kept in the ledger, never in the trail.
    pub failure_message: Option<String>,
    pub payment_method_fingerprint: Option<String>,
    /// UTC, in whole microseconds.
    pub created_at: DateTime<Utc>,
}

/// What the trail records of a payment, before and after: ids, states and amounts, no free text.
/// Its JSON form equals the SQL function `payment_monitor_payment_state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentState {
    pub provider_payment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    pub status: String,
    pub amount_minor: i64,
    pub amount_captured_minor: i64,
    pub amount_refunded_minor: i64,
    pub disputed: bool,
    pub currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_fingerprint: Option<String>,
    #[serde(with = "super::operation::micros")]
    pub created_at: DateTime<Utc>,
    pub removed: bool,
}

impl RowState for PaymentState {
    const SUBJECT: Subject = Subject::Payment;

    fn differences(&self, to: &Self) -> Vec<Difference> {
        let money = |minor: i64, state: &Self| state.currency.display(minor);
        let mut found = Differences::default();
        found.note(Field::Currency, &self.currency, &to.currency);
        found.note_as(Field::Amount, self.amount_minor, to.amount_minor, |minor| money(minor, to));
        found.note_as(Field::Owner, self.user_id, to.user_id, owner_name);
        found.note(Field::Status, &self.status, &to.status);
        found.note_as(
            Field::AmountCaptured,
            self.amount_captured_minor,
            to.amount_captured_minor,
            |minor| money(minor, to),
        );
        found.note_as(
            Field::AmountRefunded,
            self.amount_refunded_minor,
            to.amount_refunded_minor,
            |minor| money(minor, to),
        );
        found.note(Field::Disputed, &self.disputed, &to.disputed);
        found.note_as(
            Field::FailureCode,
            self.failure_code.as_deref(),
            to.failure_code.as_deref(),
            |code| code.unwrap_or("none").to_owned(),
        );
        found.0
    }

    fn headline(&self) -> String {
        format!("{} {}", self.status, self.currency.display(self.amount_minor))
    }

    fn status(&self) -> &str {
        &self.status
    }

    fn status_change(from: &str, to: &str) -> StatusChange {
        status_change(from, to)
    }

    fn is_removed(&self) -> bool {
        self.removed
    }

    fn marked_removed(&self) -> Self {
        Self { removed: true, ..self.clone() }
    }

    fn into_state(self) -> State {
        State::Payment(self)
    }
}

impl StatementRecord for StatementPayment {
    type State = PaymentState;

    fn provider_id(&self) -> &str {
        &self.provider_payment_id
    }

    fn desired(&self, owner: Owner, ledger: Option<&PaymentState>) -> PaymentState {
        let captured_in_full = if self.status == "succeeded" { self.amount_minor } else { 0 };
        let kept = |pick: fn(&PaymentState) -> i64| ledger.map(pick);
        PaymentState {
            provider_payment_id: self.provider_payment_id.clone(),
            user_id: owner.user_id(ledger.and_then(|l| l.user_id)),
            status: self.status.clone(),
            amount_minor: self.amount_minor,
            amount_captured_minor: self
                .amount_captured_minor
                .or_else(|| kept(|l| l.amount_captured_minor))
                .unwrap_or(captured_in_full),
            amount_refunded_minor: self
                .amount_refunded_minor
                .or_else(|| kept(|l| l.amount_refunded_minor))
                .unwrap_or(0),
            disputed: self.disputed.or_else(|| ledger.map(|l| l.disputed)).unwrap_or(false),
            currency: self.currency,
            failure_code: self
                .failure_code
                .clone()
                .unless_stated(ledger.and_then(|l| l.failure_code.clone())),
            payment_method_fingerprint: self
                .payment_method_fingerprint
                .clone()
                .or_else(|| ledger.and_then(|l| l.payment_method_fingerprint.clone())),
            created_at: ledger.map_or(self.created_at, |l| l.created_at),
            removed: false,
        }
    }
}

/// Whether a payment may go from one status to another.
///
/// Stripe's charge ends as `succeeded` or `failed`; bank debits are the known case of a
/// `succeeded` one that fails later. An unknown status may be left or entered from `pending`
/// freely, and from a settled status only with approval.
pub fn status_change(from: &str, to: &str) -> StatusChange {
    match (from, to) {
        (from, to) if from == to => StatusChange::Applied,
        (_, "pending") => StatusChange::Never,
        ("succeeded", _) => StatusChange::NeedsApproval,
        (_, "succeeded" | "failed") | ("pending", _) => StatusChange::Applied,
        _ => StatusChange::NeedsApproval,
    }
}
