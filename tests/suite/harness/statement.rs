//! Statements as Stripe's API gives them, built record by record.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A moment on 1 November 2026, so many minutes after midnight (UTC).
pub fn time(minutes: i64) -> DateTime<Utc> {
    let midnight: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
    midnight + chrono::TimeDelta::minutes(minutes)
}

/// When listings start, unless they say otherwise: noon.
pub fn as_of() -> DateTime<Utc> {
    time(12 * 60)
}

/// A charge of customer `cus_1` for 10.00 USD that succeeded.
#[derive(Clone)]
pub struct Charge(pub Value);

impl Charge {
    /// Created `minutes` after midnight.
    pub fn new(id: &str, minutes: i64) -> Self {
        Self(json!({
            "id": id, "object": "charge", "amount": 1000, "amount_captured": 1000,
            "amount_refunded": 0, "captured": true, "created": time(minutes).timestamp(),
            "currency": "usd", "customer": "cus_1", "disputed": false, "failure_code": null,
            "failure_message": null, "livemode": true, "status": "succeeded",
        }))
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    pub fn failed(self, code: &str) -> Self {
        self.with("status", "failed").with("failure_code", code).with("amount_captured", 0)
    }
}

/// A subscription of customer `cus_1` to `price_basic`, active.
#[derive(Clone)]
pub struct Subscription(pub Value);

impl Subscription {
    pub fn new(id: &str, minutes: i64) -> Self {
        Self(json!({
            "id": id, "object": "subscription", "created": time(minutes).timestamp(),
            "current_period_end": time(minutes + 43_200).timestamp(), "customer": "cus_1",
            "items": { "object": "list", "data": [{ "price": { "id": "price_basic" } }] },
            "livemode": true, "status": "active",
        }))
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    pub fn of_plan(self, price: &str) -> Self {
        self.with("items", json!({ "object": "list", "data": [{ "price": { "id": price } }] }))
    }
}

/// Records on their way to a file.
#[derive(Default)]
pub struct Listing {
    lines: String,
    records: u64,
    manifest: Value,
}

impl Listing {
    pub fn of(charges: impl IntoIterator<Item = Charge>) -> Self {
        charges.into_iter().fold(Self::default(), |listing, charge| listing.and(&charge.0))
    }

    pub fn subscriptions(self, subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        subscriptions.into_iter().fold(self, |listing, one| listing.and(&one.0))
    }

    pub fn and(self, object: &Value) -> Self {
        self.line(&object.to_string())
    }

    /// A line as it is, be it a record or not.
    pub fn line(mut self, line: &str) -> Self {
        writeln!(self.lines, "{line}").unwrap();
        self.records += 1;
        self
    }

    /// Sets a field of the manifest.
    pub fn manifest(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.manifest[field] = value.into();
        self
    }

    /// Writes the records alone: nothing proves that they are complete.
    pub fn write_unproven(&self, folder: &Path) -> PathBuf {
        let path = folder.join("statement.ndjson");
        std::fs::write(&path, &self.lines).unwrap();
        path
    }

    /// Writes the records with a manifest that proves them complete for the whole day.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = self.write_unproven(folder);
        let mut manifest = json!({
            "version": 1, "as_of": as_of(), "livemode": true,
            "window": { "since": time(-60), "until": time(24 * 60) },
            "covers": ["payments", "subscriptions"],
            "files": [{
                "name": "statement.ndjson", "records": self.records,
                "sha256": hex::encode(Sha256::digest(&self.lines)),
            }],
        });
        if let Some(fields) = self.manifest.as_object() {
            for (field, value) in fields {
                manifest[field] = value.clone();
            }
        }
        let beside = folder.join("statement.ndjson.manifest.json");
        std::fs::write(beside, manifest.to_string()).unwrap();
        path
    }
}
