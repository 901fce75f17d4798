//! The mapping as it is written in the settings, and the refusal of one that makes no sense.
//! Example and meaning of every key: `docs/statement.md`.

use super::super::cell::TimeFormat;
use super::super::error::StatementError;
use crate::domain::text;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The table `[mapping]` of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Which kind of record a row is; may be left out where only one kind is mapped.
    pub record: Option<RecordKind>,
    /// How amounts are written; required where payments are mapped.
    pub amounts: Option<Amounts>,
    /// `unix`, `unix-ms`, `rfc3339`, or a pattern of chrono's `strftime` letters, in UTC.
    pub time: String,
    /// Between the columns of a CSV file; a comma where it is left out.
    pub delimiter: Option<char>,
    pub payment: Option<PaymentFields>,
    pub subscription: Option<SubscriptionFields>,
}

/// How a row says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "`payment`, `subscription`, or a table with `column`")]
pub enum RecordKind {
    Always(Noun),
    By(KindColumn),
}

/// The column that says it, and its values; rows with another value are ignored and counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindColumn {
    pub column: String,
    #[serde(default)]
    pub payment: Vec<String>,
    #[serde(default)]
    pub subscription: Vec<String>,
}

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    Payment,
    Subscription,
}

/// How amounts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amounts {
    /// Integers in minor units.
    Minor,
    /// Decimals in units.
    Decimal,
}

/// Where a value stands: the name of a column or a top-level field, a JSON pointer (`/a/b`),
/// or a constant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a column's name, a JSON pointer or a table with `constant`")]
pub enum Source {
    Column(String),
    Constant(Constant),
}

impl Source {
    /// The column or field, where it is one.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Constant(_) => None,
        }
    }
}

/// A value that is the same in every row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    pub constant: String,
}

/// Where a payment's values stand. What is left out is not stated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentFields {
    pub id: Source,
    pub status: Source,
    pub amount: Source,
    pub currency: Source,
    pub created: Source,
    pub customer: Option<Source>,
    pub amount_captured: Option<Source>,
    pub amount_refunded: Option<Source>,
    pub disputed: Option<Source>,
    pub failure_code: Option<Source>,
    pub failure_message: Option<Source>,
    pub fingerprint: Option<Source>,
    /// The provider's statuses in the ledger's words; others are kept as they are.
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
}

/// Where a subscription's values stand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionFields {
    pub id: Source,
    pub plan: Source,
    pub status: Source,
    pub created: Source,
    pub customer: Option<Source>,
    pub current_period_end: Option<Source>,
    /// As for payments.
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
}

impl PaymentFields {
    /// Every mapped value by its key.
    pub(super) fn sources(&self) -> Vec<(&'static str, &Source)> {
        let required = [
            ("id", &self.id),
            ("status", &self.status),
            ("amount", &self.amount),
            ("currency", &self.currency),
            ("created", &self.created),
        ];
        let optional = [
            ("customer", &self.customer),
            ("amount_captured", &self.amount_captured),
            ("amount_refunded", &self.amount_refunded),
            ("disputed", &self.disputed),
            ("failure_code", &self.failure_code),
            ("failure_message", &self.failure_message),
            ("fingerprint", &self.fingerprint),
        ];
        required.into_iter().chain(present(optional)).collect()
    }
}

impl SubscriptionFields {
    pub(super) fn sources(&self) -> Vec<(&'static str, &Source)> {
        let required = [
            ("id", &self.id),
            ("plan", &self.plan),
            ("status", &self.status),
            ("created", &self.created),
        ];
        let optional =
            [("customer", &self.customer), ("current_period_end", &self.current_period_end)];
        required.into_iter().chain(present(optional)).collect()
    }
}

fn present<'a, const N: usize>(
    optional: [(&'static str, &'a Option<Source>); N],
) -> impl Iterator<Item = (&'static str, &'a Source)> {
    optional.into_iter().filter_map(|(key, source)| source.as_ref().map(|source| (key, source)))
}

impl Mapping {
    /// Refuses a mapping that can't work, naming the key.
    pub(super) fn check(&self) -> Result<TimeFormat, StatementError> {
        self.check_kinds()?;
        if self.payment.is_some() && self.amounts.is_none() {
            return Err(refuse("amounts", "is missing: say `minor` or `decimal`"));
        }
        if let Some(delimiter) = self.delimiter
            && (!delimiter.is_ascii() || matches!(delimiter, '"' | '\n' | '\r'))
        {
            return Err(refuse("delimiter", "must be one ASCII character other than a quote"));
        }
        if let Some(payment) = &self.payment {
            check_sources("payment", &payment.sources())?;
            check_statuses("payment", &payment.statuses)?;
        }
        if let Some(subscription) = &self.subscription {
            check_sources("subscription", &subscription.sources())?;
            check_statuses("subscription", &subscription.statuses)?;
        }
        TimeFormat::parse(&self.time).map_err(|why| refuse("time", why))
    }

    fn check_kinds(&self) -> Result<(), StatementError> {
        let has = |noun| match noun {
            Noun::Payment => self.payment.is_some(),
            Noun::Subscription => self.subscription.is_some(),
        };
        match &self.record {
            _ if self.payment.is_none() && self.subscription.is_none() => {
                Err(refuse("payment", "and `mapping.subscription` are both missing"))
            }
            None if has(Noun::Payment) && has(Noun::Subscription) => {
                Err(refuse("record", "is missing: say which rows are payments"))
            }
            Some(RecordKind::Always(noun)) if !has(*noun) => {
                Err(refuse("record", "names a kind that is not mapped"))
            }
            Some(RecordKind::By(by)) => {
                if by.column.trim().is_empty() {
                    return Err(refuse("record.column", "is empty"));
                }
                for (key, noun, values) in [
                    ("record.payment", Noun::Payment, &by.payment),
                    ("record.subscription", Noun::Subscription, &by.subscription),
                ] {
                    if has(noun) == values.is_empty() {
                        let why = "must list values if, and only if, this kind is mapped";
                        return Err(refuse(key, why));
                    }
                }
                if by.payment.iter().any(|value| by.subscription.contains(value)) {
                    return Err(refuse("record.payment", "shares a value with subscriptions"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Values that differ in every row, so that a constant can't be meant.
const NEVER_CONSTANT: [&str; 3] = ["id", "amount", "created"];

fn check_sources(section: &str, sources: &[(&'static str, &Source)]) -> Result<(), StatementError> {
    for (key, source) in sources {
        let full = format!("{section}.{key}");
        match source {
            Source::Column(name) if name.trim().is_empty() => {
                return Err(refuse(&full, "is empty"));
            }
            Source::Constant(_) if NEVER_CONSTANT.contains(key) => {
                return Err(refuse(&full, "can't be a constant"));
            }
            Source::Constant(Constant { constant }) => {
                text::identifier(key, constant)
                    .map_err(|_| refuse(&full, "has a constant that is not fit to be stored"))?;
                if *key == "currency" && constant.parse::<crate::domain::Currency>().is_err() {
                    return Err(refuse(&full, "is not three letters"));
                }
            }
            Source::Column(_) => {}
        }
    }
    Ok(())
}

fn check_statuses(
    section: &str,
    statuses: &BTreeMap<String, String>,
) -> Result<(), StatementError> {
    let unfit = statuses.iter().find(|(_, to)| text::identifier("status", to).is_err());
    match unfit {
        Some((from, _)) => {
            Err(refuse(&format!("{section}.statuses.{from}"), "is not fit to be a status"))
        }
        None => Ok(()),
    }
}

fn refuse(key: &str, why: &str) -> StatementError {
    StatementError::Mapping { key: key.into(), why: why.into() }
}
