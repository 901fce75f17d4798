//! The arguments of `schedule`.

use super::told;
use clap::{ArgGroup, Args};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").multiple(true).args(["every", "grace", "longest"])
    .requires_all(["by", "reason"])))]
pub struct ScheduleArgs {
    /// How often cron starts a run: `1h`
    #[arg(long, value_name = "TIME SPAN")]
    pub every: Option<humantime::Duration>,
    /// How much later than that a run may succeed before somebody is told
    #[arg(long, value_name = "TIME SPAN")]
    pub grace: Option<humantime::Duration>,
    /// How long a run may take before somebody is told
    #[arg(long, value_name = "TIME SPAN")]
    pub longest: Option<humantime::Duration>,
    /// Who changes it
    #[arg(long, value_name = "NAME", value_parser = told, requires = "change")]
    pub by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = told, requires = "change")]
    pub reason: Option<String>,
}
