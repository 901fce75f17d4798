//! `discrepancies`: what runs left for a person, once each.

use super::printer::{self, Printer};
use super::render::table::{self, OpenDiscrepancy};
use super::session::Session;
use crate::cli::ListArgs;
use crate::exit;
use crate::store::discrepancies::{self as stored, Open};
use crate::store::{DatabaseError, schema};
use serde_json::json;

pub async fn discrepancies(
    session: &Session,
    printer: Printer,
    args: &ListArgs,
) -> anyhow::Result<u8> {
    let reading = || DatabaseError::query("reading the open discrepancies");
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let open = stored::open(&mut connection, args.limit).await.map_err(reading())?;
    let total = stored::count_open(&mut connection).await.map_err(reading())?;
    if printer.is_json() {
        printer::json(&json!({ "open": total, "discrepancies": open }));
    } else if open.is_empty() {
        printer::text("Nothing needs a person.");
    } else {
        let shown = open.len();
        let rows: Vec<OpenDiscrepancy> = open.into_iter().map(row).collect();
        printer::text(&table::discrepancies(&rows, printer.width()));
        printer::text(&format!("{shown} of {total} open discrepancies."));
    }
    Ok(exit::DONE)
}

fn row(open: Open) -> OpenDiscrepancy {
    OpenDiscrepancy {
        kind: open.kind,
        subject: open.subject,
        provider_id: open.provider_id,
        user_id: open.user_id,
        reason: open.reason,
        first_seen: open.first_seen_at,
        last_seen: open.last_seen_at,
    }
}
