//! `doctor`: whether all that a run needs is there, and is what it says to be. No check stops the
//! others, none disturbs a run that is going on, and none leaves anything behind.

mod database;
mod locks;
mod outside;

use super::clock::Clock;
use super::error::RunError;
use crate::statement;
use crate::store::{Database, DatabaseError};
use crate::telemetry;
use chrono::TimeDelta;
use database::Ledger;
use serde::Serialize;
use std::time::Duration;

/// How long the database may take for one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// The checks of a database that was reached.
const OF_DATABASE: [&str; 7] =
    ["schema", "grants", "run_lock", "fence", "partitions", "clock", "schedule"];

/// What is to be examined.
#[derive(Debug)]
pub struct Asked {
    /// The ledger's database, or why there is none.
    pub database: Result<Database, String>,
    /// The statement, where one is given.
    pub statement: Option<statement::Options>,
    /// How far apart clocks may be.
    pub clock_skew: TimeDelta,
    pub telemetry: telemetry::Settings,
}

/// What one check came to. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    #[serde(rename = "check")]
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found; where it is wrong, what to do about it as well.
    pub told: String,
}

/// Whether something is as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Wrong,
    NotChecked,
}

/// Why a check did not come to a good end.
enum Unsound {
    /// What is wrong, and what to do about it.
    Wrong(String),
    /// Why it was not checked.
    NotChecked(String),
}

/// What was found, or why that is not good.
type Finding = Result<String, Unsound>;

impl From<DatabaseError> for Unsound {
    fn from(error: DatabaseError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Checks everything, in the order in which a person would repair it.
pub async fn examine(asked: Asked) -> Vec<Check> {
    let (clock, _) = Clock::start_after(None);
    let mut findings = Findings::default();
    match within_time(database::reach(asked.database)).await {
        Ok(Ok(mut ledger)) => {
            of_database(&mut findings, &mut ledger, &clock, asked.clock_skew).await;
        }
        Ok(Err(why)) | Err(why) => {
            findings.note("database", Err(why));
            findings.is_over = true;
            for name in OF_DATABASE {
                findings.ask(name, std::future::pending()).await;
            }
        }
    }
    findings.note("collector", outside::collector(&asked.telemetry).await);
    let statement = outside::statement(asked.statement, clock.now(), asked.clock_skew).await;
    findings.note("statement", statement);
    findings.checks
}

async fn of_database(
    findings: &mut Findings,
    ledger: &mut Ledger,
    clock: &Clock,
    clock_skew: TimeDelta,
) {
    findings.ask("database", database::server(ledger)).await;
    ledger.is_current = findings.ask("schema", database::schema(ledger)).await;
    findings.ask("grants", database::grants(ledger)).await;
    findings.ask("run_lock", locks::run_lock(ledger)).await;
    findings.ask("fence", locks::fence(ledger)).await;
    findings.ask("partitions", database::partitions(ledger)).await;
    findings.ask("clock", database::clock(ledger, clock, clock_skew)).await;
    findings.ask("schedule", database::schedule(ledger)).await;
}

/// Waits for an answer of the database's for a bounded time.
async fn within_time<T>(answer: impl Future<Output = T>) -> Result<T, Unsound> {
    tokio::time::timeout(CHECK_TIMEOUT, answer)
        .await
        .map_err(|_| Unsound::Wrong(RunError::NoAnswer(CHECK_TIMEOUT.as_secs()).told()))
}

#[derive(Default)]
struct Findings {
    checks: Vec<Check>,
    /// The database is not reached, can't be trusted or does not answer: it is not asked again.
    is_over: bool,
}

impl Findings {
    /// Does a check of the database's, within a bounded time; whether all is well.
    async fn ask(&mut self, name: &'static str, check: impl Future<Output = Finding>) -> bool {
        if self.is_over {
            let why = "the database is not asked any further".to_owned();
            return self.note(name, Err(Unsound::NotChecked(why)));
        }
        let finding = within_time(check).await.unwrap_or_else(|silence| {
            self.is_over = true;
            Err(silence)
        });
        self.note(name, finding)
    }

    fn note(&mut self, name: &'static str, finding: Finding) -> bool {
        let (verdict, told) = match finding {
            Ok(found) => (Verdict::Ok, found),
            Err(Unsound::Wrong(why)) => (Verdict::Wrong, why),
            Err(Unsound::NotChecked(why)) => (Verdict::NotChecked, why),
        };
        self.checks.push(Check { name, verdict, told });
        verdict == Verdict::Ok
    }
}
