//! What the tests stand on: a ledger of their own, statements, and the program.

mod ledger;
mod program;
pub mod proxy;
mod record;
pub mod score;
mod standby;
mod statement;

pub use ledger::{Ledger, PATIENCE};
pub use program::{Output, Program, finish, signal};
pub use standby::Standby;
pub use statement::{Charge, Listing, Subscription, time};

use payment_monitor::reconcile::{Limit, Pin};
use payment_monitor::run::{Environment, Progress, Request, Stop, stop::Stopper};
use payment_monitor::statement as reading;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// A request with nothing left out: no caps, no settling.
pub fn request(statement: &Path) -> Request {
    Request {
        statement: reading::Options { paths: vec![statement.to_owned()], ..Default::default() },
        pin: Pin::default(),
        since: None,
        until: None,
        settle: chrono::TimeDelta::zero(),
        clock_skew: chrono::TimeDelta::seconds(1),
        max_changes: Limit::None,
        max_deletes: None,
    }
}

/// What a run is given by the program around it, and what stops it.
pub fn environment(ledger: &Ledger) -> (Environment, Stopper) {
    let (stopper, stop) = Stop::channel();
    let environment = Environment {
        database: ledger.database(),
        host: "test".to_owned(),
        version: "0.0.0",
        stop,
        progress: watch::channel(Progress::default()).0,
        concurrency: 4,
        retry_for: Duration::from_secs(10),
        telemetry: payment_monitor::telemetry::Handle::default(),
    };
    (environment, stopper)
}
