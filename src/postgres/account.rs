//! Who runs the server. PostgreSQL refuses root, so as root its programs run as user `postgres`
//! or, where there is none, `nobody`; otherwise they simply run as ourselves.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::error::PostgresError;

/// The user that owns the server's files and processes.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// Set only when we are root and must step down.
    unprivileged: Option<User>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Ourselves, or as root the user to step down to.
    pub(super) fn detect() -> Result<Self, PostgresError> {
        // A file of our own tells the effective user without a system call of our own.
        let owner = tempfile::tempfile()
            .and_then(|file| file.metadata())
            .map_err(PostgresError::io("make a temporary file", env::temp_dir()))?
            .uid();
        if owner != 0 {
            return Ok(Self { unprivileged: None });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Ok(Self { unprivileged: Some(step_down_user(&users)) })
    }

    /// Makes `command` run as this account. Without a list of groups of its own, `CommandExt`
    /// drops root's supplementary groups together with the user id.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(user) = &self.unprivileged {
            command.uid(user.uid).gid(user.gid).env("HOME", "/").env("USER", &user.name);
        }
    }

    /// Gives `path` to this account.
    pub(super) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        let Some(user) = &self.unprivileged else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .map_err(PostgresError::io("give its folder to an unprivileged user", path))
    }

    /// An error unless this account may enter `path` and every folder above it.
    pub(super) fn check_reaches(&self, path: &Path) -> Result<(), PostgresError> {
        let Some(user) = &self.unprivileged else { return Ok(()) };
        if path.ancestors().all(|folder| user.may_enter(folder)) {
            return Ok(());
        }
        Err(PostgresError::Unreachable { user: user.name.clone(), path: path.to_owned() })
    }

    /// Where to put the server's files: the temporary folder, unless it is root's own (as
    /// `pam_tmpdir` makes it).
    pub(super) fn temp_dir(&self) -> PathBuf {
        let usual = env::temp_dir();
        if self.check_reaches(&usual).is_ok() { usual } else { PathBuf::from("/tmp") }
    }

    #[cfg(feature = "download-postgresql")]
    pub(super) fn is_root(&self) -> bool {
        self.unprivileged.is_some()
    }
}

impl User {
    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(metadata) = fs::metadata(folder) else { return false };
        let mode = metadata.mode();
        mode & 0o001 != 0
            || (metadata.uid() == self.uid && mode & 0o100 != 0)
            || (metadata.gid() == self.gid && mode & 0o010 != 0)
    }
}

/// `postgres` if the system knows it, else `nobody`, whose ids are the same on every Linux.
fn step_down_user(passwd: &str) -> User {
    let known = ["postgres", "nobody"].iter().find_map(|name| user_in(passwd, name));
    known.unwrap_or_else(|| User { name: "nobody".into(), uid: 65_534, gid: 65_534 })
}

/// Looks `name` up in passwd(5) lines: `name:password:uid:gid:...`.
fn user_in(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then(|| User { name: name.into(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n+::::::\n\
        nobody:x:65534:65533::/:/usr/sbin/nologin\npostgres:x:101:104:,,,:/var:/bin/bash\n";

    #[test]
    fn root_steps_down_to_postgres_where_that_user_exists() {
        let user = step_down_user(PASSWD);
        assert_eq!(user, User { name: "postgres".into(), uid: 101, gid: 104 });
    }

    #[test]
    fn root_steps_down_to_nobody_otherwise() {
        let without = PASSWD.replace("postgres:", "somebody:");
        assert_eq!(step_down_user(&without).gid, 65_533);
        assert_eq!(step_down_user("").uid, 65_534);
    }

    #[test]
    fn a_folder_that_only_root_may_enter_is_reported_as_out_of_reach() {
        let user = User { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000 };
        let account = Account { unprivileged: Some(user) };
        let owner_only = fs::Permissions::from_mode(0o700);
        let private = tempfile::Builder::new().permissions(owner_only).tempdir().unwrap();
        let error = account.check_reaches(private.path()).unwrap_err();
        assert!(matches!(error, PostgresError::Unreachable { user, .. } if user == "stranger"));
    }
}
