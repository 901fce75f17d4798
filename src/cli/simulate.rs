//! The flags of `simulate`.

use clap::Args;
use std::path::PathBuf;

/// Keep the demo's company alive on an empty database of your own, until a signal.
///
/// New payments, failures, drift between the two sides, now and then an attacker, and a statement
/// that makes a run fail. `DATABASE_URL` is the company's login, which owns the ledger's tables
/// and may create a schema: the first start fills an empty, migrated ledger, later ones go on
/// where it stopped, and a ledger of somebody else's is refused. A signal ends it, with exit
/// code 0.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where the provider's newest statement is to be: a symbolic link, which the simulator makes
    #[arg(long, env = "PAYMENT_MONITOR_STATEMENT", value_name = "PATH")]
    pub statement: PathBuf,
    /// The time between two steps; rates are meant for 10s and a run every minute
    #[arg(long, default_value = "10s", value_name = "TIME SPAN", value_parser = above_nothing)]
    pub every: humantime::Duration,
    /// Which company is made up, where there is none yet
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

fn above_nothing(text: &str) -> Result<humantime::Duration, String> {
    let every: humantime::Duration = text.parse().map_err(|error| format!("{error}"))?;
    if every.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(every) }
}
