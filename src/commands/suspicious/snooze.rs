//! `suspicious snooze`: a person has looked at it, and does not want to hear of it for a while.

use super::{now, refused_time, require_user, rule};
use crate::cli::SnoozeArgs;
use crate::commands::printer::{self, Printer};
use crate::commands::render::figures::minute;
use crate::exit;
use crate::store::DatabaseError;
use crate::store::rules::{self as stored, Subject};
use serde_json::json;
use sqlx::PgConnection;

pub async fn snooze(
    connection: &mut PgConnection,
    printer: Printer,
    args: &SnoozeArgs,
) -> anyhow::Result<u8> {
    rule(connection, &args.rule).await?;
    if let Subject::User(id) = args.user {
        require_user(connection, id).await?;
    }
    let now = now(connection).await?;
    let until = args.until.after(now).map_err(|e| refused_time(&e))?;
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
