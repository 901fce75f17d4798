//! The flags that are settings too. Those that are not given are not serialized, so that they
//! override nothing.

use crate::config::{LogFormat, Parsed};
use crate::reconcile::Limit;
use crate::statement::Format;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct ConnectionFlags {
    /// The ledger's database: <postgres://user:password@host:5432/database>
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// A file that holds that URL, in place of it: for systemd's credentials, and secrets that are
    /// mounted
    #[arg(long, global = true, env = "DATABASE_URL_FILE", value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url_file: Option<PathBuf>,
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
