//! What can go wrong with the private server, each told with what to do about it.

use std::io;
use std::path::PathBuf;

use super::binaries::{OLDEST_MAJOR, OVERRIDE};

/// Why the private PostgreSQL server could not be found, made, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No usable installation, and none could be downloaded.
    #[error(
        "No PostgreSQL {OLDEST_MAJOR} or later was found on this machine ({looked}). Install one \
         (for example `apt-get install postgresql`), or name the folder of its programs in \
         {OVERRIDE}, or build with the default cargo feature `download-postgresql`, or set \
         DATABASE_URL to a server of your own."
    )]
    NotFound { looked: String },

    /// The folder has an installation of a release that is no longer supported here.
    #[error(
        "The PostgreSQL in {} is version {found}; {OLDEST_MAJOR} or later is needed. Install a \
         newer one, or name the folder of its programs in {OVERRIDE}.", folder.display()
    )]
    TooOld { folder: PathBuf, found: u32 },

    /// The folder lacks one of the programs, or they don't run.
    #[error(
        "{} is not a folder of PostgreSQL's server programs ({reason}). It should hold `postgres`, \
         `initdb` and `pg_ctl`; Debian keeps them in /usr/lib/postgresql/VERSION/bin.",
        folder.display()
    )]
    NotAnInstallation { folder: PathBuf, reason: String },

    /// PostgreSQL refuses to run as root, and the user who runs it instead has no access.
    #[error(
        "PostgreSQL refuses to run as root, so it is run as user `{user}`, who can't reach {}. \
         Give others the right to enter that folder and those above it (`chmod o+x`), or choose \
         another place.", path.display()
    )]
    Unreachable { user: String, path: PathBuf },

    /// No installation was found and the download of one failed.
    #[error(
        "No PostgreSQL {OLDEST_MAJOR} or later was found on this machine ({looked}), and \
         downloading one to {} failed. Install it (for example `apt-get install postgresql`), or \
         allow access to the network (HTTPS_PROXY is honoured), or set DATABASE_URL to a server \
         of your own.", folder.display()
    )]
    Download { looked: String, folder: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    /// The folder for the server's data is in use.
    #[error(
        "{} is not empty, and the private server only writes to a folder of its own. Name one \
         that is new or empty.", path.display()
    )]
    NotEmpty { path: PathBuf },

    /// A file or process of the server's could not be made.
    #[error("The private PostgreSQL server could not {action} ({}).", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    /// One of PostgreSQL's own programs failed.
    #[error(
        "`{tool}` failed for the private PostgreSQL server in {}: {output}", data_dir.display()
    )]
    Tool { tool: &'static str, data_dir: PathBuf, output: String },
}

impl PostgresError {
    /// For `map_err`: names what was tried, and on which path.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
