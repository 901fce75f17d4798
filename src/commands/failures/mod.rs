//! `failures`: which payments failed, over time, by code, by user, down to one user's payments.
//! It reads, and changes nothing: a login with `payment_monitor_reader` will do.

mod by_code;
mod by_user;
mod of_user;
mod over_time;

use super::printer::{self, Printer};
use super::session::Session;
use crate::cli::{By, FailuresArgs, Output};
use crate::domain::Stretch;
use crate::exit;
use crate::run::RunError;
use crate::store::{DatabaseError, failures as stored, schema};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// What was found, for machines in either form and for people.
struct Found<T> {
    document: T,
    head: &'static [&'static str],
    lines: fn(&T) -> Vec<Vec<String>>,
    text: fn(&T, Printer) -> String,
}

pub async fn failures(
    session: &Session,
    printer: Printer,
    args: &FailuresArgs,
) -> anyhow::Result<u8> {
    check(args)?;
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let now = stored::now(&mut connection).await.map_err(reading())?;
    if let Some(user) = args.user {
        of_user::of_user(&mut connection, args, user, now).await?.print(printer);
        return Ok(exit::DONE);
    }
    let stretch = Stretch::of(now, args.per, args.since, args.until).map_err(RunError::from)?;
    match args.by {
        By::Total => over_time::over_time(&mut connection, args, stretch).await?.print(printer),
        By::Code => by_code::by_code(&mut connection, args, stretch).await?.print(printer),
        By::User => by_user::by_user(&mut connection, args, stretch).await?.print(printer),
    }
    Ok(exit::DONE)
}

/// Refuses what makes no sense together.
fn check(args: &FailuresArgs) -> anyhow::Result<()> {
    let is_total = args.user.is_none() && args.by == By::Total;
    let why = if args.code.is_some() && args.by != By::Total {
        "--code counts one code over time: it can't be used with --by code or --by user"
    } else if args.limit.is_some() && is_total {
        "--limit is for --by code, --by user and --user: steps are never left out"
    } else {
        return Ok(());
    };
    Err(RunError::Refused(why.to_owned()).into())
}

fn reading() -> impl FnOnce(sqlx::Error) -> DatabaseError {
    DatabaseError::query("reading the payment failures")
}

impl<T: Serialize> Found<T> {
    fn print(&self, printer: Printer) {
        match printer.output() {
            Output::Json => printer::json(&self.document),
            Output::Csv => printer::csv(self.head, &(self.lines)(&self.document)),
            Output::Human => printer::text(&(self.text)(&self.document, printer)),
        }
    }
}

/// A time in a table for machines.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A rate in a table for machines; nothing where nothing was attempted.
fn rate(rate: Option<f64>) -> String {
    rate.map(|rate| format!("{rate:.6}")).unwrap_or_default()
}
