//! The manifest beside a statement: what was exported, when, and the checksums that prove it whole.
//! It leaves out signatures: a manifest guards against truncation, not against forgery.

use super::error::StatementError;
use super::facts::{FileFacts, Window};
use super::files::Found;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest manifest that is read: some 100,000 files.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    as_of: Option<DateTime<Utc>>,
    account: Option<String>,
    livemode: Option<bool>,
    window: Option<Window>,
    covers: Option<Vec<Covered>>,
    files: Vec<Entry>,
}

/// A kind of record of which a statement may hold all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Covered {
    Payments,
    Subscriptions,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    records: u64,
    sha256: String,
}

/// A manifest that lists exactly the files found.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    /// How it is named in reports.
    pub name: String,
    pub as_of: Option<DateTime<Utc>>,
    pub account: Option<String>,
    pub livemode: Option<bool>,
    pub window: Option<Window>,
    pub covers: Option<Vec<Covered>>,
    files: BTreeMap<String, Entry>,
}

impl Manifest {
    /// Reads and checks a manifest against the files that were found.
    pub fn read(path: &Path, found: &[Found]) -> Result<Self, StatementError> {
        let text = text_of(path)?;
        let document: Document = serde_json::from_slice(&text)
            .map_err(|error| refuse(path, format!("it is not valid JSON of its form: {error}")))?;
        check(path, &document)?;
        let mut files = BTreeMap::new();
        for entry in document.files {
            let name = entry.name.clone();
            if files.insert(name.clone(), entry).is_some() {
                return Err(refuse(path, format!("it lists `{name}` twice")));
            }
        }
        check_files(path, &files, found)?;
        Ok(Self {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            as_of: document.as_of.map(|time| time.trunc_subsecs(6)),
            account: document.account,
            livemode: document.livemode,
            window: document.window,
            covers: document.covers,
            files,
        })
    }

    /// Compares what was read of a file with what the manifest says about it.
    pub fn check(&self, read: &FileFacts) -> Result<(), StatementError> {
        let Some(entry) = self.files.get(&read.name) else { return Ok(()) };
        let mismatch = |what, expected: String, found: String| {
            Err(StatementError::ManifestMismatch { file: read.name.clone(), what, expected, found })
        };
        if entry.records != read.records {
            let [expected, found] = [entry.records, read.records].map(|n| n.to_string());
            return mismatch("the number of records", expected, found);
        }
        if !entry.sha256.eq_ignore_ascii_case(&read.sha256) {
            return mismatch("the SHA-256", entry.sha256.clone(), read.sha256.clone());
        }
        Ok(())
    }

    /// The number of records that the manifest lists.
    pub fn records(&self) -> u64 {
        self.files.values().map(|entry| entry.records).fold(0, u64::saturating_add)
    }
}

fn refuse(path: &Path, why: String) -> StatementError {
    StatementError::Manifest { path: path.into(), why }
}

fn text_of(path: &Path) -> Result<Vec<u8>, StatementError> {
    let failed = |source| StatementError::Unreadable { path: PathBuf::from(path), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(refuse(path, format!("it is longer than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn check(path: &Path, document: &Document) -> Result<(), StatementError> {
    if document.version != 1 {
        let version = document.version;
        return Err(refuse(path, format!("its version is {version}, and only 1 is known")));
    }
    if let Some(account) = &document.account {
        crate::domain::text::identifier("account", account)
            .map_err(|error| refuse(path, error.to_string()))?;
    }
    if let Some(Window { since: Some(since), until: Some(until) }) = document.window
        && since >= until
    {
        return Err(refuse(path, "its window ends before it begins".into()));
    }
    let is_sha256 = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match document.files.iter().find(|entry| !is_sha256(&entry.sha256)) {
        Some(entry) => Err(refuse(path, format!("the sha256 of `{}` is none", entry.name))),
        None => Ok(()),
    }
}

fn check_files(
    path: &Path,
    listed: &BTreeMap<String, Entry>,
    found: &[Found],
) -> Result<(), StatementError> {
    if let Some(extra) = found.iter().find(|file| !listed.contains_key(&file.name)) {
        let why = format!("`{}` is there but not listed; add it or move it away", extra.name);
        return Err(refuse(path, why));
    }
    let missing = listed.keys().find(|name| !found.iter().any(|file| file.name == **name));
    if let Some(name) = missing {
        return Err(refuse(path, format!("it lists `{name}`, which is not there; fetch it again")));
    }
    if found.len() > listed.len() {
        return Err(refuse(path, "two files have the same name".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, names: &[&str]) -> Result<Manifest, String> {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let found = super::super::files::find(&[directory.path().to_owned()]).unwrap();
        let path = directory.path().join("manifest.json");
        std::fs::write(&path, json).unwrap();
        Manifest::read(&path, &found.files).map_err(|error| error.to_string())
    }

    fn listing(names: &[&str]) -> String {
        let entry =
            |name: &&str| format!(r#"{{"name":"{name}","records":1,"sha256":"{:064}"}}"#, 0);
        let entries: Vec<_> = names.iter().map(entry).collect();
        format!(r#"{{"version":1,"files":[{}]}}"#, entries.join(","))
    }

    #[test]
    fn a_manifest_lists_exactly_the_files_that_are_there() {
        assert!(read(&listing(&["a", "b"]), &["a", "b"]).is_ok());
        assert!(read(&listing(&["a"]), &["a", "b"]).unwrap_err().contains("`b` is there but not"));
        assert!(read(&listing(&["a", "b"]), &["a"]).unwrap_err().contains("`b`, which is not"));
        assert!(read(&listing(&["a", "a"]), &["a"]).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_manifest_of_another_form_is_refused_with_the_key() {
        for (json, word) in [
            (r#"{"version":2,"files":[]}"#, "version is 2"),
            (r#"{"version":1,"files":[],"windw":{}}"#, "windw"),
            (r#"{"version":1,"files":[{"name":"a","records":1,"sha256":"00"}]}"#, "sha256"),
            (
                r#"{"version":1,"files":[],
                "window":{"since":"2025-02-01T00:00:00Z","until":"2025-01-01T00:00:00Z"}}"#,
                "window",
            ),
            (r#"{"version":1,"files":[],"account":""}"#, "account is empty"),
            ("{", "JSON"),
        ] {
            let error = read(json, &["a"]).unwrap_err();
            assert!(error.contains(word) && error.contains("manifest.json"), "{error}");
        }
    }

    #[test]
    fn another_count_or_checksum_is_a_mismatch() {
        let manifest = read(&listing(&["a"]), &["a"]).unwrap();
        let facts =
            |records, sha256: String| FileFacts { name: "a".into(), bytes: 1, sha256, records };
        assert!(manifest.check(&facts(1, format!("{:064}", 0))).is_ok());
        for altered in [facts(2, format!("{:064}", 0)), facts(1, format!("{:064}", 1))] {
            let error = manifest.check(&altered).unwrap_err().to_string();
            assert!(error.contains("truncated or altered"), "{error}");
        }
    }
}
