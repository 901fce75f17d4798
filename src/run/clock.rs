//! A run's time and ids: started from the wall clock once, and monotonic from there on, so that
//! a clock that jumps makes no duration negative and no id go back. Ids go on from the newest
//! recorded run even where this host's clock is behind it: their order is the order of the runs.

use crate::domain::run::RunId;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use uuid::{ContextV7, Timestamp, Uuid};

/// The clock of one run.
#[derive(Debug)]
pub struct Clock {
    started_at: DateTime<Utc>,
    started: Instant,
    /// No id is of an earlier millisecond.
    floor: DateTime<Utc>,
    ids: Mutex<ContextV7>,
}

impl Clock {
    /// Starts the clock and makes the run's id, which is older than all others of the run, and
    /// newer than the newest recorded run's.
    pub fn start_after(newest: Option<RunId>) -> (Self, RunId) {
        let started_at = Utc::now().trunc_subsecs(6);
        let floor =
            newest.and_then(RunId::moment).map(|moment| moment + TimeDelta::milliseconds(1));
        let clock = Self {
            started_at,
            started: Instant::now(),
            floor: floor.unwrap_or(started_at),
            ids: Mutex::new(ContextV7::new()),
        };
        let run = RunId(clock.next_id());
        (clock, run)
    }

    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The start plus the time since, in whole microseconds as PostgreSQL keeps them.
    pub fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.elapsed()).unwrap_or(TimeDelta::MAX);
        (self.started_at + elapsed).trunc_subsecs(6)
    }

    /// A UUIDv7 greater than every one before.
    pub fn next_id(&self) -> Uuid {
        let now = self.now().max(self.floor);
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let context = self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_run_are_in_order_and_the_runs_own_comes_first() {
        let (clock, run) = Clock::start_after(None);
        let ids: Vec<Uuid> = (0..10_000).map(|_| clock.next_id()).collect();
        assert!(run.0 < ids[0]);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].get_version_num(), 7);
    }

    #[test]
    fn ids_go_on_from_the_newest_run_where_the_clock_is_behind_it_and_times_stay_honest() {
        let (of_tomorrow, newest) = Clock::start_after(Some(in_a_day()));
        assert!(newest > in_a_day());
        assert!(of_tomorrow.started_at() < newest.moment().unwrap() - TimeDelta::hours(23));
        let (clock, run) = Clock::start_after(Some(newest));
        let ids: Vec<Uuid> = (0..10_000).map(|_| clock.next_id()).collect();
        assert!(newest < run && run.0 < ids[0]);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(clock.now() < Utc::now() + TimeDelta::minutes(1));
    }

    fn in_a_day() -> RunId {
        let seconds = u64::try_from((Utc::now() + TimeDelta::days(1)).timestamp()).unwrap();
        RunId(Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, seconds, 0)))
    }
}
