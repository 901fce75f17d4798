//! `suspicious backtest`: what a rule would have found in the history with other parameters,
//! beside what it finds as it is. Nothing is recorded.

use super::rules::parameters;
use super::{now, refused, rule};
use crate::cli::BacktestArgs;
use crate::commands::printer::{self, Printer};
use crate::commands::render::findings::{self, Backtest, is_in};
use crate::domain::StretchError;
use crate::exit;
use crate::run::RunError;
use crate::store::DatabaseError;
use crate::store::findings::take_time;
use crate::store::rules::{self as stored, Change};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

pub async fn backtest(
    connection: &mut PgConnection,
    printer: Printer,
    args: &BacktestArgs,
) -> anyhow::Result<u8> {
    let rule = rule(connection, &args.rule).await?;
    let now = now(connection).await?;
    let since = args.since.before(now).map_err(RunError::from)?;
    let until = args.until.map_or(Ok(now), |until| until.before(now)).map_err(RunError::from)?;
    if since >= until {
        return Err(RunError::from(StretchError::Empty { since, until }).into());
    }
    let doing = "evaluating the rule on the history";
    let failed = || DatabaseError::query(doing);
    let mut snapshot = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(failed())?;
    take_time(&mut snapshot).await.map_err(failed())?;
    let between = (since, until);
    let change = parameters(&args.parameters);
    let as_is = stored::evaluate(&mut snapshot, &rule.name, between, &Change::default())
        .await
        .map_err(failed())?;
    let changed = stored::evaluate(&mut snapshot, &rule.name, between, &change)
        .await
        .map_err(refused(doing))?;
    let users = stored::paying_users(&mut snapshot, between).await.map_err(failed())?;
    let meant = stored::changed(&mut snapshot, &rule, &change).await.map_err(failed())?;
    let told = Backtest { rule, meant, since, until, users, as_is, changed };
    if printer.is_json() {
        printer::json(&document(&told));
    } else {
        let limit = args.limit as usize;
        printer::text(&findings::backtest(&told, limit, printer.width(), printer.palette()));
    }
    Ok(exit::DONE)
}

fn document(told: &Backtest) -> serde_json::Value {
    json!({
        "rule": told.rule,
        "since": told.since,
        "until": told.until,
        "threshold": told.meant.threshold,
        "time_window": told.meant.time_window,
        "at_least": told.meant.at_least,
        "paying_users": told.users,
        "found": told.changed,
        "found_as_it_is": told.as_is,
        "in_both": told.changed.iter().filter(|found| is_in(found, &told.as_is)).count(),
    })
}
