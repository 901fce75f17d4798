//! `run`: does one run and tells what it did; or, as a dry run, what it would do.

use super::delivery::deliver;
use super::printer::{self, Printer};
use super::render::figures::counted;
use super::session::{Session, with_progress};
use crate::cli::RunArgs;
use crate::domain::Operation;
use crate::exit;
use crate::run::{self, Environment, Preview, Request};
use serde_json::json;
use std::io::Write as _;
use tokio::sync::mpsc;

pub async fn run(session: &Session, printer: Printer, args: &RunArgs) -> anyhow::Result<u8> {
    let request = session.settings.request()?;
    let (environment, progress) = session.environment()?;
    if args.dry_run {
        return Box::pin(dry_run(&environment, &request, printer)).await;
    }
    let mut report = with_progress(progress, run::run(&environment, request)).await?;
    let exit_code = deliver(session, &environment, &mut report).await;
    printer.report(&report);
    Ok(exit_code)
}

async fn dry_run(
    environment: &Environment,
    request: &Request,
    printer: Printer,
) -> anyhow::Result<u8> {
    let (sender, receiver) = mpsc::channel(1_024);
    let shown = show(printer, receiver);
    let (preview, ()) = tokio::join!(run::preview(environment, request, sender), shown);
    let preview = preview?;
    if printer.is_json() {
        printer::text(&document(&preview).to_string());
    } else {
        printer::text(&verdict(&preview));
    }
    Ok(if preview.held.is_some() { exit::HELD } else { exit::DONE })
}

/// Prints each operation as it is planned: a plan may be larger than memory. For machines each
/// is one line of JSON, and the last document is the summary.
async fn show(printer: Printer, mut operations: mpsc::Receiver<Operation>) {
    while let Some(operation) = operations.recv().await {
        let mut out = printer::out();
        let _ = if printer.is_json() {
            writeln!(out, "{}", line(&operation))
        } else {
            let Operation { action, provider_id, description, .. } = &operation;
            let table = operation.subject.table();
            writeln!(out, "{action:<6} {table:<13} {provider_id}  {description}")
        };
    }
}

fn line(operation: &Operation) -> serde_json::Value {
    let state = |state: &Option<String>| {
        state.as_deref().and_then(|state| serde_json::from_str::<serde_json::Value>(state).ok())
    };
    json!({
        "kind": operation.kind,
        "subject": operation.subject,
        "action": operation.action,
        "provider_id": operation.provider_id,
        "user_id": operation.user_id,
        "description": operation.description,
        "previous_state": state(&operation.previous_state),
        "new_state": state(&operation.new_state),
    })
}

fn document(preview: &Preview) -> serde_json::Value {
    json!({
        "dry_run": true,
        "statement": preview.statement,
        "discrepancies": preview.plan.discrepancies,
        "left": preview.plan.left,
        "operations": { "planned": preview.plan.operations },
        "withheld_deletes": preview.plan.withheld_deletes,
        "held": preview.held,
    })
}

fn verdict(preview: &Preview) -> String {
    let plan = &preview.plan;
    let left: u64 = plan.left.values().sum();
    let held = preview.held.as_ref().map(|why| format!("\nThe run would be held: {why}."));
    format!(
        "Dry run: {} planned, {left} to be left as they are; nothing was changed.{}",
        counted(plan.operations, "operation"),
        held.unwrap_or_default()
    )
}
