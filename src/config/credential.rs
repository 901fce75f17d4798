//! The database's URL from a file of its own: systemd's `LoadCredential=`, secrets of Docker and
//! Kubernetes. What is in the file is never told. Who else may read it is not judged: Kubernetes
//! mounts secrets readable by everybody in a container where nobody else is.

use secrecy::SecretString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// No URL is as long as this (bytes): what is longer is another file.
const BYTES_MAX: u64 = 16 * 1024;

/// A file from which the database's URL can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the database's URL can't be read from {} (database_url_file): {why}", path.display())]
pub struct CredentialError {
    path: PathBuf,
    why: String,
}

/// Reads the URL, which is all that the file holds; space and newlines around it do not count.
///
/// # Errors
/// A file that can't be read, is empty, or holds anything but one URL.
pub(super) fn read(path: &Path) -> Result<SecretString, CredentialError> {
    let text = contents(path).and_then(|text| {
        let url = text.trim();
        let why = if text.len() as u64 > BYTES_MAX {
            "it is too long to be a URL"
        } else if url.is_empty() {
            "it is empty"
        } else if url.chars().any(char::is_control) {
            "it holds more than one line"
        } else if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            "it is not a postgres:// URL"
        } else {
            return Ok(SecretString::from(url));
        };
        Err(why.to_owned())
    });
    text.map_err(|why| CredentialError { path: path.to_owned(), why })
}

fn contents(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let told = |error: io::Error| error.to_string();
    // One byte more tells that there is more; a device may have no end.
    File::open(path).map_err(told)?.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}
