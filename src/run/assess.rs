//! The look at the ledger's payments, as the run leaves them: keeps the hours' counts up to date
//! and evaluates the rules of suspicious activity.
//!
//! Nothing that goes wrong here fails the run, whose work is done; that something could not be
//! evaluated is on record, in the report, in a log line and in a metric.

use super::begin::Run;
use super::error::RunError;
use super::observe;
use crate::domain::{Assessed, Assessment};
use crate::store::error::{Fault, fault};
use crate::store::findings::{self, Enabled, Stored};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection as _, PgConnection};

/// A statement may tell of payments of the last days only now: they are looked at again.
const LOOK_BACK: TimeDelta = TimeDelta::days(7);
/// As far back as this, if no run has looked since.
const LOOK_BACK_MAX: TimeDelta = TimeDelta::days(90);

/// Looks at the payments.
///
/// # Errors
/// [`RunError::FencedOff`] only.
pub(super) async fn assess(run: &Run) -> Result<Assessment, RunError> {
    let until = run.clock.now();
    let mut assessment = Assessment { since: until, until, ..Assessment::default() };
    if let Err(error) = look(run, &mut assessment).await {
        if matches!(error, RunError::FencedOff) {
            return Err(error);
        }
        assessment.errors.push(error.told());
    }
    observe::assessed(run, &assessment);
    Ok(assessment)
}

async fn look(run: &Run, assessment: &mut Assessment) -> Result<(), RunError> {
    let mut connection = run.database.connect().await?;
    let until = assessment.until;
    assessment.since = until - LOOK_BACK;
    let doing = RunError::query("reading the rules");
    let rules = findings::enabled_rules(&mut connection).await.map_err(doing)?;
    if let Err(error) = keep_hours(&mut connection, until).await {
        assessment.errors.push(format!("the counts by hour are as they were: {}", why(&error)));
        connection = run.database.connect().await?;
    }
    for rule in rules {
        let since = since(&rule, until);
        assessment.since = assessment.since.min(since);
        let mut assessed = Assessed { rule: rule.name, severity: rule.severity, ..<_>::default() };
        if let Err(error) = evaluate(&mut connection, run, &mut assessed, (since, until)).await? {
            assessed.error = Some(why(&error));
            connection = run.database.connect().await?; // a broken one fails no other rule
        }
        assessment.rules.push(assessed);
    }
    let stamp = (run.clock.next_id(), run.clock.now());
    let noted = findings::note(&mut connection, stamp, run.id, assessment).await;
    let is_live = noted.map_err(RunError::query("recording the look at the payments"))?;
    if is_live { Ok(()) } else { Err(RunError::FencedOff) }
}

/// From when on a rule is evaluated: what no run has looked at by it is not left out.
fn since(rule: &Enabled, until: DateTime<Utc>) -> DateTime<Utc> {
    let last = rule.evaluated_until.unwrap_or(until);
    last.min(until - LOOK_BACK).max(until - LOOK_BACK_MAX)
}

async fn keep_hours(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    findings::take_time(&mut transaction).await?;
    findings::keep_hours(&mut transaction, now).await?;
    transaction.commit().await
}

/// Evaluates one rule, in a transaction of its own.
///
/// # Errors
/// [`RunError::FencedOff`]; the inner error is the rule's.
async fn evaluate(
    connection: &mut PgConnection,
    run: &Run,
    assessed: &mut Assessed,
    between: (DateTime<Utc>, DateTime<Utc>),
) -> Result<sqlx::Result<()>, RunError> {
    let evaluated = async {
        let mut transaction = connection.begin().await?;
        findings::take_time(&mut transaction).await?;
        let stored = findings::evaluate(&mut transaction, run.id, &assessed.rule, between).await?;
        let snoozed = findings::snoozed(&mut transaction, run.id, &assessed.rule).await?;
        transaction.commit().await?;
        Ok((stored, snoozed))
    };
    match evaluated.await {
        Ok((Stored { live: false, .. }, _)) => Err(RunError::FencedOff),
        Ok((stored, snoozed)) => {
            let count = |n: i64| u64::try_from(n).unwrap_or(0);
            assessed.found = count(stored.found);
            assessed.new = count(stored.new);
            assessed.snoozed = count(snoozed);
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Why a rule could not be evaluated: without the values of any row.
fn why(error: &sqlx::Error) -> String {
    match fault(error) {
        Fault::Refused(why) | Fault::Contended(why) | Fault::Unwritable(why) => why,
        Fault::Transient | Fault::AlreadyRecorded => "the database went away".to_owned(),
    }
}
