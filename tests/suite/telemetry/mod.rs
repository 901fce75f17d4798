//! What a collector receives of a run, and the account of what it did not.

mod account;
mod broken;
pub mod collector;
mod metrics;
mod parts;
mod replay;
mod trace;
mod transport;

use crate::harness::{Charge, Ledger, Listing};
use payment_monitor::domain::account::{Account, Signal};
use payment_monitor::telemetry::settings::{Queue, Target};
use payment_monitor::telemetry::{Settings, Source, Telemetry};
use std::time::Duration;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

/// A ledger and a listing of three new payments, of which the database refuses one.
async fn ledger_that_refuses_one() -> (Ledger, Listing) {
    let mut ledger = Ledger::with_users(1).await;
    ledger.sql("ALTER TABLE payments ADD CONSTRAINT rule CHECK (amount_minor > 0)").await;
    let listing = Listing::of([
        Charge::new("ch_1", 1),
        Charge::new("ch_2", 2).with("amount", 0),
        Charge::new("ch_3", 3),
    ]);
    (ledger, listing)
}

/// Settings that send all signals to one collector.
fn settings(url: &str) -> Settings {
    let target = Target {
        endpoint: url.to_owned(),
        is_insecure: false,
        headers: Vec::new(),
        compression: None,
        timeout: Duration::from_secs(10),
        certificate: None,
        client_certificate: None,
        client_key: None,
    };
    Settings {
        traces: Some(target.clone()),
        metrics: Some(target.clone()),
        logs: Some(target),
        ..Settings::default()
    }
}

fn start(settings: &Settings) -> Telemetry {
    Telemetry::start(settings, &Source { host: "test", version: "0.0.0" }).unwrap()
}

/// Makes the spans of this thread, as the program does for all of its threads.
fn listen(telemetry: &Telemetry) -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(telemetry.spans_layer()))
}

/// A queue of a given size that is sent at once.
fn queue(items_max: usize) -> Queue {
    Queue { items_max, batch_max: items_max, delay: Duration::from_millis(1) }
}

/// What must hold of every account.
fn assert_adds_up(account: &Account) {
    for (name, signal) in account.signals() {
        let Signal { made, acknowledged, refused, dropped, why } = signal;
        assert_eq!(*made, acknowledged + refused + dropped, "{name}: {signal:?}");
        assert_eq!(refused + dropped, why.values().sum::<u64>(), "{name}: {signal:?}");
    }
}
