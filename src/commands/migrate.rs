//! `migrate`: creates or upgrades the schema, and makes partitions ahead.

use super::printer::{self, Printer};
use super::session::Session;
use crate::exit;
use crate::run::refuse_pooler;
use crate::store::error::fault;
use crate::store::{Database, connection, schema};
use serde_json::json;
use std::time::Duration;

/// How often the partitions are tried: making one needs the company's tables for a moment.
const TRIES_MAX: u32 = 10;

pub async fn migrate(session: &Session, printer: Printer) -> anyhow::Result<u8> {
    // With a run's limits: a migrate that is paused or cut off must not hold the run lock for ever.
    let database = session.database()?.named("payment-monitor migrate");
    let mut connection = database.connect().await?;
    refuse_pooler(&database, &mut connection).await?;
    connection::require_writable(&mut connection, &database).await?;
    let (from, to) = schema::migrate(&mut connection, &database).await?;
    let partitions = create_partitions(&mut connection, &database).await?;
    if printer.is_json() {
        printer::json(&json!({ "from": from, "to": to, "partitions_made": partitions }));
    } else if from == to {
        printer::text(&format!("The schema is up to date (version {to})."));
    } else {
        printer::text(&format!("The schema went from version {from} to {to}."));
    }
    Ok(exit::DONE)
}

async fn create_partitions(
    connection: &mut sqlx::PgConnection,
    database: &Database,
) -> anyhow::Result<i32> {
    let mut tries = 0;
    loop {
        tries += 1;
        match schema::create_partitions(connection).await {
            Ok(made) => return Ok(made),
            Err(error) if tries < TRIES_MAX && fault(&error).may_pass() => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(database.explain_change("making partitions", error).into()),
        }
    }
}
