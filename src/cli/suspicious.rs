//! The arguments of `suspicious` and its parts.

use super::told;
use crate::domain::Moment;
use crate::store::rules::Subject;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SuspiciousArgs {
    #[command(subcommand)]
    pub command: Option<SuspiciousCommand>,
    #[command(flatten)]
    pub list: FindingsArgs,
}

#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// Only findings on this user
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub user: Option<i64>,
    /// Only findings of this rule
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Only what went on at this time or later: a time, a date, or a span back from now
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub since: Moment,
    /// What is snoozed, and what a later finding replaces, too
    #[arg(long)]
    pub all: bool,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..))]
    pub limit: i64,
}

#[derive(Debug, Subcommand)]
pub enum SuspiciousCommand {
    /// List the rules: what is counted, over which window, from which threshold on
    Rules,
    /// Change a rule; who and why is recorded
    Set(SetArgs),
    /// Show on the history what a change of a rule would have flagged
    Backtest(BacktestArgs),
    /// Don't report what a rule finds on a user until a time; who and why is recorded
    Snooze(SnoozeArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What of a rule is to be otherwise.
#[derive(Debug, Args)]
pub struct ParameterArgs {
    /// From which value on it is a finding
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// The stretch of time that is counted over: `90m`, `1h`, `7d`
    #[arg(long, value_name = "TIME SPAN")]
    pub window: Option<humantime::Duration>,
    /// Of a rate or a share: how many failures there must be
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub at_least: Option<i64>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true)
    .args(["threshold", "window", "at_least", "severity", "enable", "disable"])))]
pub struct SetArgs {
    /// The rule's name
    #[arg(value_name = "RULE")]
    pub rule: String,
    #[command(flatten)]
    pub parameters: ParameterArgs,
    /// How much it matters
    #[arg(long, value_name = "NAME")]
    pub severity: Option<Severity>,
    /// Evaluate it in every run
    #[arg(long)]
    pub enable: bool,
    /// Don't evaluate it
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Who changes it
    #[arg(long, value_name = "NAME", value_parser = told)]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = told)]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The rule's name
    #[arg(value_name = "RULE")]
    pub rule: String,
    #[command(flatten)]
    pub parameters: ParameterArgs,
    /// From when on: a time, a date, or a span back from now
    #[arg(long, value_name = "TIME", default_value = "90d")]
    pub since: Moment,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// How many findings to list at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct SnoozeArgs {
    /// The user's id, or `all` where a rule's findings are on the payments of all
    #[arg(value_name = "USER", value_parser = subject, allow_negative_numbers = true)]
    pub user: Subject,
    /// The rule's name
    #[arg(long, value_name = "RULE")]
    pub rule: String,
    /// Until when: a time, a date, or a span from now
    #[arg(long, value_name = "TIME")]
    pub until: Moment,
    /// Who does not want to hear of it
    #[arg(long, value_name = "NAME", value_parser = told)]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = told)]
    pub reason: String,
}

fn subject(text: &str) -> Result<Subject, &'static str> {
    if text == "all" {
        return Ok(Subject::All);
    }
    text.parse().map(Subject::User).map_err(|_| "it is neither a user's id nor `all`")
}
