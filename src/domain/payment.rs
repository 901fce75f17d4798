//! A payment: one attempt to charge, as the statement lists it and as the ledger keeps it.
//!
//! The status machine stands in [`status_change`]; `docs/status-changes.md` is its table.

use super::{Currency, Field, Stated};
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

/// Who owns a statement's record, after the customer was looked up in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The format does not say: the ledger's own is kept.
    NotStated,
    /// A guest: no customer.
    Guest,
    User(i64),
    /// A customer that no user of the ledger is linked to.
    Unknown,
}

impl Owner {
    /// The user id to record; `kept` where the statement can't say.
    pub fn user_id(self, kept: Option<i64>) -> Option<i64> {
        match self {
            Self::NotStated | Self::Unknown => kept,
            Self::Guest => None,
            Self::User(id) => Some(id),
        }
    }
}

impl StatementPayment {
    /// The state that this record asks for, given the ledger's row where there is one.
    /// What the statement does not state stays as the ledger has it.
    pub fn desired(&self, owner: Owner, ledger: Option<&PaymentState>) -> PaymentState {
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

impl PaymentState {
    /// The fields in which two states of one payment differ, weightiest first.
    pub fn differing_fields(&self, other: &Self) -> Vec<Field> {
        [
            (Field::Currency, self.currency != other.currency),
            (Field::Amount, self.amount_minor != other.amount_minor),
            (Field::Owner, self.user_id != other.user_id),
            (Field::Status, self.status != other.status),
            (Field::AmountCaptured, self.amount_captured_minor != other.amount_captured_minor),
            (Field::AmountRefunded, self.amount_refunded_minor != other.amount_refunded_minor),
            (Field::Disputed, self.disputed != other.disputed),
            (Field::FailureCode, self.failure_code != other.failure_code),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// What may be done about a changed status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Applied by a run.
    Applied,
    /// Left until a person approves it.
    NeedsApproval,
    /// Never made: a settled payment does not become pending again.
    Never,
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
