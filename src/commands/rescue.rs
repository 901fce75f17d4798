//! `rescue`: ends runs whose process has died, and does nothing else.

use super::delivery;
use super::printer::{self, Printer};
use super::session::Session;
use crate::exit;
use crate::run;
use serde_json::json;

pub async fn rescue(session: &Session, printer: Printer) -> anyhow::Result<u8> {
    let (environment, _) = session.environment()?;
    let rescued = run::rescue_only(&environment).await?;
    delivery::deliver_retold(session, &environment, &rescued).await;
    let rescued: Vec<String> = rescued.iter().map(ToString::to_string).collect();
    if printer.is_json() {
        printer::json(&json!({ "rescued": rescued }));
    } else if rescued.is_empty() {
        printer::text("No run needs rescue.");
    } else {
        for run in rescued {
            printer::text(&format!("Run {run} is interrupted now; `show {run}` tells its story."));
        }
    }
    Ok(exit::DONE)
}
