//! `suspicious rules` and `suspicious set`: what the rules are, and a change of one.

use super::{refused, rule};
use crate::cli::{ParameterArgs, SetArgs};
use crate::commands::printer::{self, Printer};
use crate::commands::render::findings;
use crate::exit;
use crate::store::DatabaseError;
use crate::store::rules::{self as stored, Change};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

pub async fn rules(connection: &mut PgConnection, printer: Printer) -> anyhow::Result<u8> {
    let reading = DatabaseError::query("reading the rules");
    let rules = stored::all(connection).await.map_err(reading)?;
    if printer.is_json() {
        printer::json(&json!({ "rules": rules }));
    } else {
        printer::text(&findings::rules(&rules, printer.width()));
    }
    Ok(exit::DONE)
}

pub async fn set(
    connection: &mut PgConnection,
    printer: Printer,
    args: &SetArgs,
) -> anyhow::Result<u8> {
    let before = rule(connection, &args.rule).await?;
    let change = Change {
        severity: args.severity.map(crate::cli::Severity::as_str),
        enabled: (args.enable || args.disable).then_some(args.enable),
        ..parameters(&args.parameters)
    };
    let doing = "changing the rule";
    let mut transaction = connection.begin().await.map_err(DatabaseError::query(doing))?;
    let told = (args.by.as_str(), args.reason.as_str());
    stored::change(&mut transaction, &args.rule, &change, told).await.map_err(refused(doing))?;
    transaction.commit().await.map_err(DatabaseError::query(doing))?;
    let after = rule(connection, &args.rule).await?;
    if printer.is_json() {
        printer::json(&json!({ "previous": before, "rule": after }));
    } else {
        printer::text(&findings::changed(&before, &after));
    }
    Ok(exit::DONE)
}

/// What a command line says of a rule's parameters.
pub(super) fn parameters(args: &ParameterArgs) -> Change<'static> {
    Change {
        threshold: args.threshold,
        time_window: args.window.map(Into::into),
        at_least: args.at_least,
        ..Change::default()
    }
}
