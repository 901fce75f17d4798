//! A discrepancy becomes an operation, or a reason why it is left.

use crate::domain::discrepancy::{Discrepancy, Kind, Reason};
use crate::domain::operation::{Fingerprint, Proposal, State, Subject};
use crate::domain::record::{RowState, StatusChange};
use crate::domain::{PaymentState, SubscriptionState};
use chrono::{DateTime, Utc};
use std::collections::HashSet;

/// What a run may do.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Ledger rows changed after this moment are newer than the statement.
    pub known_until: DateTime<Utc>,
    pub payments_proven: bool,
    pub subscriptions_proven: bool,
    /// How many deletes may be planned; none is no limit.
    pub max_deletes: Option<u64>,
    /// What the database has refused before. It is not tried again while neither side has
    /// changed: each try would add a row to the trail, and say nothing new.
    pub refused: HashSet<Fingerprint>,
}

/// What is done about a discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Perform(Kind, Proposal),
    Leave(Kind, Reason, Proposal),
}

/// Decides, one discrepancy after the other. The order of discrepancies matters only for which
/// deletes fall under the cap: the first ones, in the order of their provider ids.
#[derive(Debug)]
pub struct Planner {
    policy: Policy,
    deletes_planned: u64,
}

impl Planner {
    pub fn new(policy: Policy) -> Self {
        Self { policy, deletes_planned: 0 }
    }

    /// Decides about one discrepancy.
    pub fn decide(&mut self, discrepancy: Discrepancy) -> Decision {
        let reason = self.reason_to_leave(&discrepancy);
        let Discrepancy { kind, proposal, .. } = discrepancy;
        match reason {
            Some(reason) => Decision::Leave(kind, reason, proposal),
            None => Decision::Perform(kind, proposal),
        }
    }

    fn reason_to_leave(&mut self, discrepancy: &Discrepancy) -> Option<Reason> {
        match discrepancy.kind {
            Kind::DuplicateInStatement => return Some(Reason::Duplicate),
            Kind::UnknownCustomer => return Some(Reason::UnknownCustomer),
            _ => {}
        }
        if discrepancy.ledger_updated_at.is_some_and(|at| at > self.policy.known_until) {
            return Some(Reason::NewerInLedger);
        }
        if self.was_refused(&discrepancy.proposal) {
            return Some(Reason::Failed);
        }
        if discrepancy.kind == Kind::OnlyInLedger {
            return self.reason_to_keep(discrepancy.proposal.subject);
        }
        match status_change(&discrepancy.proposal) {
            StatusChange::Applied => None,
            StatusChange::NeedsApproval => Some(Reason::NeedsApproval),
            StatusChange::Never => Some(Reason::NeverMade),
        }
    }

    fn was_refused(&self, proposal: &Proposal) -> bool {
        let refused = &self.policy.refused;
        !refused.is_empty() && refused.contains(&proposal.fingerprint())
    }

    fn reason_to_keep(&mut self, subject: Subject) -> Option<Reason> {
        let proven = match subject {
            Subject::Payment => self.policy.payments_proven,
            Subject::Subscription => self.policy.subscriptions_proven,
        };
        if !proven {
            return Some(Reason::Unproven);
        }
        if self.policy.max_deletes.is_some_and(|max| self.deletes_planned >= max) {
            return Some(Reason::MaxDeletes);
        }
        self.deletes_planned += 1;
        None
    }
}

fn status_change(proposal: &Proposal) -> StatusChange {
    match (&proposal.previous, &proposal.new) {
        (Some(State::Payment(from)), Some(State::Payment(to))) => {
            PaymentState::status_change(from.status(), to.status())
        }
        (Some(State::Subscription(from)), Some(State::Subscription(to))) => {
            SubscriptionState::status_change(from.status(), to.status())
        }
        _ => StatusChange::Applied,
    }
}
