//! What `failures` is told: which stretch of time, in which steps, counted by what.

use crate::domain::{Moment, Per};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

/// What the failures of a stretch of time are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    Total,
    Code,
    User,
}

#[derive(Debug, Args)]
pub struct FailuresArgs {
    /// How long a step is, in UTC; weeks begin on Monday
    #[arg(long, default_value = "day",
        value_parser = PossibleValuesParser::new(Per::ALL.map(Per::as_str))
            .try_map(|name| name.parse::<Per>()))]
    pub per: Per,
    /// Count everything together, each failure code, or each user
    #[arg(long, value_enum, default_value = "total")]
    pub by: By,
    /// Count the failures with this code only
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Show this user's payments, newest first, and what runs did to each
    #[arg(long, value_name = "ID", allow_negative_numbers = true,
        conflicts_with_all = ["per", "by", "code"])]
    pub user: Option<i64>,
    /// From when on: a time, a date, or a time span back from now (7d); whole hours are counted
    /// [default: 2 days of hours, 30 days or 26 weeks; with --user all there is]
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// How many codes, users or payments at most [default: 20]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub limit: Option<i64>,
}

impl FailuresArgs {
    /// How many codes, users or payments are listed.
    pub fn limit(&self) -> i64 {
        self.limit.unwrap_or(20)
    }
}
