//! `rescue`: ends runs whose process has died, and does nothing else.

use super::printer::{self, Printer};
use super::session::Session;
use crate::exit;
use crate::run;
use serde_json::json;

pub async fn rescue(session: &Session, printer: Printer) -> anyhow::Result<u8> {
    let (environment, _) = session.environment()?;
    let rescued: Vec<String> =
        run::rescue_only(&environment).await?.iter().map(ToString::to_string).collect();
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
