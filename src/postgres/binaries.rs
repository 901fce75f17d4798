//! Finds PostgreSQL's server programs: a folder named by the user, else what is installed, else
//! a download. The first folder that is new enough and within reach wins.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::account::Account;
use super::error::PostgresError;

/// The oldest release that the schema and the tests are made for.
pub(super) const OLDEST_MAJOR: u32 = 15;
/// The environment variable that names the folder of the programs.
pub(super) const OVERRIDE: &str = "PAYMENT_MONITOR_POSTGRES_BIN";
/// The programs that a folder must have.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];
/// Debian and Ubuntu keep one folder per release here, none of them on PATH.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// The folder of the programs to use.
pub(super) async fn find(account: &Account) -> Result<PathBuf, PostgresError> {
    if let Some(folder) = env::var_os(OVERRIDE).filter(|folder| !folder.is_empty()) {
        return inspect(Path::new(&folder), account);
    }
    let mut refused = Vec::new();
    for folder in installed() {
        match inspect(&folder, account) {
            Ok(folder) => return Ok(folder),
            Err(error) => refused.push(error.to_string()),
        }
    }
    fall_back(account, looked(&refused)).await
}

#[cfg(feature = "download-postgresql")]
async fn fall_back(account: &Account, looked: String) -> Result<PathBuf, PostgresError> {
    let folder = super::download::installation(account, looked).await?;
    inspect(&folder, account)
}

#[cfg(not(feature = "download-postgresql"))]
#[expect(clippy::unused_async, reason = "stands in for a download")]
async fn fall_back(_: &Account, looked: String) -> Result<PathBuf, PostgresError> {
    Err(PostgresError::NotFound { looked })
}

fn looked(refused: &[String]) -> String {
    if refused.is_empty() {
        format!("looked on PATH, in {DEBIAN_FOLDER} and with `pg_config --bindir`")
    } else {
        refused.join(" ")
    }
}

/// Every folder in which a server seems to be installed, the likeliest first.
fn installed() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter(|folder| folder.join("postgres").is_file());
    on_path.chain(debian_folders(Path::new(DEBIAN_FOLDER))).chain(pg_config_folder()).collect()
}

/// `ROOT/VERSION/bin`, newest release first.
fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    folders.sort_unstable_by(|left, right| right.cmp(left));
    let programs = folders.into_iter().map(|(_, folder)| folder.join("bin"));
    // A client package leaves a folder without a server.
    programs.filter(|folder| folder.join("postgres").is_file()).collect()
}

fn pg_config_folder() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    folder.join("postgres").is_file().then_some(folder)
}

/// The folder that really holds the programs (PATH often holds links only), after checking that
/// they are all there, new enough, and within the account's reach.
fn inspect(folder: &Path, account: &Account) -> Result<PathBuf, PostgresError> {
    let refuse =
        |reason: String| PostgresError::NotAnInstallation { folder: folder.to_owned(), reason };
    let real = real_folder(folder);
    if let Some(missing) = PROGRAMS.iter().find(|program| !real.join(program).is_file()) {
        return Err(refuse(format!("`{missing}` is missing")));
    }
    account.check_reaches(&real)?;
    let output = Command::new(real.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| refuse(format!("`postgres --version` can't be run: {error}")))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    match major_version(&answer) {
        Some(found) if found < OLDEST_MAJOR => Err(PostgresError::TooOld { folder: real, found }),
        Some(_) => Ok(real),
        None => Err(refuse(format!("`postgres --version` answered `{}`", answer.trim()))),
    }
}

/// Follows the link of `postgres`, unless its siblings aren't where it leads (as with wrappers).
fn real_folder(folder: &Path) -> PathBuf {
    let real = fs::canonicalize(folder.join("postgres")).ok();
    real.as_deref()
        .and_then(Path::parent)
        .filter(|real| PROGRAMS.iter().all(|program| real.join(program).is_file()))
        .map_or_else(|| folder.to_owned(), Path::to_owned)
}

/// The 15 of `postgres (PostgreSQL) 15.18 (Debian ...)`, and the 19 of `19beta1`.
fn major_version(answer: &str) -> Option<u32> {
    let version = answer.strip_prefix("postgres (PostgreSQL) ")?;
    let digits = version.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder of programs, of which `postgres` gives `answer` as its version.
    fn installation(answer: &str) -> tempfile::TempDir {
        let everybody = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(everybody.clone()).tempdir().unwrap();
        for program in PROGRAMS {
            let file = folder.path().join(program);
            fs::write(&file, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
            fs::set_permissions(&file, everybody.clone()).unwrap();
        }
        folder
    }

    fn refusal(folder: &Path) -> String {
        inspect(folder, &Account::detect().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_version("mysqld  Ver 8"), None);
    }

    #[test]
    fn a_release_that_is_too_old_is_refused_with_what_to_do() {
        let folder = installation("postgres (PostgreSQL) 14.11");
        let message = refusal(folder.path());
        assert!(message.contains("is version 14; 15 or later is needed"), "{message}");
        assert!(message.contains(OVERRIDE), "{message}");
    }

    #[test]
    fn a_folder_without_a_server_is_refused_by_the_name_of_what_is_missing() {
        let folder = installation("postgres (PostgreSQL) 17.2");
        fs::remove_file(folder.path().join("initdb")).unwrap();
        assert!(refusal(folder.path()).contains("`initdb` is missing"));
    }

    #[test]
    fn the_newest_of_debians_folders_comes_first_by_number() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "16", "15", "100", "client"] {
            let folder = root.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("postgres"), "").unwrap();
        }
        fs::remove_file(root.path().join("16/bin/postgres")).unwrap();
        let found = debian_folders(root.path());
        assert_eq!(found, ["100", "15", "9"].map(|version| root.path().join(version).join("bin")));
    }
}
