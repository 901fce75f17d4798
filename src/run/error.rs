//! Why a run could not go on.

use super::stop::Signal;
use crate::domain::StretchError;
use crate::reconcile::guard::PinError;
use crate::statement::StatementError;
use crate::store::DatabaseError;
use chrono::{DateTime, Utc};

/// What ends a run before its plan is done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error(
        "the staged statement is not what was read: {table} holds {found} rows, {expected} were \
         staged; the staging tables were emptied or changed behind the run's back (a server \
         crash empties them): run again"
    )]
    Staging { table: &'static str, found: i64, expected: i64 },
    #[error(
        "the statement is said to be of {as_of}, but it is {now} now: a time in the future would \
         let it overwrite rows that are newer; give the right --as-of, or set the clock"
    )]
    Future { as_of: DateTime<Utc>, now: DateTime<Utc> },
    #[error(
        "the statement is of {as_of}, but the ledger was brought in line with one of {newest} \
         already: an older state never overwrites a newer one; fetch a new statement"
    )]
    Older { as_of: DateTime<Utc>, newest: DateTime<Utc> },
    #[error("stopped by {0}")]
    Stopped(Signal),
    #[error("the run lock was lost and could not be taken again within {0} s")]
    LockLost(u64),
    #[error("another run found this one's lock gone and ended it: nothing was changed since")]
    FencedOff,
    #[error(
        "{what} gone from the database: the server has lost commits, as a failover to a replica \
         that was behind does; what this run had changed since is gone with them: run again"
    )]
    Lost { what: &'static str },
    #[error(
        "{missing} of the {planned} planned operations have no result although all were \
         performed: the server has lost commits, as a failover to a replica that was behind \
         does; their changes are gone with them: run again"
    )]
    LostResults { missing: i64, planned: i64 },
    #[error("the database gave no answer within {0} s: is the network to it up?")]
    NoAnswer(u64),
    #[error("the database can't be written to: {0}")]
    Unwritable(String),
    #[error("another run is going on")]
    Busy,
    #[error(
        "the run lock was lost before the run's work began (was the process paused?): run again"
    )]
    Paused,
    #[error("{0}")]
    Refused(String),
    #[error("a task of the run broke off")]
    Task(#[from] tokio::task::JoinError),
}

/// Times that can't be meant are wrong usage.
impl From<StretchError> for RunError {
    fn from(why: StretchError) -> Self {
        Self::Refused(why.to_string())
    }
}

/// An error with its causes, in one line.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

impl RunError {
    /// This error with its causes, in one line.
    pub fn told(&self) -> String {
        told(self)
    }

    /// A query failed while something was being done.
    pub fn query(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| Self::Database(DatabaseError::query(doing)(error))
    }
}
