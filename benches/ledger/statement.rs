//! Writes statements of any size in constant memory: Stripe charges, one per line, with the
//! manifest that proves them complete. About 1 kB per charge; Stripe's own have two to three.

use crate::ledger::users;
use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// 1 January 2025: charge n is made n seconds later.
pub const EPOCH: i64 = 1_735_689_600;

/// Writes `rows` charges, of which every `differs_every`-th was refunded since the ledger knew
/// it.
pub fn write(folder: &Path, rows: u64, differs_every: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("statement-{rows}.ndjson"));
    let mut file = Hashed { file: BufWriter::new(File::create(&path)?), hash: Sha256::new() };
    let users = users(rows);
    for n in 1..=rows {
        charge(&mut file, n, users, n % differs_every == 0)?;
    }
    file.flush()?;
    let epoch = DateTime::from_timestamp(EPOCH, 0).context("a moment that chrono knows")?;
    manifest(&path, rows, &hex::encode(file.hash.finalize()), epoch)?;
    Ok(path)
}

/// Removes a statement and its manifest.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path)?;
    Ok(std::fs::remove_file(beside(path))?)
}

fn charge(to: &mut impl Write, n: u64, users: u64, differs: bool) -> std::io::Result<()> {
    writeln!(
        to,
        concat!(
            r#"{{"id":"ch_{n:024}","object":"charge","amount":{amount},"#,
            r#""amount_captured":{amount},"amount_refunded":{refunded},"application":null,"#,
            r#""application_fee":null,"balance_transaction":"txn_{n:024}","#,
            r#""billing_details":{{"address":{{"city":null,"country":"US","line1":null,"#,
            r#""line2":null,"postal_code":"94107","state":null}},"email":null,"name":null,"#,
            r#""phone":null}},"calculated_statement_descriptor":"EXAMPLE","captured":true,"#,
            r#""created":{created},"currency":"usd","customer":"cus_{customer}","#,
            r#""description":"Subscription update","disputed":false,"#,
            r#""failure_balance_transaction":null,"failure_code":null,"failure_message":null,"#,
            r#""fraud_details":{{}},"livemode":true,"metadata":{{"order":"{n}"}},"#,
            r#""outcome":{{"network_status":"approved_by_network","reason":null,"#,
            r#""risk_level":"normal","risk_score":17,"seller_message":"Payment complete.","#,
            r#""type":"authorized"}},"paid":true,"payment_intent":"pi_{n:024}","#,
            r#""payment_method":"pm_{user:024}","payment_method_details":{{"card":{{"#,
            r#""brand":"visa","country":"US","exp_month":8,"exp_year":2030,"#,
            r#""fingerprint":"fp_{user}","funding":"credit","last4":"4242"}},"type":"card"}},"#,
            r#""refunded":false,"status":"succeeded"}}"#,
        ),
        n = n,
        amount = 1000 + n % 9000,
        refunded = if differs { 500 } else { 0 },
        created = EPOCH.cast_unsigned() + n,
        customer = n % users + 1,
        user = n % users,
    )
}

fn manifest(path: &Path, rows: u64, sha256: &str, epoch: DateTime<Utc>) -> anyhow::Result<()> {
    let name = path.file_name().context("a statement's name")?.to_string_lossy();
    let until = epoch + TimeDelta::days(365);
    let manifest = json!({
        "version": 1, "as_of": until, "livemode": true,
        "window": { "since": epoch, "until": until }, "covers": ["payments"],
        "files": [{ "name": name, "records": rows, "sha256": sha256 }],
    });
    Ok(std::fs::write(beside(path), manifest.to_string())?)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
