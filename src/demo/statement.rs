//! The statement as files: charges as compressed NDJSON, subscriptions as pages of a list,
//! customers as NDJSON, and the manifest that proves the listing complete.

use super::differences::Listing;
use super::provider;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;

/// The provider's account that the demo's company has.
pub const ACCOUNT: &str = "acct_1DemoCompany";
/// The file that the charges are in.
pub(super) const CHARGES: &str = "charges.ndjson.gz";
const SUBSCRIPTIONS_PER_PAGE: usize = 100;

/// The statement's directory, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When the listing was made.
    pub as_of: DateTime<Utc>,
    /// The files to write, `manifest.json` last.
    pub files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// Objects in it; of a list page those in `data`.
    pub records: usize,
    pub bytes: Vec<u8>,
}

impl Statement {
    /// Records in all files.
    pub fn records(&self) -> usize {
        self.files.iter().map(|file| file.records).sum()
    }
}

/// `since` is where the window opens that the manifest declares; it declares none without.
pub(super) fn package(
    as_of: DateTime<Utc>,
    since: Option<DateTime<Utc>>,
    listing: &Listing,
) -> Statement {
    let charges: Vec<Value> = listing.charges.iter().map(provider::charge).collect();
    let subscriptions: Vec<Value> =
        listing.subscriptions.iter().map(provider::subscription).collect();
    let customers: Vec<Value> = listing
        .customers
        .iter()
        .map(|(id, user_id, created)| provider::customer(id, *user_id, *created))
        .collect();

    let mut files = vec![
        File {
            name: CHARGES.to_owned(),
            records: charges.len(),
            bytes: compressed(&ndjson(&charges)),
        },
        File {
            name: "customers.ndjson".to_owned(),
            records: customers.len(),
            bytes: ndjson(&customers),
        },
    ];
    files.extend(pages(&subscriptions));
    files.push(manifest(as_of, since, &files));
    Statement { as_of, files }
}

fn ndjson(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

/// Without a file name or time in the header: the same records give the same bytes.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes any bytes");
    encoder.finish().expect("memory takes any bytes")
}

fn pages(subscriptions: &[Value]) -> Vec<File> {
    let last = subscriptions.chunks(SUBSCRIPTIONS_PER_PAGE).count();
    let pages = subscriptions.chunks(SUBSCRIPTIONS_PER_PAGE);
    (1..)
        .zip(pages)
        .map(|(number, data)| {
            let page = json!({
                "object": "list",
                "url": "/v1/subscriptions",
                "has_more": number < last,
                "data": data,
            });
            File {
                name: format!("subscriptions-{number}.json"),
                records: data.len(),
                bytes: format!("{page}\n").into_bytes(),
            }
        })
        .collect()
}

fn manifest(as_of: DateTime<Utc>, since: Option<DateTime<Utc>>, files: &[File]) -> File {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let listed: Vec<Value> = files
        .iter()
        .map(|file| {
            let sha256 = hex::encode(Sha256::digest(&file.bytes));
            json!({ "name": file.name, "records": file.records, "sha256": sha256 })
        })
        .collect();
    let manifest = json!({
        "version": 1,
        "as_of": time(as_of),
        "account": ACCOUNT,
        "livemode": true,
        "window": since.map(|since| json!({ "since": time(since), "until": null })),
        "covers": ["payments", "subscriptions"],
        "files": listed,
    });
    let bytes = format!("{manifest:#}\n").into_bytes();
    File { name: "manifest.json".to_owned(), records: 0, bytes }
}
