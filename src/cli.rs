//! The command line. Every setting that a flag sets has a variable and a key of the same name.

mod failures;
mod schedule;
mod simulate;
mod suspicious;

pub use failures::{By, FailuresArgs};
pub use schedule::ScheduleArgs;
pub use simulate::SimulateArgs;
pub use suspicious::{
    BacktestArgs, FindingsArgs, ParameterArgs, SetArgs, Severity, SnoozeArgs, SuspiciousArgs,
    SuspiciousCommand,
};

use crate::config::{LogFormat, Parsed};
use crate::domain::RunId;
use crate::exit;
use crate::reconcile::Limit;
use crate::statement::Format;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;

/// Brings a company's ledger in line with its payment provider's statement: every change is
/// one atomic, recorded, traced operation.
#[derive(Debug, Parser)]
#[command(name = "payment-monitor", version, after_help = exit::HELP)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    /// One table, of `failures` only
    Csv,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct ConnectionFlags {
    /// The ledger's database: <postgres://user:password@host:5432/database>
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct TelemetryFlags {
    /// How long the last telemetry may take to be delivered [default: 5s]
    #[arg(
        long,
        global = true,
        env = "PAYMENT_MONITOR_TELEMETRY_TIMEOUT",
        value_name = "TIME SPAN"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry_timeout: Option<Parsed<humantime::Duration>>,
    /// End with 1 where telemetry was lost and all else went well
    #[arg(long, global = true, env = "PAYMENT_MONITOR_STRICT_TELEMETRY", num_args = 0..=1,
        default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_telemetry: Option<bool>,
    /// Where the database host's load during a run is asked for [default: nowhere]
    #[arg(
        long,
        global = true,
        env = "PAYMENT_MONITOR_PROMETHEUS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus_url: Option<String>,
    /// The form of log lines on standard error: human or json [default: human]
    #[arg(long, global = true, env = "PAYMENT_MONITOR_LOG_FORMAT", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<Parsed<LogFormat>>,
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

/// Flags that are not given are not serialized, so that they override nothing.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct StatementFlags {
    /// File or directory with the provider's records; may be given several times
    #[arg(long, env = "PAYMENT_MONITOR_STATEMENT", value_name = "PATH", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Vec<PathBuf>>,
    /// auto, stripe, stripe-csv, csv or ndjson [default: auto]
    #[arg(long, env = "PAYMENT_MONITOR_FORMAT", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Parsed<Format>>,
    /// When the listing started [default: the manifest's, else the file's modification time]
    #[arg(long, env = "PAYMENT_MONITOR_AS_OF", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Parsed<DateTime<Utc>>>,
    /// Fail before any change when a record is malformed
    #[arg(long, env = "PAYMENT_MONITOR_STRICT", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The provider's account that the ledger belongs to [default: pinned by the first run]
    #[arg(long, env = "PAYMENT_MONITOR_ACCOUNT", value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the ledger keeps live records or test ones [default: pinned by the first run]
    #[arg(long, env = "PAYMENT_MONITOR_LIVEMODE", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// The key under which a customer's metadata names the user [default: `user_id`]
    #[arg(long, env = "PAYMENT_MONITOR_USER_ID_KEY", value_name = "KEY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id_key: Option<String>,
    /// Look at records created from this time on [default: everything in the statement]
    #[arg(long, env = "PAYMENT_MONITOR_SINCE", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Parsed<DateTime<Utc>>>,
    /// Look at records created before this time
    #[arg(long, env = "PAYMENT_MONITOR_UNTIL", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Parsed<DateTime<Utc>>>,
    /// Leave records younger than this for the next run [default: 5m]
    #[arg(long, env = "PAYMENT_MONITOR_SETTLE", value_name = "TIME SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Parsed<humantime::Duration>>,
    /// How far the provider's clock and the ledger's may be apart [default: 1m]
    #[arg(long, env = "PAYMENT_MONITOR_CLOCK_SKEW", value_name = "TIME SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<Parsed<humantime::Duration>>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct GuardFlags {
    /// Hold a plan with more changes: 500, 20% (of the ledger's rows in the window) or none
    /// [default: 20%]
    #[arg(long, env = "PAYMENT_MONITOR_MAX_CHANGES", value_name = "LIMIT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_changes: Option<Parsed<Limit>>,
    /// Withhold deletes beyond this number, or none for no limit [default: 0]
    #[arg(long, env = "PAYMENT_MONITOR_MAX_DELETES", value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_deletes: Option<Parsed<Limit>>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct WorkFlags {
    /// How many operations are in flight at once [default: 8]
    #[arg(long, env = "PAYMENT_MONITOR_CONCURRENCY", value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long to go on trying when the database goes away; the attempt under way then is awaited
    /// [default: 30s]
    #[arg(long, env = "PAYMENT_MONITOR_RETRY_FOR", value_name = "TIME SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_for: Option<Parsed<humantime::Duration>>,
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
