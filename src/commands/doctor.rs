//! `doctor`: whether all that a run needs is there, one line for each thing.

use super::printer::{self, Printer};
use super::render::Palette;
use super::session::Session;
use crate::config::ConfigError;
use crate::exit;
use crate::run::doctor::{Asked, Check, Verdict, examine};
use crate::telemetry;
use serde_json::json;

pub async fn doctor(session: &Session, printer: Printer) -> anyhow::Result<u8> {
    let settings = &session.settings;
    let statement = match settings.request() {
        Ok(request) => Some(request.statement),
        Err(ConfigError::NoStatement) => None,
        Err(error) => return Err(error.into()),
    };
    let asked = Asked {
        database: session.database().map_err(|error| error.to_string()),
        statement,
        clock_skew: settings.clock_skew(),
        telemetry: telemetry::Settings::from_environment(),
    };
    let checks = Box::pin(examine(asked)).await;
    let wrong = checks.iter().filter(|check| check.verdict == Verdict::Wrong).count();
    if printer.is_json() {
        printer::json(&json!({ "checks": checks, "wrong": wrong }));
    } else {
        for check in &checks {
            printer::text(&line(check, printer.palette()));
        }
    }
    Ok(if wrong > 0 { exit::PARTLY } else { exit::DONE })
}

fn line(check: &Check, palette: Palette) -> String {
    let (style, word) = match check.verdict {
        Verdict::Ok => (palette.good, "ok"),
        Verdict::Wrong => (palette.bad, "wrong"),
        Verdict::NotChecked => (palette.dim, "not checked"),
    };
    let name = check.name.replace('_', " ");
    format!("{style}{word:<11}{style:#}  {name:<10}  {}", check.told.replace('\n', " "))
}
