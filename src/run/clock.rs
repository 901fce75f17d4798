//! A run's time and ids: started from the wall clock once, and monotonic from there on, so that
//! a clock that jumps makes no duration negative and no id go back.

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
    ids: Mutex<ContextV7>,
}

impl Clock {
    /// Starts the clock and makes the run's id, which is older than all others of the run.
    pub fn start() -> (Self, RunId) {
        let clock = Self {
            started_at: Utc::now().trunc_subsecs(6),
            started: Instant::now(),
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
        let now = self.now();
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
        let (clock, run) = Clock::start();
        let ids: Vec<Uuid> = (0..10_000).map(|_| clock.next_id()).collect();
        assert!(run.0 < ids[0]);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].get_version_num(), 7);
    }
}
