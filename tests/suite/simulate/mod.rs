//! The simulator: both sides of a company that lives, and runs beside it.

mod command;
mod life;
mod statements;

use crate::harness::Ledger;
use payment_monitor::demo;
use payment_monitor::postgres::SUPERUSER;
use payment_monitor::simulator::{Beginning, Shelf, Simulator, SimulatorError};
use payment_monitor::store::{Database, simulation};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

const SEED: u64 = 7;

/// Where a company's statements are, and its folder.
fn place(folder: &Path) -> PathBuf {
    folder.join("statement")
}

/// The ledger's database as its owner's, not as the job's.
fn owners_url(ledger: &Ledger) -> String {
    ledger.server().url(SUPERUSER, ledger.name())
}

async fn begin(ledger: &Ledger, folder: &Path) -> Result<(Simulator, Beginning), SimulatorError> {
    let database = Database::new(&SecretString::from(owners_url(ledger))).unwrap();
    Simulator::begin(&database, Shelf::at(&place(folder)).unwrap(), SEED).await
}

/// A company that began some time ago, for its steps to be made at once.
async fn seeded_at(ledger: &mut Ledger, began: chrono::DateTime<chrono::Utc>) {
    let both_sides = demo::both_sides(SEED, began);
    simulation::create(&mut ledger.admin, SEED, began, &both_sides).await.unwrap();
    ledger.sql("TRUNCATE recorded_changes").await;
}
