//! A subscription, as the statement lists it and as the ledger keeps it.

use super::record::{
    Difference, Differences, Owner, RowState, StatementRecord, StatusChange, owner_name,
};
use super::{Field, State, Stated, Subject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A subscription as the provider's statement lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementSubscription {
    pub provider_subscription_id: String,
    pub provider_customer_id: Stated<String>,
    /// The price's or plan's id; several items' ids are sorted and joined by `+`.
    pub plan: String,
    /// The provider's own word (`active`, `past_due`, `canceled`, ...), or one we do not know.
    pub status: String,
    pub current_period_end: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// What the trail records of a subscription.
/// Its JSON form equals the SQL function `payment_monitor_subscription_state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    pub provider_subscription_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    pub plan: String,
    pub status: String,
    #[serde(with = "super::operation::micros_option", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_period_end: Option<DateTime<Utc>>,
    #[serde(with = "super::operation::micros")]
    pub created_at: DateTime<Utc>,
    pub removed: bool,
}

impl StatementRecord for StatementSubscription {
    type State = SubscriptionState;

    fn provider_id(&self) -> &str {
        &self.provider_subscription_id
    }

    fn desired(&self, owner: Owner, ledger: Option<&SubscriptionState>) -> SubscriptionState {
        SubscriptionState {
            provider_subscription_id: self.provider_subscription_id.clone(),
            user_id: owner.user_id(ledger.and_then(|l| l.user_id)),
            plan: self.plan.clone(),
            status: self.status.clone(),
            current_period_end: self
                .current_period_end
                .or_else(|| ledger.and_then(|l| l.current_period_end)),
            created_at: ledger.map_or(self.created_at, |l| l.created_at),
            removed: false,
        }
    }
}

impl RowState for SubscriptionState {
    const SUBJECT: Subject = Subject::Subscription;

    fn differences(&self, to: &Self) -> Vec<Difference> {
        let mut found = Differences::default();
        found.note(Field::ProviderId, &self.provider_subscription_id, &to.provider_subscription_id);
        found.note_as(Field::Owner, self.user_id, to.user_id, owner_name);
        found.note(Field::Plan, &self.plan, &to.plan);
        found.note(Field::Status, &self.status, &to.status);
        found.note_as(
            Field::CurrentPeriodEnd,
            self.current_period_end,
            to.current_period_end,
            |end| end.map_or("none".to_owned(), |end| end.format("%Y-%m-%d %H:%M").to_string()),
        );
        found.0
    }

    fn headline(&self) -> String {
        format!("{} {}", self.status, self.plan)
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
        State::Subscription(self)
    }
}

/// Whether a subscription has ended for good. Stripe's listing leaves canceled ones out unless
/// asked for `status=all`, so their absence from a statement says nothing.
pub fn has_ended(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// Whether a subscription may go from one status to another.
/// Stripe: `canceled` and `incomplete_expired` are terminal; leaving them needs a person.
pub fn status_change(from: &str, to: &str) -> StatusChange {
    match (from, to) {
        (from, to) if from == to => StatusChange::Applied,
        (_, "incomplete") => StatusChange::Never,
        (from, _) if has_ended(from) => StatusChange::NeedsApproval,
        _ => StatusChange::Applied,
    }
}
