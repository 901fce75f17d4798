//! The database itself: server, schema, the login's rights, partitions, clock and schedule.

use super::super::clock::Clock;
use super::super::lock::refuse_pooler;
use super::{Finding, Unsound};
use crate::store::{Database, DatabaseError, connection, doctor, schedule, schema, telemetry};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// The oldest server that is supported, as it numbers itself.
const OLDEST_NUMBER: i32 = 150_000;
/// Fewer months of partitions than this are too few: this month's and the next one's.
const MONTHS_MIN: i32 = 2;
/// How often the clock is asked: the quickest answer tells most.
const CLOCK_TRIES: u32 = 5;
/// How many missing rights are told.
const RIGHTS_TOLD_MAX: usize = 3;

/// A database that was reached.
pub(super) struct Ledger {
    pub database: Database,
    pub connection: PgConnection,
    /// Whether it can be written to.
    pub is_primary: bool,
    /// Whether its schema is the one that this program knows.
    pub is_current: bool,
}

impl Ledger {
    /// What only a server that can be written to can tell.
    pub fn require_primary(&self) -> Result<(), Unsound> {
        let why = || Unsound::NotChecked("the database can't be written to".to_owned());
        self.is_primary.then_some(()).ok_or_else(why)
    }

    /// What only this program's schema can tell.
    pub fn require_current(&self) -> Result<(), Unsound> {
        let why = || Unsound::NotChecked("the schema is not this program's".to_owned());
        self.is_current.then_some(()).ok_or_else(why)
    }
}

/// Opens a connection, with the limits of a run's, unless a pooler gives each transaction another
/// session: what such a database answers tells nothing.
pub(super) async fn reach(database: Result<Database, String>) -> Result<Ledger, Unsound> {
    let database = database.map_err(Unsound::Wrong)?.named("payment-monitor doctor");
    let mut connection = database.connect().await?;
    refuse_pooler(&database, &mut connection).await?;
    Ok(Ledger { database, connection, is_primary: false, is_current: false })
}

/// Is it PostgreSQL 15 or later, and the primary?
pub(super) async fn server(ledger: &mut Ledger) -> Finding {
    let Ledger { database, connection, .. } = ledger;
    let found = doctor::server(connection).await.map_err(|e| database.explain(&e))?;
    connection::require_writable(connection, database).await?;
    ledger.is_primary = true;
    let place = ledger.database.place();
    let name: Vec<&str> = found.version.split_whitespace().take(2).collect();
    let name = name.join(" ");
    if !name.starts_with("PostgreSQL ") || found.number < OLDEST_NUMBER {
        let why = format!("{place} is {name}: PostgreSQL 15 or later is needed");
        return Err(Unsound::Wrong(why));
    }
    Ok(format!("{name}, the primary: {place}"))
}

/// Is the schema this program's?
pub(super) async fn schema(ledger: &mut Ledger) -> Finding {
    schema::require_current(&mut ledger.connection, &ledger.database).await?;
    Ok(format!("version {}, as this program needs it", schema::version_needed()))
}

/// May the login do what a run does?
pub(super) async fn grants(ledger: &mut Ledger) -> Finding {
    ledger.require_current()?;
    let Ledger { database, connection, .. } = ledger;
    let login = doctor::login(connection).await.map_err(|e| database.explain(&e))?;
    let lacked = doctor::missing_rights(connection).await.map_err(|e| database.explain(&e))?;
    let user = login.user;
    if lacked.is_empty() {
        let more = if login.is_superuser { ", and more: it is a superuser" } else { "" };
        return Ok(format!("role {user} may do what a run does{more}"));
    }
    let mut what = lacked[..lacked.len().min(RIGHTS_TOLD_MAX)].join(", ");
    if lacked.len() > RIGHTS_TOLD_MAX {
        what = format!("{what} and {} more", lacked.len() - RIGHTS_TOLD_MAX);
    }
    if login.is_writer {
        return Err(Unsound::Wrong(format!(
            "role {user} may not {what}, although it has payment_monitor_writer: grant that role \
             what it has lost (`GRANT {} TO payment_monitor_writer`)",
            lacked[0]
        )));
    }
    Err(DatabaseError::Privilege { user, what }.into())
}

/// Are there partitions for the months to come?
pub(super) async fn partitions(ledger: &mut Ledger) -> Finding {
    ledger.require_current()?;
    let Ledger { database, connection, .. } = ledger;
    let months =
        doctor::months_of_partitions(connection).await.map_err(|e| database.explain(&e))?;
    if months < MONTHS_MIN {
        return Err(Unsound::Wrong(format!(
            "there are no partitions for {} month, and without any a run fails: run \
             `payment-monitor migrate` with the owner's login",
            if months == 0 { "this" } else { "the next" }
        )));
    }
    Ok(format!("there for {months} months, this one included"))
}

/// Is this host's clock right by the database's?
pub(super) async fn clock(ledger: &mut Ledger, clock: &Clock, clock_skew: TimeDelta) -> Finding {
    let Ledger { database, connection, .. } = ledger;
    let mut best: Option<Offset> = None;
    for _ in 0..CLOCK_TRIES {
        let before = clock.now();
        let there = doctor::time(connection).await.map_err(|e| database.explain(&e))?;
        let offset = Offset::of(before, there, clock.now());
        best = best.filter(|best| best.doubt <= offset.doubt).or(Some(offset));
    }
    let offset = best.expect("it is asked more than once");
    let told = format!(
        "{} ms {} the database's (± {} ms)",
        offset.ahead.num_milliseconds().abs(),
        if offset.ahead < TimeDelta::zero() { "behind" } else { "ahead of" },
        offset.doubt.num_milliseconds() + 1,
    );
    if offset.is_beyond(clock_skew) {
        return Err(Unsound::Wrong(format!(
            "this host's clock is {told}, and {} s are allowed (--clock-skew): set both hosts' \
             clocks by NTP",
            clock_skew.num_seconds()
        )));
    }
    Ok(told)
}

/// How far this host's clock is ahead of another, and how much of that is not known: half of the
/// time that the answer took.
#[derive(Debug, Clone, Copy)]
struct Offset {
    ahead: TimeDelta,
    doubt: TimeDelta,
}

impl Offset {
    fn of(before: DateTime<Utc>, there: DateTime<Utc>, after: DateTime<Utc>) -> Self {
        let doubt = (after - before) / 2;
        Self { ahead: before + doubt - there, doubt }
    }

    /// Whether the clocks are further apart than this, whatever is not known.
    fn is_beyond(self, skew: TimeDelta) -> bool {
        self.ahead.abs() > skew + self.doubt
    }
}

/// When is a run expected, and when did the last one succeed? That is told, and never wrong here:
/// an alert sees to it.
pub(super) async fn schedule(ledger: &mut Ledger) -> Finding {
    ledger.require_current()?;
    let Ledger { database, connection, .. } = ledger;
    let planned = schedule::current(connection).await.map_err(|e| database.explain(&e))?;
    let last = telemetry::last_success(connection).await.map_err(|e| database.explain(&e))?;
    let within = schedule::expected_within(connection).await.map_err(|e| database.explain(&e))?;
    let now = doctor::time(connection).await.map_err(|e| database.explain(&e))?;
    let last = match last {
        None => "none has succeeded yet".to_owned(),
        Some(ended_at) => {
            let since = (now - ended_at).as_seconds_f64();
            let is_late = within.is_some_and(|within| since > within);
            let late = if is_late { ", and one was missed since" } else { "" };
            format!("the last one succeeded at {}{late}", ended_at.format("%Y-%m-%d %H:%M:%S UTC"))
        }
    };
    Ok(format!("a run is to succeed every {}; {last}", planned.expected_within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_too_far_apart_only_where_the_answers_time_does_not_explain_it() {
        let at = |millis| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        let is_wrong = |before, there, after| {
            Offset::of(at(before), at(there), at(after)).is_beyond(TimeDelta::seconds(1))
        };
        assert!(!is_wrong(0, 10, 20));
        assert!(!is_wrong(0, -990, 20), "behind by a second");
        assert!(!is_wrong(0, 1_020, 20), "ahead by a second");
        assert!(is_wrong(0, 1_021, 20));
        assert!(is_wrong(0, -1_001, 20));
        assert!(!is_wrong(0, 2_900, 4_000), "the answer took four seconds");
    }
}
