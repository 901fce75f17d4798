//! `show`: one run's whole story, from the database alone.

use super::printer::{self, Printer};
use super::render::story::{FATES, Story, story};
use super::render::summary;
use super::session::Session;
use crate::cli::ShowArgs;
use crate::domain::RunId;
use crate::domain::run::{Counts, Status};
use crate::exit;
use crate::run::RunError;
use crate::store::runs::operations;
use crate::store::{DatabaseError, events, findings, runs, schema, telemetry};
use sqlx::PgConnection;
use std::collections::BTreeMap;

pub async fn show(session: &Session, printer: Printer, args: &ShowArgs) -> anyhow::Result<u8> {
    let database = session.database()?;
    let mut connection = database.connect().await?;
    schema::require_current(&mut connection, &database).await?;
    let id = find(&mut connection, &args.run).await?;
    let told = tell(&mut connection, id, args.limit).await?;
    if printer.is_json() {
        printer::json(&told);
    } else {
        printer::text(&summary(&told.run, printer.width(), printer.palette()));
        printer::text(&story(&told, printer.width(), printer.palette()));
    }
    Ok(exit::DONE)
}

pub(super) async fn find(connection: &mut PgConnection, name: &str) -> anyhow::Result<RunId> {
    if name != "latest" {
        let unknown = |_| RunError::Refused(format!("{name:?} is not a run's id, nor `latest`"));
        return Ok(name.parse().map_err(unknown)?);
    }
    let newest = runs::newest(connection).await;
    let newest = newest.map_err(DatabaseError::query("looking for the latest run"))?;
    Ok(newest.ok_or_else(|| RunError::Refused("no run has taken place yet".to_owned()))?)
}

async fn tell(connection: &mut PgConnection, id: RunId, limit: i64) -> anyhow::Result<Story> {
    let reading = || DatabaseError::query("reading the run");
    let Some(mut run) = runs::get(connection, id).await.map_err(reading())? else {
        let why = format!("there is no run {id}: `payment-monitor runs` lists them");
        return Err(RunError::Refused(why).into());
    };
    let account = telemetry::account(connection, id).await.map_err(reading())?;
    run.telemetry = account.and_then(|account| serde_json::from_value(account).ok());
    run.assessment = findings::assessment(connection, id).await.map_err(reading())?;
    let decision = events::decision(connection, id).await.map_err(reading())?;
    let mut operations_by_fate = BTreeMap::new();
    let waits = run.status == Status::Held && decision.is_none();
    for fate in FATES.into_iter().filter(|fate| has_any(run.operations, waits, fate)) {
        let told = operations(connection, id, fate, limit).await.map_err(reading())?;
        if !told.is_empty() {
            operations_by_fate.insert(fate, told);
        }
    }
    Ok(Story { run, decision, operations_by_fate })
}

/// Whether a run has operations of a fate: looking for what isn't there reads the whole plan.
/// `waits`: it is held and waits for a decision.
fn has_any(counts: Counts, waits: bool, fate: &str) -> bool {
    let Counts { applied, failed, conflict, not_done, open, .. } = counts;
    match fate {
        "applied" => applied > 0,
        "failed" => failed > 0,
        "conflict" => conflict > 0,
        "open" => open > 0,
        "held" => not_done > 0 && waits,
        _ => not_done > 0 && !waits,
    }
}
