//! `approve` and `reject`: a person decides on what a run held or withheld.

use super::delivery::deliver;
use super::printer::{self, Printer};
use super::session::{Session, with_progress};
use crate::cli::DecideArgs;
use crate::exit;
use crate::run::{self, Approval};
use serde_json::json;

pub async fn approve(session: &Session, printer: Printer, args: &DecideArgs) -> anyhow::Result<u8> {
    let (environment, progress) = session.environment()?;
    let mut report =
        with_progress(progress, Box::pin(run::approve(&environment, approval(args)))).await?;
    let exit_code = deliver(session, &environment, &mut report).await;
    printer.report(&report);
    Ok(exit_code)
}

pub async fn reject(session: &Session, printer: Printer, args: &DecideArgs) -> anyhow::Result<u8> {
    let (environment, _) = session.environment()?;
    run::reject(&environment, &approval(args)).await?;
    if printer.is_json() {
        printer::json(&json!({ "rejected": args.run.to_string() }));
    } else {
        printer::text(&format!(
            "Run {} is rejected: what it held or withheld can't be approved any more. What still \
             differs, later runs will find and offer again.",
            args.run
        ));
    }
    Ok(exit::DONE)
}

fn approval(args: &DecideArgs) -> Approval {
    Approval { run: args.run, by: args.by.clone(), reason: args.reason.clone() }
}
