//! `suspicious`: what the rules found lately.

use super::{now, require_user, rule};
use crate::cli::FindingsArgs;
use crate::commands::printer::{self, Printer};
use crate::commands::render::findings;
use crate::exit;
use crate::run::RunError;
use crate::store::DatabaseError;
use crate::store::findings::{self as stored, Filter};
use serde_json::json;
use sqlx::PgConnection;

pub async fn list(
    connection: &mut PgConnection,
    printer: Printer,
    args: &FindingsArgs,
) -> anyhow::Result<u8> {
    if let Some(name) = &args.rule {
        rule(connection, name).await?;
    }
    if let Some(user) = args.user {
        require_user(connection, user).await?;
    }
    let since = args.since.before(now(connection).await?).map_err(RunError::from)?;
    let filter = Filter {
        since: Some(since),
        rule: args.rule.as_deref(),
        user: args.user,
        all: args.all,
        limit: args.limit,
    };
    let reading = DatabaseError::query("reading the findings");
    let found = stored::list(connection, &filter).await.map_err(reading)?;
    let total = found.first().map_or(0, |finding| finding.total);
    if printer.is_json() {
        printer::json(&json!({ "since": since, "total": total, "findings": found }));
    } else {
        let (width, palette) = (printer.width(), printer.palette());
        printer::text(&findings::list(&found, total, since, width, palette));
    }
    Ok(exit::DONE)
}
