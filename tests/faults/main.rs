//! The fault campaign: does to the shipped program what a bad day would, and checks each time
//! that the database alone still says what happened. docs/faults.md lists what is done.
//!
//! Each fault is one function of one module, and one row of the table that is printed.

mod approvals;
mod campaign;
mod clock;
mod contention;
mod cuts;
mod files;
mod going;
#[allow(dead_code, unused_imports, reason = "shared with tests/suite, which needs other parts")]
#[path = "../suite/harness/mod.rs"]
mod harness;
mod kills;
mod middle;
mod network;
mod overlap;
mod paused;
mod points;
mod replicas;
mod servers;
mod space;
mod stage;
mod table;
mod truth;

use campaign::{Campaign, Fault, Needs, caught, fault};
use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::{Row, Table};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many faults are tried at once, besides those that only wait most of the time.
const AT_ONCE: usize = 3;

/// Every fault, in the order in which they are begun: the long ones first.
fn faults() -> Vec<Fault> {
    use Needs::Nothing;
    let mut all = vec![
        fault("SIGSTOP in the middle of perform, then SIGCONT", Nothing, paused::in_the_middle)
            .waiting(),
        fault(
            "SIGSTOP between an operation's statement and its end, then SIGCONT",
            Nothing,
            paused::before_the_end_of_an_operation,
        )
        .waiting(),
        fault("network frozen for 45 s in perform", Nothing, network::frozen_in_perform).waiting(),
        fault("network frozen for ever in perform", Nothing, network::frozen_for_ever_in_perform)
            .waiting(),
        fault("network frozen for ever in fetch", Nothing, network::frozen_for_ever_in_fetch)
            .waiting(),
        fault("network frozen for ever in compare", Nothing, network::frozen_for_ever_in_compare)
            .waiting(),
        fault("network frozen at begin", Nothing, network::frozen_at_begin).waiting(),
        fault("200 ms for each round trip", Nothing, network::slow).waiting(),
        fault("SIGKILL at every message of a run", Nothing, kills::at_every_message),
        fault("connection cut at every message of a run", Nothing, cuts::of_a_run),
        fault("SIGKILL at random times", Nothing, kills::at_random_times),
        fault("cut or SIGKILL at every message of approve", Nothing, cuts::of_an_approval),
        fault("cut or SIGKILL at every message of rescue", Nothing, cuts::of_a_rescue),
        fault("only the answer of an operation lost", Nothing, cuts::of_an_answer),
    ];
    let modules = [
        replicas::faults,
        servers::faults,
        contention::faults,
        overlap::faults,
        approvals::faults,
        files::faults,
        clock::faults,
        space::faults,
    ];
    all.extend(modules.into_iter().flat_map(|faults| faults()));
    all
}

/// Tries faults; by default each for as long as a pipeline can wait.
#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "flags")]
#[command(name = "faults")]
struct Arguments {
    /// Only the faults whose name contains one of these
    filters: Vec<String>,
    /// What chance decides is decided by this number and the fault's name
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The long form: every point, and what can be repeated for so long each
    #[arg(long)]
    seconds: Option<u64>,
    /// Of faults that are tried at many points, only those points whose name contains this
    #[arg(long)]
    at: Option<String>,
    /// Only the faults that need more than PostgreSQL
    #[arg(long)]
    ignored: bool,
    /// Those too
    #[arg(long)]
    include_ignored: bool,
    /// Tell of every point at which a fault is tried
    #[arg(long, visible_alias = "no-capture")]
    nocapture: bool,
    /// Only name them
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    others: OtherArguments,
}

/// What `cargo test -- ...` passes to every binary, and means nothing here.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, dead_code, reason = "flags, and none of them is read")]
struct OtherArguments {
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    show_output: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    color: Option<String>,
    #[arg(long, hide = true)]
    skip: Vec<String>,
    #[arg(short = 'Z', hide = true)]
    unstable: Option<String>,
}

impl Arguments {
    fn wants(&self, fault: &Fault) -> bool {
        let is_named = |filter: &String| fault.name.contains(filter.as_str());
        let is_ignored = fault.needs != Needs::Nothing;
        (self.filters.is_empty() || self.filters.iter().any(is_named))
            && !self.others.skip.iter().any(is_named)
            && (self.include_ignored || self.ignored == is_ignored)
    }

    fn campaign(&self, name: &'static str) -> Campaign {
        Campaign {
            name,
            seed: self.seed,
            lasting: self.seconds.map(Duration::from_secs),
            at: self.at.clone(),
            every: 1,
            is_verbose: self.nocapture,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))); // without a backtrace
    let (wanted, others): (Vec<Fault>, Vec<Fault>) =
        faults().into_iter().partition(|fault| arguments.wants(fault));
    if arguments.list {
        for fault in wanted {
            println!("{}: test", fault.name);
        }
        return ExitCode::SUCCESS;
    }
    println!("\ntrying {} faults, seed {}", wanted.len(), arguments.seed);
    let table = try_all(&arguments, wanted).await;
    println!("\n{table}");
    let failed = table.failed().count();
    for row in table.failed() {
        println!("failed: {}\n  {}", row.name, row.held.as_ref().unwrap_err());
        println!("  again: {}", arguments.campaign(row.name).command());
    }
    let left = others.len();
    println!("\n{} passed, {failed} failed, {left} left out", table.rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn try_all(arguments: &Arguments, faults: Vec<Fault>) -> Table {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut trying = JoinSet::new();
    for (position, fault) in faults.into_iter().enumerate() {
        let campaign = arguments.campaign(fault.name);
        let permits = Arc::clone(&permits);
        trying.spawn(async move {
            let mut permit = None;
            if !fault.is_waiting {
                permit = Some(permits.acquire_owned().await.expect("never closed"));
            }
            let row = try_one(fault, campaign).await;
            drop(permit);
            (position, row)
        });
    }
    let mut rows = Vec::new();
    while let Some(tried) = trying.join_next().await {
        let (position, row) = tried.expect("panics are caught within");
        println!("{row}");
        rows.push((position, row));
    }
    rows.sort_by_key(|(position, _)| *position);
    Table { rows: rows.into_iter().map(|(_, row)| row).collect() }
}

async fn try_one(fault: Fault, campaign: Campaign) -> Row {
    let started = Instant::now();
    let held = caught((fault.run)(campaign)).await;
    Row { name: fault.name, held, took: started.elapsed() }
}
