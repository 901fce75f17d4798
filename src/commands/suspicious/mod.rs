//! `suspicious`: what the rules found, what they are, what another threshold would have found,
//! and who does not want to hear of it.

mod backtest;
mod list;
mod rules;
mod snooze;

use super::printer::Printer;
use super::session::Session;
use crate::cli::{SuspiciousArgs, SuspiciousCommand};
use crate::run::RunError;
use crate::store::{DatabaseError, failures, rules as stored, schema};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub async fn suspicious(
    session: &Session,
    printer: Printer,
    args: &SuspiciousArgs,
) -> anyhow::Result<u8> {
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let connection = &mut connection;
    match &args.command {
        None => list::list(connection, printer, &args.list).await,
        Some(SuspiciousCommand::Rules) => rules::rules(connection, printer).await,
        Some(SuspiciousCommand::Set(args)) => rules::set(connection, printer, args).await,
        Some(SuspiciousCommand::Backtest(args)) => {
            backtest::backtest(connection, printer, args).await
        }
        Some(SuspiciousCommand::Snooze(args)) => snooze::snooze(connection, printer, args).await,
    }
}

/// The database's time, which findings and snoozes are compared with.
async fn now(connection: &mut PgConnection) -> anyhow::Result<DateTime<Utc>> {
    let now = failures::now(connection).await;
    Ok(now.map_err(DatabaseError::query("asking for the time"))?)
}

/// The rule of a name; an unknown one is named, and those that there are.
async fn rule(connection: &mut PgConnection, name: &str) -> anyhow::Result<stored::Rule> {
    let reading = DatabaseError::query("reading the rules");
    let rules = stored::all(connection).await.map_err(reading)?;
    let names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    let found = rules.into_iter().find(|rule| rule.name == name);
    let unknown = || format!("there is no rule {name:?}; there are {}", names.join(", "));
    Ok(found.ok_or_else(|| RunError::Refused(unknown()))?)
}

/// Refuses a user that the ledger does not have.
async fn require_user(connection: &mut PgConnection, id: i64) -> anyhow::Result<()> {
    let looking = DatabaseError::query("looking for the user");
    if stored::is_user(connection, id).await.map_err(looking)? {
        return Ok(());
    }
    Err(RunError::Refused(format!("the ledger has no user {id}")).into())
}

/// What can't be meant is refused with the database's words; all else is a failure.
pub(super) fn refused(doing: &'static str) -> impl FnOnce(sqlx::Error) -> anyhow::Error {
    move |error| match error.as_database_error() {
        Some(told) if told.code().as_deref() == Some("23514") => {
            RunError::Refused(told.message().to_owned()).into()
        }
        _ => DatabaseError::query(doing)(error).into(),
    }
}
