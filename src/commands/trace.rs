//! `trace replay`: makes a run's trace again from the database, and sends it.

use super::delivery;
use super::printer::{self, Printer};
use super::render::figures::counted;
use super::session::Session;
use super::show;
use crate::cli::TraceCommand;
use crate::exit;
use crate::run::{self, RunError};
use crate::store::{connection, schema};
use crate::telemetry::spans::Server;
use serde_json::json;

pub async fn trace(
    session: &Session,
    printer: Printer,
    command: &TraceCommand,
) -> anyhow::Result<u8> {
    let TraceCommand::Replay { run: name } = command;
    let (environment, _) = session.environment()?;
    if !environment.telemetry.is_enabled() {
        let why = "no collector is configured: set OTEL_EXPORTER_OTLP_ENDPOINT";
        return Err(RunError::Refused(why.to_owned()).into());
    }
    let database = &environment.database;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, database).await?;
    let schema_name = connection::current_schema(&mut connection, database).await?;
    let id = show::find(&mut connection, name).await?;
    let server = Server::new(database.address(), database.database(), &schema_name);
    let spans = run::replay(&mut connection, &environment.telemetry, &server, id).await?;
    let account = delivery::deliver_retold(session, &environment, &[id]).await;
    let account = account.unwrap_or_default();
    if printer.is_json() {
        printer::json(&json!({
            "replayed": id.to_string(),
            "trace_id": id.trace_id(),
            "spans": spans,
            "telemetry": account,
        }));
    } else {
        let delivered = account.traces.acknowledged;
        let spans = counted(spans, "span");
        printer::text(&format!(
            "Trace {}: {spans} made again, {delivered} delivered.",
            id.trace_id()
        ));
    }
    Ok(if account.lost() == 0 { exit::DONE } else { exit::FAILED })
}
