//! Settings: flags, then the environment, then `payment-monitor.toml`, then defaults.

mod credential;
mod file;
mod parsed;

pub use credential::CredentialError;
pub use parsed::Parsed;

use crate::reconcile::{Limit, Pin};
use crate::run::Request;
use crate::statement::{self, Format, Mapping};
use chrono::{DateTime, TimeDelta, Utc};
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The settings file that is read where none is named.
const FILE: &str = "payment-monitor.toml";

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the settings file {0} does not exist")]
    NoFile(PathBuf),
    #[error("the settings file {} can't be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("{place}: {why}")]
    Wrong { place: String, why: String },
    #[error(
        "no database is given: set DATABASE_URL or DATABASE_URL_FILE, --database-url or \
         --database-url-file, or the key of that name in {FILE}"
    )]
    NoDatabase,
    #[error(
        "{place} gives both database_url and database_url_file, which may be two databases: \
         take one away"
    )]
    TwoDatabases { place: String },
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(
        "no statement is given: set --statement, PAYMENT_MONITOR_STATEMENT or `statement` \
             in {FILE}"
    )]
    NoStatement,
    #[error("since ({since}) is not before until ({until})")]
    EmptyWindow { since: DateTime<Utc>, until: DateTime<Utc> },
}

/// All settings, by the names of their flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    database_url: Option<SecretString>,
    database_url_file: Option<PathBuf>,
    statement: Vec<PathBuf>,
    format: Option<Parsed<Format>>,
    as_of: Option<Parsed<DateTime<Utc>>>,
    strict: bool,
    account: Option<String>,
    livemode: Option<bool>,
    user_id_key: Option<String>,
    since: Option<Parsed<DateTime<Utc>>>,
    until: Option<Parsed<DateTime<Utc>>>,
    settle: Option<Parsed<humantime::Duration>>,
    clock_skew: Option<Parsed<humantime::Duration>>,
    max_changes: Option<Parsed<Limit>>,
    max_deletes: Option<Parsed<Limit>>,
    concurrency: Option<u32>,
    retry_for: Option<Parsed<humantime::Duration>>,
    mapping: Option<Mapping>,
    telemetry_timeout: Option<Parsed<humantime::Duration>>,
    strict_telemetry: bool,
    prometheus_url: Option<SecretString>,
    log_format: Option<Parsed<LogFormat>>,
}

/// The form of log lines on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is neither human nor json")),
        }
    }
}

impl Settings {
    /// Reads the settings file, and lays what flags and environment say over it.
    ///
    /// # Errors
    /// A file that is missing or wrong: the key and the file are named.
    pub fn load(named: Option<&Path>, flags: &[&dyn ErasedFlags]) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(FILE));
        if named.is_some() {
            file::require_readable(path)?;
        }
        let mut figment = Figment::new();
        if path.is_file() {
            // `file_exact`: a file of that name further up is somebody else's.
            figment = figment.merge(Toml::file_exact(path));
        }
        for flags in flags {
            figment = flags.lay_over(figment);
        }
        let mut settings: Self = figment.extract().map_err(|error| file::wrong(path, &error))?;
        settings.choose_database(path, |key| file::is_from_file(figment.find_metadata(key)))?;
        match settings.out_of_bounds() {
            None => Ok(settings),
            Some((key, why)) => {
                let place = file::place(path, key, figment.find_metadata(key));
                Err(ConfigError::Wrong { place, why })
            }
        }
    }

    /// What can be read and makes no sense: its key, and why.
    fn out_of_bounds(&self) -> Option<(&'static str, String)> {
        if let Some(number) = self.concurrency
            && !(1..=256).contains(&number)
        {
            return Some(("concurrency", format!("{number} is not within 1 and 256")));
        }
        if let Some(limit @ Limit::Percent(_)) = self.max_deletes.as_ref().map(|max| max.value) {
            let why = format!("{limit} is a percentage: write a number or none");
            return Some(("max_deletes", why));
        }
        None
    }

    /// Leaves one of the two settings that say where the ledger is: either of them, given by a
    /// flag or a variable, beats both of the file's.
    fn choose_database(
        &mut self,
        path: &Path,
        is_from_file: impl Fn(&str) -> bool,
    ) -> Result<(), ConfigError> {
        if self.database_url.is_none() || self.database_url_file.is_none() {
            return Ok(());
        }
        match (is_from_file("database_url"), is_from_file("database_url_file")) {
            (true, false) => self.database_url = None,
            (false, true) => self.database_url_file = None,
            (true, true) => {
                return Err(ConfigError::TwoDatabases { place: path.display().to_string() });
            }
            (false, false) => {
                let place = "the command line or the environment (DATABASE_URL, DATABASE_URL_FILE)";
                return Err(ConfigError::TwoDatabases { place: place.to_owned() });
            }
        }
        Ok(())
    }

    /// Where the ledger is; reads the file that says so, if that is given.
    ///
    /// # Errors
    /// [`ConfigError::NoDatabase`], or a file that can't be read.
    pub fn database_url(&self) -> Result<SecretString, ConfigError> {
        match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => Ok(credential::read(path)?),
            (None, None) => Err(ConfigError::NoDatabase),
        }
    }

    /// How many operations are in flight at once.
    pub fn concurrency(&self) -> u32 {
        self.concurrency.unwrap_or(8)
    }

    /// How long to go on trying when the database goes away.
    pub fn retry_for(&self) -> Duration {
        span(self.retry_for.as_ref(), Duration::from_secs(30))
    }

    /// How long the last telemetry may take to be delivered.
    pub fn telemetry_timeout(&self) -> Duration {
        span(self.telemetry_timeout.as_ref(), Duration::from_secs(5))
    }

    /// Whether a run that lost telemetry is not a success.
    pub fn strict_telemetry(&self) -> bool {
        self.strict_telemetry
    }

    /// Where the database host's load is asked for.
    pub fn prometheus_url(&self) -> Option<&SecretString> {
        self.prometheus_url.as_ref()
    }

    /// The form of log lines on standard error.
    pub fn log_format(&self) -> LogFormat {
        self.log_format.as_ref().map_or(LogFormat::Human, |format| format.value)
    }

    /// How far clocks may be apart.
    pub fn clock_skew(&self) -> TimeDelta {
        delta(self.clock_skew.as_ref(), Duration::from_mins(1))
    }

    /// What a run is asked to do.
    ///
    /// # Errors
    /// A statement that is not given, or settings that contradict each other.
    pub fn request(&self) -> Result<Request, ConfigError> {
        if self.statement.is_empty() {
            return Err(ConfigError::NoStatement);
        }
        let since = self.since.as_ref().map(|since| since.value);
        let until = self.until.as_ref().map(|until| until.value);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(ConfigError::EmptyWindow { since, until });
        }
        Ok(Request {
            statement: self.statement_options(),
            pin: Pin { account: self.account.clone(), livemode: self.livemode },
            since,
            until,
            settle: delta(self.settle.as_ref(), Duration::from_mins(5)),
            clock_skew: self.clock_skew(),
            max_changes: self.max_changes.as_ref().map_or(Limit::Percent(20), |limit| limit.value),
            max_deletes: self.max_deletes.as_ref().map_or(Limit::Rows(0), |max| max.value).rows(0),
        })
    }

    fn statement_options(&self) -> statement::Options {
        statement::Options {
            paths: self.statement.clone(),
            format: self.format.as_ref().map_or(Format::Auto, |format| format.value),
            as_of: self.as_of.as_ref().map(|as_of| as_of.value),
            strict: self.strict,
            user_id_key: self.user_id_key.clone().unwrap_or_else(|| "user_id".to_owned()),
            mapping: self.mapping.clone(),
        }
    }
}

/// A group of flags, of which those that were given override the settings file.
pub trait ErasedFlags {
    /// Lays the flags over what is there.
    fn lay_over(&self, figment: Figment) -> Figment;
}

impl<T: Serialize> ErasedFlags for T {
    fn lay_over(&self, figment: Figment) -> Figment {
        figment.merge(Serialized::defaults(self))
    }
}

fn span(setting: Option<&Parsed<humantime::Duration>>, default: Duration) -> Duration {
    setting.map_or(default, |setting| *setting.value)
}

fn delta(setting: Option<&Parsed<humantime::Duration>>, default: Duration) -> TimeDelta {
    TimeDelta::from_std(span(setting, default)).unwrap_or(TimeDelta::MAX)
}
