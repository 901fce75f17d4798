//! The end of a run's telemetry: what is left is delivered, and what became of all of it is
//! recorded and told.

use super::printer;
use super::session::Session;
use crate::domain::Account;
use crate::domain::run::RunId;
use crate::exit;
use crate::run::account::{self, End};
use crate::run::{Environment, Report};
use crate::telemetry::{names, prometheus};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a Rust program that panics exits with.
const PANICKED: u8 = 101;
/// How many reasons of a loss are told; the record has all.
const REASONS_TOLD: usize = 2;

/// Delivers the telemetry of a run and records its account; gives the exit code.
pub async fn deliver(session: &Session, environment: &Environment, report: &mut Report) -> u8 {
    let exit_code = report.exit_code();
    let Ok(run) = report.summary.run_id.parse::<RunId>() else { return exit_code };
    let took = Duration::from_millis(report.summary.duration_ms.unwrap_or(0));
    let until = report.summary.started_at + took;
    let asking = async {
        let url = session.settings.prometheus_url()?;
        Some(prometheus::database_host(url, report.summary.started_at, until).await)
    };
    let (delivered, load) = tokio::join!(session.shutdown(), asking);
    if let Some(load) = load {
        note_failure(account::record_database_host(environment, run, load).await);
    }
    let Some(delivered) = delivered else { return exit_code };
    let finish = report.summary.phases.iter().find(|phase| phase.name == names::FINISH);
    let end = End { account: delivered, exit_code, finish: finish.cloned(), replay: false };
    note_failure(account::record(environment, run, &end).await);
    warn(&end.account);
    let is_lost = end.account.lost() > 0;
    report.summary.telemetry = Some(end.account);
    if is_lost && exit_code == exit::DONE && session.settings.strict_telemetry() {
        return exit::PARTLY;
    }
    exit_code
}

/// Delivers the traces of runs that were made again, and records the account; gives it where
/// anything is exported.
pub async fn deliver_retold(
    session: &Session,
    environment: &Environment,
    runs: &[RunId],
) -> Option<Account> {
    let account = session.shutdown().await?;
    let exit_code = if account.lost() == 0 { exit::DONE } else { exit::FAILED };
    for run in runs {
        let end = End { account: account.clone(), exit_code, finish: None, replay: true };
        note_failure(account::record(environment, *run, &end).await);
    }
    warn(&account);
    Some(account)
}

/// After a panic: delivers what had been made until then, the broken run's spans included, and
/// records the account. The run itself stays `running` until it is rescued.
pub async fn deliver_broken_off(session: &Session) {
    let run = session.run();
    let Some(account) = session.shutdown().await else { return };
    warn(&account);
    let Some(run) = run else { return };
    match session.environment() {
        Ok((environment, _)) => {
            let end = End { account, exit_code: PANICKED, finish: None, replay: false };
            note_failure(account::record(&environment, run, &end).await);
        }
        Err(error) => printer::note(&format!("warning: {error:#}")),
    }
}

/// One line about what was lost, with the reasons that most of it has.
fn warn(account: &Account) {
    let lost: Vec<_> =
        account.units().into_iter().filter(|(_, signal)| signal.lost() > 0).collect();
    if lost.is_empty() {
        return;
    }
    let told: Vec<String> = lost
        .iter()
        .map(|(unit, signal)| format!("{} of {} {unit}", signal.lost(), signal.made))
        .collect();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (why, count) in lost.iter().flat_map(|(_, signal)| &signal.why) {
        *reasons.entry(why).or_default() += count;
    }
    let mut reasons: Vec<_> = reasons.into_iter().map(|(why, count)| (count, why)).collect();
    reasons.sort_by(|a, b| b.cmp(a));
    let why: Vec<&str> = reasons.into_iter().take(REASONS_TOLD).map(|(_, why)| why).collect();
    let (told, why) = (told.join(", "), why.join("; "));
    printer::note(&format!("warning: telemetry was lost: {told}: {why}"));
}

fn note_failure(recorded: Result<(), crate::run::RunError>) {
    if let Err(error) = recorded {
        printer::note(&format!("warning: {}", error.told()));
    }
}
