//! The command line. Every setting that a flag sets has a variable and a key of the same name.

mod failures;
mod flags;
mod schedule;
mod simulate;
mod suspicious;

pub use failures::{By, FailuresArgs};
pub use flags::{ConnectionFlags, GuardFlags, StatementFlags, TelemetryFlags, WorkFlags};
pub use schedule::ScheduleArgs;
pub use simulate::SimulateArgs;
pub use suspicious::{
    BacktestArgs, FindingsArgs, ParameterArgs, SetArgs, Severity, SnoozeArgs, SuspiciousArgs,
    SuspiciousCommand,
};

use crate::domain::RunId;
use crate::exit;
use crate::version;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::env;
use std::path::PathBuf;

/// Brings a company's ledger in line with its payment provider's statement: every change is
/// one atomic, recorded, traced operation.
#[derive(Debug, Parser)]
#[command(name = "payment-monitor", version = version::VERSION, long_version = version::long(),
    after_help = exit::HELP)]
pub struct Cli {
    /// Settings file [default: payment-monitor.toml, where there is one]
    #[arg(long, global = true, env = "PAYMENT_MONITOR_CONFIG", value_name = "PATH")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub connection: ConnectionFlags,

    #[command(flatten)]
    pub telemetry: TelemetryFlags,

    /// What goes to standard output; everything else goes to standard error
    #[arg(long, global = true, env = "PAYMENT_MONITOR_OUTPUT", default_value = "human")]
    pub output: Output,

    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line and the environment; ends the program where they make no sense.
    ///
    /// An empty variable is as good as none: a Compose file's `${NAME:-}` makes one.
    pub fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |arg: &clap::Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    command.mut_subcommands(without_empty_variables)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    /// One table, of `failures` only
    Csv,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on a made-up company: no set-up, no database, no collector
    Demo(DemoArgs),
    Simulate(SimulateArgs),
    /// Create or upgrade the schema of `DATABASE_URL` (as its owner)
    Migrate,
    /// Check all that a run needs: database, rights, locks, clock, collector, statement
    Doctor(DoctorArgs),
    /// Do one run: compare ledger and statement, and bring the ledger in line
    #[command(after_help = exit::HELP)]
    Run(Box<RunArgs>),
    /// List runs, newest first
    Runs(ListArgs),
    /// Tell one run's whole story
    Show(ShowArgs),
    /// List what needs a person
    Discrepancies(ListArgs),
    /// List suspicious activity, and what the rules are that find it
    Suspicious(SuspiciousArgs),
    /// Tell which payments failed: over time, by code, by user, down to one user's payments
    Failures(FailuresArgs),
    /// Show how often a run is expected and how long one may take, or change it
    Schedule(ScheduleArgs),
    /// Perform exactly what a run held or withheld, in a new run
    #[command(after_help = exit::HELP)]
    Approve(DecideArgs),
    /// Close a run: what it held or withheld can't be approved any more
    Reject(DecideArgs),
    /// End runs whose process has died (the next run does it by itself)
    Rescue,
    /// Traces of runs that are over
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Print a completion script for a shell
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Make a run's trace again from the database, with the same ids, and send it
    Replay {
        /// A run's id, or `latest`
        #[arg(value_name = "RUN")]
        run: String,
    },
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave the server up at the end, and print its `DATABASE_URL`
    #[arg(long)]
    pub keep: bool,
    /// Which company is made up: the same number, the same company
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..))]
    pub limit: i64,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run's id, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// How many operations of each fate at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(0..))]
    pub limit: i64,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The id of the run that held or withheld something
    #[arg(value_name = "RUN", value_parser = run_id)]
    pub run: RunId,
    /// Who decides
    #[arg(long, value_name = "NAME", value_parser = told)]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = told)]
    pub reason: String,
    #[command(flatten)]
    pub flags: WorkFlags,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub statement: StatementFlags,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Do everything up to the guard and print the plan; nothing is changed or recorded
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub statement: StatementFlags,
    #[command(flatten)]
    pub guard: GuardFlags,
    #[command(flatten)]
    pub work: WorkFlags,
}

/// A text that says something.
fn told(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        Err("it is empty: the record must say who and why")
    } else {
        Ok(text.to_owned())
    }
}

fn run_id(text: &str) -> Result<RunId, &'static str> {
    text.parse().map_err(|_| "it is not a run's id; `payment-monitor runs` lists them")
}
