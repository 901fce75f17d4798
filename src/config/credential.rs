//! The database's URL from a file of its own, or a pipe: systemd's `LoadCredential=`, secrets of
//! Docker and Kubernetes, a shell's `<(...)`. What is in it is never told. Who else may read it is
//! not judged: Kubernetes mounts secrets readable by everybody in a container where nobody else is.

use secrecy::SecretString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// No URL is as long as this (bytes): what is longer is another file.
const BYTES_MAX: u64 = 16 * 1024;
/// How long a pipe, or a file system somewhere else, may keep us waiting.
const WAIT: Duration = Duration::from_secs(5);

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

/// Reads in a thread that is left to itself where nothing comes: a named pipe that nobody writes to
/// can't even be opened.
fn contents(path: &Path) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || sender.send(bytes(&path)));
    let silence =
        |_| format!("nothing came from it within {} s: does anybody write to it?", WAIT.as_secs());
    let bytes = receiver.recv_timeout(WAIT).map_err(silence)?.map_err(|e| super::file::why(&e))?;
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells that there is more; a device may have no end.
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
