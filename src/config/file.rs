//! The settings file: whether it can be read, and how what is wrong in it is told, without quoting
//! it.

use super::ConfigError;
use std::fs;
use std::io;
use std::path::Path;

/// Tells a settings file that is not there from one that this user can't read.
pub(super) fn require_readable(path: &Path) -> Result<(), ConfigError> {
    let unreadable = |why| ConfigError::Unreadable { path: path.to_owned(), why };
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::NoFile(path.to_owned()),
        _ => unreadable(why(&error)),
    };
    if !fs::metadata(path).map_err(told)?.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    fs::File::open(path).map(drop).map_err(told)
}

/// Why a file can't be read, and what to do about it where that is known.
pub(super) fn why(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return format!(
            "{error}: the user that payment-monitor runs as must be able to read it, and to enter \
             its folder"
        );
    }
    error.to_string()
}

/// Names the key or the file that is wrong, and why.
pub(super) fn wrong(path: &Path, error: &figment::Error) -> ConfigError {
    let place = place(path, &error.path.join("."), error.metadata.as_ref());
    ConfigError::Wrong { place, why: without_excerpt(&error.kind.to_string()) }
}

/// Whether a setting is from the file, and not from a flag or the environment.
pub(super) fn is_from_file(metadata: Option<&figment::Metadata>) -> bool {
    metadata.is_some_and(|metadata| metadata.name.contains("TOML"))
}

/// Names the setting, and the file if it is from there.
pub(super) fn place(path: &Path, key: &str, metadata: Option<&figment::Metadata>) -> String {
    match (is_from_file(metadata), key.is_empty()) {
        (true, true) => path.display().to_string(),
        (true, false) => format!("{}, key {key:?}", path.display()),
        (false, _) => format!("setting {key:?}"),
    }
}

/// A syntax error without the lines that it quotes of the file (`1 | database_url = ...`), which
/// may hold a password.
fn without_excerpt(why: &str) -> String {
    let is_quoted = |line: &&str| {
        line.split_once('|').is_some_and(|(number, _)| {
            number.trim().parse::<u64>().is_ok() || number.trim().is_empty()
        })
    };
    let told: Vec<&str> = why.lines().filter(|line| !is_quoted(line)).map(str::trim).collect();
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_a_file_is_told_what_is_missing() {
        let told = why(&io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(told.ends_with("must be able to read it, and to enter its folder"), "{told}");
    }
}
