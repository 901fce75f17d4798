//! `runs`: the runs that began last.

use super::printer::{self, Printer};
use super::render::table;
use super::session::Session;
use crate::cli::ListArgs;
use crate::exit;
use crate::store::{DatabaseError, runs as stored, schema};
use serde_json::json;

pub async fn runs(session: &Session, printer: Printer, args: &ListArgs) -> anyhow::Result<u8> {
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let runs = stored::latest(&mut connection, args.limit)
        .await
        .map_err(DatabaseError::query("reading the runs"))?;
    if printer.is_json() {
        printer::json(&json!({ "runs": runs }));
    } else if runs.is_empty() {
        printer::text("No run yet: `payment-monitor run --statement PATH` does one.");
    } else {
        printer::text(&table::runs(&runs, printer.width()));
    }
    Ok(exit::DONE)
}
