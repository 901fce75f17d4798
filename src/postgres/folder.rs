//! The folder for a server's data: new or empty, and the server's user's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::PostgresError;

/// An empty folder for the account, absolute because programs run elsewhere.
pub(super) fn make(account: &Account, wanted: Option<PathBuf>) -> Result<PathBuf, PostgresError> {
    let folder = match wanted {
        Some(path) => empty_folder(&path),
        None => temporary_folder(&account.temp_dir()),
    }?;
    account.own(&folder)?;
    account.check_reaches(&folder)?;
    Ok(folder)
}

fn empty_folder(path: &Path) -> Result<PathBuf, PostgresError> {
    let make = || {
        let path = std::path::absolute(path)?;
        fs::create_dir_all(&path)?;
        let is_empty = fs::read_dir(&path)?.next().is_none();
        Ok((path, is_empty))
    };
    let (path, is_empty) = make().map_err(PostgresError::io("make a folder for its data", path))?;
    if is_empty { Ok(path) } else { Err(PostgresError::NotEmpty { path }) }
}

fn temporary_folder(parent: &Path) -> Result<PathBuf, PostgresError> {
    let folder = tempfile::Builder::new()
        .prefix("payment-monitor-postgres-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(PostgresError::io("make a folder for its data", parent))?;
    Ok(folder.keep())
}
