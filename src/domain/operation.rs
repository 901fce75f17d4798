//! An operation: one atomic change of the ledger, with one result and one span.

use super::{Kind, PaymentState, SubscriptionState};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// What an operation does to a row. `Delete` marks it removed; a restore is an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    New,
    Update,
    Delete,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The change and its result were committed together.
    Applied,
    /// The database refused the change; nothing was changed.
    Failed,
    /// The row was no longer what the plan saw; nothing was changed.
    Conflict,
}

/// Which of the ledger's tables a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Payment,
    Subscription,
}

/// Gives a fieldless enum its names in SQL and JSON, both ways.
macro_rules! named {
    ($type:ty { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in SQL and JSON: a public interface.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(name: &str) -> Result<Self, String> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    other => Err(format!("unknown {} {other:?}", stringify!($type))),
                }
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named!(Action { New => "new", Update => "update", Delete => "delete" });
named!(Outcome { Applied => "applied", Failed => "failed", Conflict => "conflict" });
named!(Subject { Payment => "payment", Subscription => "subscription" });

impl Subject {
    /// The table that people know it by.
    pub fn table(self) -> &'static str {
        match self {
            Self::Payment => "payments",
            Self::Subscription => "subscriptions",
        }
    }
}

/// The recorded state of a row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum State {
    Payment(PaymentState),
    Subscription(SubscriptionState),
}

impl State {
    pub fn user_id(&self) -> Option<i64> {
        match self {
            Self::Payment(state) => state.user_id,
            Self::Subscription(state) => state.user_id,
        }
    }

    pub fn provider_id(&self) -> &str {
        match self {
            Self::Payment(state) => &state.provider_payment_id,
            Self::Subscription(state) => &state.provider_subscription_id,
        }
    }

    /// The JSON object that the trail stores.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a state is plain data")
    }
}

/// What would be done about a discrepancy, before it is decided that it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub subject: Subject,
    pub action: Action,
    /// The ledger row's id; none for a new row.
    pub target_id: Option<i64>,
    pub user_id: Option<i64>,
    pub provider_id: String,
    /// The row as the comparison saw it.
    pub previous: Option<State>,
    /// The row as the statement asks for it.
    pub new: Option<State>,
    /// One line for people: what changes, without personal data.
    pub description: String,
}

/// What a change is, whoever plans it and whenever: the record, and its states before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a change whose states are JSON objects, in whatever order of keys.
    pub fn of(
        subject: &str,
        provider_id: &str,
        previous_state: Option<&str>,
        new_state: Option<&str>,
    ) -> Self {
        let (previous, new) = (canonical(previous_state), canonical(new_state));
        let mut hash = Sha256::new();
        for field in [subject, provider_id, &previous, &new] {
            hash.update(field.len().to_be_bytes());
            hash.update(field);
        }
        let hash = hash.finalize();
        Self(hash[..16].try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl Proposal {
    /// What this change is.
    pub fn fingerprint(&self) -> Fingerprint {
        let previous = self.previous.as_ref().map(State::to_json);
        let new = self.new.as_ref().map(State::to_json);
        let subject = self.subject.as_str();
        Fingerprint::of(subject, &self.provider_id, previous.as_deref(), new.as_deref())
    }
}

/// A state with its keys in order: jsonb gives them back in an order of its own.
pub fn canonical(state: Option<&str>) -> String {
    let Some(state) = state else { return String::new() };
    let keys: Result<BTreeMap<String, serde_json::Value>, _> = serde_json::from_str(state);
    keys.and_then(|keys| serde_json::to_string(&keys)).unwrap_or_else(|_| state.to_owned())
}

/// A planned operation, stored before any is performed. States are JSON text from here on:
/// what is performed is byte for byte what was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// UUIDv7: the result's id, and its low 8 bytes are the span's.
    pub id: Uuid,
    pub kind: String,
    pub subject: Subject,
    pub action: Action,
    pub target_id: Option<i64>,
    pub user_id: Option<i64>,
    pub provider_id: String,
    pub previous_state: Option<String>,
    pub new_state: Option<String>,
    pub description: String,
}

impl Operation {
    /// Makes a proposal an operation by giving it its id.
    pub fn planned(id: Uuid, kind: Kind, proposal: Proposal) -> Self {
        Self {
            id,
            kind: kind.as_str().to_owned(),
            subject: proposal.subject,
            action: proposal.action,
            target_id: proposal.target_id,
            user_id: proposal.user_id,
            provider_id: proposal.provider_id,
            previous_state: proposal.previous.as_ref().map(State::to_json),
            new_state: proposal.new.as_ref().map(State::to_json),
            description: proposal.description,
        }
    }

    /// The name of its span, by OpenTelemetry's database conventions: `UPDATE payments`.
    pub fn span_name(&self) -> &'static str {
        match (self.action, self.subject) {
            (Action::New, Subject::Payment) => "INSERT payments",
            (Action::New, Subject::Subscription) => "INSERT subscriptions",
            (_, Subject::Payment) => "UPDATE payments",
            (_, Subject::Subscription) => "UPDATE subscriptions",
        }
    }
}

/// Times in recorded states: UTC with exactly six decimals, as PostgreSQL keeps them.
pub(crate) mod micros {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// How a time is written in a recorded state.
    pub const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&time.format(FORMAT))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::<Utc>::deserialize(from)
    }
}

/// The same, where there may be none.
pub(crate) mod micros_option {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::micros::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<DateTime<Utc>>::deserialize(from)
    }
}
