//! Two sides of one record become at most one discrepancy.

use crate::domain::discrepancy::{Discrepancy, Field, Kind};
use crate::domain::operation::{Action, Proposal, State};
use crate::domain::record::{Difference, Owner, RowState, StatementRecord};
use chrono::{DateTime, Utc};

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow<S> {
    pub id: i64,
    pub updated_at: DateTime<Utc>,
    pub state: S,
}

/// A record of the statement, with its owner looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRow<R> {
    pub record: R,
    pub owner: Owner,
    /// How often the statement lists the id.
    pub copies: i64,
}

/// Both sides of one record. A subscription whose id was replaced is one pair as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<R: StatementRecord> {
    pub ledger: Option<LedgerRow<R::State>>,
    pub statement: Option<StatementRow<R>>,
}

/// The discrepancy that a pair shows; none where both sides agree.
pub fn compare<R: StatementRecord>(pair: Pair<R>) -> Option<Discrepancy> {
    let ledger_updated_at = pair.ledger.as_ref().map(|row| row.updated_at);
    let (kind, proposal) = match (pair.ledger, pair.statement) {
        (None, None) => return None,
        (ledger, Some(statement)) if statement.copies > 1 => duplicate(ledger, &statement),
        (None, Some(statement)) => only_in_statement(&statement),
        (Some(ledger), None) => only_in_ledger(ledger),
        (Some(ledger), Some(statement)) => in_both(ledger, &statement)?,
    };
    Some(Discrepancy { kind, proposal, ledger_updated_at })
}

fn duplicate<R: StatementRecord>(
    ledger: Option<LedgerRow<R::State>>,
    statement: &StatementRow<R>,
) -> (Kind, Proposal) {
    let description = format!("listed {} times in the statement", statement.copies);
    let action = if ledger.is_some() { Action::Update } else { Action::New };
    (Kind::DuplicateInStatement, propose::<R>(statement, action, ledger, None, description))
}

fn only_in_statement<R: StatementRecord>(statement: &StatementRow<R>) -> (Kind, Proposal) {
    let desired = statement.record.desired(statement.owner, None);
    let subject = R::State::SUBJECT;
    if statement.owner == Owner::Unknown {
        let description = format!("{subject} of a customer that no user is linked to");
        let proposal = propose::<R>(statement, Action::New, None, Some(desired), description);
        return (Kind::UnknownCustomer, proposal);
    }
    let description = format!("new {subject}: {}", desired.headline());
    (Kind::OnlyInStatement, propose::<R>(statement, Action::New, None, Some(desired), description))
}

fn only_in_ledger<S: RowState>(ledger: LedgerRow<S>) -> (Kind, Proposal) {
    let removed = ledger.state.marked_removed().into_state();
    let description = format!("not listed any more: {}", ledger.state.headline());
    let previous = ledger.state.into_state();
    let proposal = Proposal {
        subject: S::SUBJECT,
        action: Action::Delete,
        target_id: Some(ledger.id),
        user_id: previous.user_id(),
        provider_id: previous.provider_id().to_owned(),
        previous: Some(previous),
        new: Some(removed),
        description,
    };
    (Kind::OnlyInLedger, proposal)
}

fn in_both<R: StatementRecord>(
    ledger: LedgerRow<R::State>,
    statement: &StatementRow<R>,
) -> Option<(Kind, Proposal)> {
    let desired = statement.record.desired(statement.owner, Some(&ledger.state));
    let differences = ledger.state.differences(&desired);
    let kind = if ledger.state.is_removed() {
        Kind::ListedAgain
    } else if let Some(weightiest) = differences.first() {
        Kind::Differs(weightiest.field)
    } else if statement.owner == Owner::Unknown {
        Kind::UnknownCustomer
    } else {
        return None;
    };
    let description = match kind {
        Kind::UnknownCustomer => "customer that no user is linked to".to_owned(),
        Kind::ListedAgain => format!("listed again: {}", desired.headline()),
        _ => describe(&differences),
    };
    Some((kind, propose::<R>(statement, Action::Update, Some(ledger), Some(desired), description)))
}

fn propose<R: StatementRecord>(
    statement: &StatementRow<R>,
    action: Action,
    ledger: Option<LedgerRow<R::State>>,
    new: Option<R::State>,
    description: String,
) -> Proposal {
    let target_id = ledger.as_ref().map(|row| row.id);
    let previous = ledger.map(|row| row.state.into_state());
    let new = new.map(RowState::into_state);
    Proposal {
        subject: R::State::SUBJECT,
        action,
        target_id,
        user_id: new.as_ref().or(previous.as_ref()).and_then(State::user_id),
        provider_id: statement.record.provider_id().to_owned(),
        previous,
        new,
        description,
    }
}

fn describe(differences: &[Difference]) -> String {
    let one = |d: &Difference| {
        let name = match d.field {
            Field::ProviderId => "id",
            field => Kind::Differs(field).as_str(),
        };
        format!("{} {} -> {}", name.replace('_', " "), d.from, d.to)
    };
    differences.iter().map(one).collect::<Vec<_>>().join("; ")
}
