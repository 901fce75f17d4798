//! `schedule`: how often a run is expected, and how long one may take; shown, or changed on the
//! record.

use super::printer::{self, Printer};
use super::session::Session;
use super::suspicious::refused;
use crate::cli::ScheduleArgs;
use crate::exit;
use crate::store::schedule::{self as stored, Change, Schedule};
use crate::store::{DatabaseError, schema};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

pub async fn schedule(
    session: &Session,
    printer: Printer,
    args: &ScheduleArgs,
) -> anyhow::Result<u8> {
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let mut previous = None;
    if let (Some(by), Some(reason)) = (&args.by, &args.reason) {
        previous = Some(current(&mut connection).await?);
        change(&mut connection, args, (by, reason)).await?;
    }
    let now = current(&mut connection).await?;
    if printer.is_json() {
        let mut document = json!(now);
        document["previous"] = json!(previous);
        printer::json(&document);
    } else {
        printer::text(&told(&now, previous.as_ref()));
    }
    Ok(exit::DONE)
}

async fn current(connection: &mut PgConnection) -> anyhow::Result<Schedule> {
    let reading = DatabaseError::query("reading the schedule");
    Ok(stored::current(connection).await.map_err(reading)?)
}

async fn change(
    connection: &mut PgConnection,
    args: &ScheduleArgs,
    told: (&str, &str),
) -> anyhow::Result<()> {
    let doing = "changing the schedule";
    let change = Change {
        every: args.every.map(Into::into),
        grace: args.grace.map(Into::into),
        longest: args.longest.map(Into::into),
    };
    let mut transaction = connection.begin().await.map_err(DatabaseError::query(doing))?;
    stored::change(&mut transaction, &change, told).await.map_err(refused(doing))?;
    transaction.commit().await.map_err(DatabaseError::query(doing))?;
    Ok(())
}

fn told(now: &Schedule, previous: Option<&Schedule>) -> String {
    let was = |of: fn(&Schedule) -> &String| match previous {
        Some(previous) if of(previous) != of(now) => format!("  (was {})", of(previous)),
        _ => String::new(),
    };
    format!(
        "A run is started every   {}{}\n\
         It may be late by        {}{}\n\
         It may take              {}{}\n\
         One is missed where none has succeeded for {}.",
        now.every,
        was(|schedule| &schedule.every),
        now.grace,
        was(|schedule| &schedule.grace),
        now.longest,
        was(|schedule| &schedule.longest),
        now.expected_within,
    )
}
