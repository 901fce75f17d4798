//! What payments and subscriptions have in common, so that they are compared and planned by the
//! same code: a record as stated, a row's recorded state, and how two states differ.

use super::{Field, State, Subject};
use std::fmt::Display;

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

/// What may be done about a changed status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Applied by a run.
    Applied,
    /// Left until a person approves it.
    NeedsApproval,
    /// Never made.
    Never,
}

/// One field in which two states differ, with both values as people read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub field: Field,
    pub from: String,
    pub to: String,
}

/// Collects differences, weightiest field first.
#[derive(Default)]
pub(super) struct Differences(pub Vec<Difference>);

impl Differences {
    /// Notes a field whose values differ.
    pub fn note<T: PartialEq + Display>(&mut self, field: Field, from: &T, to: &T) {
        self.note_as(field, from, to, ToString::to_string);
    }

    /// The same, for values that are shown in a form of their own.
    pub fn note_as<T: PartialEq>(
        &mut self,
        field: Field,
        from: T,
        to: T,
        show: impl Fn(T) -> String,
    ) {
        if from != to {
            self.0.push(Difference { field, from: show(from), to: show(to) });
        }
    }
}

/// How an owner is named in a description.
pub(super) fn owner_name(user_id: Option<i64>) -> String {
    user_id.map_or("nobody".to_owned(), |id| format!("user {id}"))
}

/// The recorded state of a row of the ledger.
pub trait RowState: Sized {
    const SUBJECT: Subject;

    /// The fields in which `to` differs from this state, weightiest first.
    fn differences(&self, to: &Self) -> Vec<Difference>;
    /// The state in a few words: `failed 12.50 USD`.
    fn headline(&self) -> String;
    fn status(&self) -> &str;
    /// What may be done about a status that changes so.
    fn status_change(from: &str, to: &str) -> StatusChange;
    fn is_removed(&self) -> bool;
    #[must_use]
    fn marked_removed(&self) -> Self;
    fn into_state(self) -> State;
}

/// A record of the statement, which asks for a state of the ledger's row.
pub trait StatementRecord {
    type State: RowState;

    fn provider_id(&self) -> &str;
    /// The state that this record asks for, given the ledger's row where there is one.
    /// What the statement does not state stays as the ledger has it.
    fn desired(&self, owner: Owner, ledger: Option<&Self::State>) -> Self::State;
}
