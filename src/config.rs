//! Settings: flags, then the environment, then `payment-monitor.toml`, then defaults.

use crate::reconcile::{Limit, Pin};
use crate::run::Request;
use crate::statement::{self, Format, Mapping};
use chrono::{DateTime, TimeDelta, Utc};
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
    #[error("{place}: {why}")]
    Wrong { place: String, why: String },
    #[error("no database is given: set DATABASE_URL, --database-url or `database_url` in {FILE}")]
    NoDatabase,
    #[error(
        "no statement is given: set --statement, PAYMENT_MONITOR_STATEMENT or `statement` \
             in {FILE}"
    )]
    NoStatement,
    #[error("{name} is {value}: a percentage makes no sense here, write a number or none")]
    NotAPercentage { name: &'static str, value: Limit },
    #[error("since ({since}) is not before until ({until})")]
    EmptyWindow { since: DateTime<Utc>, until: DateTime<Utc> },
}

/// A setting as it was written, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T> {
    text: String,
    pub value: T,
}

impl<T: FromStr> FromStr for Parsed<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self { text: text.to_owned(), value: text.parse()? })
    }
}

impl<T> Serialize for Parsed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Parsed<T> {
    /// Takes a text; a whole number too, which people write without quotes.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text or a whole number")]
        enum Written {
            Text(String),
            Number(u64),
        }
        let text = match Written::deserialize(from)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// All settings, by the names of their flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    database_url: Option<SecretString>,
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
}

impl Settings {
    /// Reads the settings file, and lays what flags and environment say over it.
    ///
    /// # Errors
    /// A file that is missing or wrong: the key and the file are named.
    pub fn load(file: Option<&Path>, flags: &[&dyn ErasedFlags]) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(FILE));
        if file.is_some() && !path.is_file() {
            return Err(ConfigError::NoFile(path.to_owned()));
        }
        let mut figment = Figment::new();
        if path.is_file() {
            // `file_exact`: a file of that name further up is somebody else's.
            figment = figment.merge(Toml::file_exact(path));
        }
        for flags in flags {
            figment = flags.lay_over(figment);
        }
        figment.extract().map_err(|error| wrong(path, &error))
    }

    /// Where the ledger is.
    ///
    /// # Errors
    /// [`ConfigError::NoDatabase`].
    pub fn database_url(&self) -> Result<&SecretString, ConfigError> {
        self.database_url.as_ref().ok_or(ConfigError::NoDatabase)
    }

    /// How many operations are in flight at once.
    ///
    /// # Errors
    /// A number that is out of bounds.
    pub fn concurrency(&self) -> Result<u32, ConfigError> {
        match self.concurrency.unwrap_or(8) {
            concurrency @ 1..=256 => Ok(concurrency),
            other => Err(ConfigError::Wrong {
                place: "concurrency".to_owned(),
                why: format!("{other} is not within 1 and 256"),
            }),
        }
    }

    /// How long to go on trying when the database goes away.
    pub fn retry_for(&self) -> Duration {
        span(self.retry_for.as_ref(), Duration::from_secs(30))
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
            clock_skew: delta(self.clock_skew.as_ref(), Duration::from_mins(1)),
            max_changes: self.max_changes.as_ref().map_or(Limit::Percent(20), |limit| limit.value),
            max_deletes: self.max_deletes()?,
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

    fn max_deletes(&self) -> Result<Option<u64>, ConfigError> {
        match self.max_deletes.as_ref().map_or(Limit::Rows(0), |limit| limit.value) {
            Limit::Rows(rows) => Ok(Some(rows)),
            Limit::None => Ok(None),
            value @ Limit::Percent(_) => {
                Err(ConfigError::NotAPercentage { name: "max_deletes", value })
            }
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

fn wrong(path: &Path, error: &figment::Error) -> ConfigError {
    let key = error.path.join(".");
    let is_from_file = error.metadata.as_ref().is_some_and(|m| m.name.contains("TOML"));
    let place = match (is_from_file, key.is_empty()) {
        (true, true) => path.display().to_string(),
        (true, false) => format!("{}, key {key:?}", path.display()),
        (false, _) => format!("setting {key:?}"),
    };
    ConfigError::Wrong { place, why: error.kind.to_string() }
}

fn span(setting: Option<&Parsed<humantime::Duration>>, default: Duration) -> Duration {
    setting.map_or(default, |setting| *setting.value)
}

fn delta(setting: Option<&Parsed<humantime::Duration>>, default: Duration) -> TimeDelta {
    TimeDelta::from_std(span(setting, default)).unwrap_or(TimeDelta::MAX)
}
