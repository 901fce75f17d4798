//! A discrepancy: one record in which ledger and statement disagree, and why it may be left.

use std::fmt;

/// A field that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Currency,
    Amount,
    Owner,
    Status,
    AmountCaptured,
    AmountRefunded,
    Disputed,
    FailureCode,
    Plan,
    CurrentPeriodEnd,
    ProviderId,
}

/// What kind of discrepancy a record shows. A record is in exactly one kind: where several
/// fields differ, the weightiest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    OnlyInStatement,
    OnlyInLedger,
    ListedAgain,
    Differs(Field),
    DuplicateInStatement,
    UnknownCustomer,
}

/// Every kind, in the order in which people read them.
pub const KINDS: [Kind; 16] = [
    Kind::OnlyInStatement,
    Kind::OnlyInLedger,
    Kind::ListedAgain,
    Kind::Differs(Field::Currency),
    Kind::Differs(Field::Amount),
    Kind::Differs(Field::Owner),
    Kind::Differs(Field::Status),
    Kind::Differs(Field::AmountCaptured),
    Kind::Differs(Field::AmountRefunded),
    Kind::Differs(Field::Disputed),
    Kind::Differs(Field::FailureCode),
    Kind::Differs(Field::Plan),
    Kind::Differs(Field::CurrentPeriodEnd),
    Kind::Differs(Field::ProviderId),
    Kind::DuplicateInStatement,
    Kind::UnknownCustomer,
];

impl Kind {
    /// The kind's name in SQL and JSON: a public interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnlyInStatement => "only_in_statement",
            Self::OnlyInLedger => "only_in_ledger",
            Self::ListedAgain => "listed_again",
            Self::Differs(Field::Currency) => "currency",
            Self::Differs(Field::Amount) => "amount",
            Self::Differs(Field::Owner) => "owner",
            Self::Differs(Field::Status) => "status",
            Self::Differs(Field::AmountCaptured) => "amount_captured",
            Self::Differs(Field::AmountRefunded) => "amount_refunded",
            Self::Differs(Field::Disputed) => "disputed",
            Self::Differs(Field::FailureCode) => "failure_code",
            Self::Differs(Field::Plan) => "plan",
            Self::Differs(Field::CurrentPeriodEnd) => "current_period_end",
            Self::Differs(Field::ProviderId) => "id_replaced",
            Self::DuplicateInStatement => "duplicate_in_statement",
            Self::UnknownCustomer => "unknown_customer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a discrepancy is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A delete beyond `--max-deletes`; a person may approve it.
    MaxDeletes,
    /// A status change that needs a person's approval.
    NeedsApproval,
    /// A delete without a statement that is proven complete.
    Unproven,
    /// A status change that is never made.
    NeverMade,
    /// The statement lists the id more than once.
    Duplicate,
    /// The statement's customer is linked to no user.
    UnknownCustomer,
    /// The ledger's row changed after the statement was taken.
    NewerInLedger,
    /// Attempted, and the row had changed since the plan.
    Conflict,
    /// Attempted, and refused by the database.
    Failed,
    /// Attempted, and kept from its row by other transactions for as long as it was tried.
    Contended,
}

impl Reason {
    /// The reason's name in SQL and JSON: a public interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxDeletes => "max_deletes",
            Self::NeedsApproval => "needs_approval",
            Self::Unproven => "unproven",
            Self::NeverMade => "never_made",
            Self::Duplicate => "duplicate",
            Self::UnknownCustomer => "unknown_customer",
            Self::NewerInLedger => "newer_in_ledger",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::Contended => "contended",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One discrepancy: what differs, and what would bring the ledger in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    pub kind: Kind,
    /// What would be done; its states are the ledger's now and the one asked for.
    pub proposal: super::operation::Proposal,
    /// When the ledger's row last changed, where there is one.
    pub ledger_updated_at: Option<chrono::DateTime<chrono::Utc>>,
}
