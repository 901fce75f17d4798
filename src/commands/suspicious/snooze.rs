//! `suspicious snooze`: a person has looked at it, and does not want to hear of it for a while.

use super::{now, require_user, rule};
use crate::cli::SnoozeArgs;
use crate::commands::printer::{self, Printer};
use crate::commands::render::figures::minute;
use crate::exit;
use crate::run::RunError;
use crate::store::DatabaseError;
use crate::store::rules::{self as stored, Subject};
use serde_json::json;
use sqlx::PgConnection;

pub async fn snooze(
    connection: &mut PgConnection,
    printer: Printer,
    args: &SnoozeArgs,
) -> anyhow::Result<u8> {
    let measure = rule(connection, &args.rule).await?.measure;
    if let Subject::User(id) = args.user {
        require_user(connection, id).await?;
    }
    // Of a measure of the company's own nothing is known.
    let is_on_all = matches!(measure.as_str(), "failure_rate" | "dominant_code");
    let why = match args.user {
        Subject::User(_) if is_on_all => "is on the payments of all: snooze `all`",
        Subject::All if measure.starts_with("user_") => "is on single users: snooze one by the id",
        _ => "",
    };
    if !why.is_empty() {
        return Err(RunError::Refused(format!("what {} finds {why}", args.rule)).into());
    }
    let now = now(connection).await?;
    let until = args.until.after(now).map_err(RunError::from)?;
    let told = (args.by.as_str(), args.reason.as_str());
    stored::snooze(connection, (&args.rule, args.user), until, told)
        .await
        .map_err(DatabaseError::query("recording the snooze"))?;
    let user = match args.user {
        Subject::User(id) => Some(id),
        Subject::All => None,
    };
    if printer.is_json() {
        printer::json(&json!({ "rule": args.rule, "user_id": user, "until": until }));
        return Ok(exit::DONE);
    }
    let whom = user.map_or_else(|| "the payments of all".to_owned(), |id| format!("user {id}"));
    let rule = &args.rule;
    printer::text(&if until > now {
        format!("What {rule} finds on {whom} is not reported until {} UTC.", minute(until))
    } else {
        format!("What {rule} finds on {whom} is reported again.")
    });
    Ok(exit::DONE)
}
