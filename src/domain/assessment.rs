//! What a run's look at the ledger's payments came to: which rules found how much.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What the rules of suspicious activity found, in totals. Its JSON keys are a public interface
/// (docs/json.md), and those of the run's event `assessment`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// Payments made between these were looked at.
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Every enabled rule, by name.
    pub rules: Vec<Assessed>,
    /// Why nothing could be assessed, or the hours' counts not be kept.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// What one rule found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessed {
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// Users (or failure codes, or stretches of time) above the threshold.
    pub found: u64,
    /// Those that no earlier run had found, or that got worse since: they are on record.
    pub new: u64,
    /// Those of the new ones that a person does not want to hear of for now.
    pub snoozed: u64,
    /// Why the rule could not be evaluated.
    pub error: Option<String>,
}

impl Assessment {
    /// What is new, and not snoozed.
    pub fn news(&self) -> u64 {
        self.rules.iter().map(Assessed::news).sum()
    }

    /// The rules that could not be evaluated.
    pub fn unevaluated(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().filter_map(|r| Some((r.rule.as_str(), r.error.as_deref()?)))
    }
}

impl Assessed {
    /// What is new, and not snoozed.
    pub fn news(&self) -> u64 {
        self.new.saturating_sub(self.snoozed)
    }
}
