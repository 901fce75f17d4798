//! The private PostgreSQL server of `demo` and of the tests: a real server in a folder of its own,
//! on a free port of the loopback address, gone without a trace when its owner is. It trades
//! safety against power failures for speed, so it is not for data that matters; and it knows
//! nothing of schemas, databases and roles, which are the business of `store`.

mod account;
mod binaries;
#[cfg(feature = "download-postgresql")]
mod download;
mod error;
mod folder;
mod settings;
#[cfg(test)]
mod tests;
mod watchdog;

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use rand::Rng;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret, SecretString};

pub use self::error::PostgresError;

use self::account::Account;
use self::watchdog::Watchdog;

/// The superuser that a new server has.
pub const SUPERUSER: &str = "postgres";
/// The only address that the server listens on.
pub const HOST: &str = "127.0.0.1";

/// Between our choice of a free port and the server's use of it another process may take it.
const PORT_ATTEMPTS_MAX: usize = 5;
/// How many lines of the server's log an error quotes.
const LOG_LINES_QUOTED: usize = 10;

/// How to start a private server. The default is one that leaves nothing behind.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leaves server and data in place when the owner ends; they are then the user's to remove.
    pub keep: bool,
    /// A new or empty folder for the data, instead of one in the temporary folder.
    pub data_dir: Option<PathBuf>,
    /// More lines for `postgresql.conf` (name, value); they win over the server's own.
    pub settings: Vec<(String, String)>,
}

/// A running server. Dropping it stops the server and removes its data, unless it is kept.
#[derive(Debug)]
pub struct PrivateServer {
    account: Account,
    bin_dir: PathBuf,
    data_dir: PathBuf,
    port: u16,
    password: SecretString,
    /// None once the server is kept: nobody then ends it for us.
    watchdog: Option<Watchdog>,
}

impl PrivateServer {
    /// Finds the programs (or downloads them), makes a database cluster and starts a server.
    ///
    /// # Errors
    /// When no PostgreSQL of a supported release is at hand, when its folder can't be made, or
    /// when one of its programs fails. Nothing is left behind then.
    pub async fn start(options: Options) -> Result<Self, PostgresError> {
        let account = Account::detect()?;
        let bin_dir = binaries::find(&account).await?;
        let data_dir = folder::make(&account, options.data_dir)?;
        let watchdog = Watchdog::start(&account, &bin_dir, &data_dir)?;
        let mut server = Self {
            account,
            bin_dir,
            data_dir,
            port: 0,
            password: random_password(),
            watchdog: Some(watchdog),
        };
        server.initialize().await?;
        server.start_on_a_free_port(&options.settings).await?;
        if options.keep
            && let Some(watchdog) = server.watchdog.take()
        {
            watchdog.release()?;
        }
        Ok(server)
    }

    /// The connection string for `user` and `database`, with the superuser's password: give the
    /// roles that you make the same [`password`](Self::password). Names are not escaped.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}:{}@{HOST}:{}/{database}", self.password(), self.port)
    }

    /// The address, always of this machine only.
    #[must_use]
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The TCP port; it stays the same when the server is started again.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password: random, letters and digits only.
    #[must_use]
    pub fn password(&self) -> &str {
        self.password.expose_secret()
    }

    /// Where the data is, with the server's log in `server.log`.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where PostgreSQL's programs are. A downloaded release has the server's own only.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// Disconnects everybody and starts the server again on the same port.
    ///
    /// # Errors
    /// When `pg_ctl` fails; the message quotes the server's log.
    pub async fn restart(&self) -> Result<(), PostgresError> {
        self.pg_ctl(&["--mode", "fast", "--log", &self.log_path(), "restart"]).await
    }

    /// Ends the server as a crash does, without a checkpoint. Its data stays for
    /// [`start_again`](Self::start_again), which then recovers.
    ///
    /// # Errors
    /// When `pg_ctl` fails, for example because the server isn't running.
    pub async fn stop_immediate(&self) -> Result<(), PostgresError> {
        self.pg_ctl(&["--mode", "immediate", "stop"]).await
    }

    /// Starts a stopped server on the same port with the same data.
    ///
    /// # Errors
    /// When `pg_ctl` fails; the message quotes the server's log.
    pub async fn start_again(&self) -> Result<(), PostgresError> {
        self.pg_ctl(&["--log", &self.log_path(), "start"]).await
    }

    /// Stops the server, and removes its data unless it is kept.
    ///
    /// # Errors
    /// When a server that is kept doesn't stop.
    pub async fn stop(self) -> Result<(), PostgresError> {
        if self.watchdog.is_none() {
            return self.pg_ctl(&["--mode", "fast", "stop"]).await;
        }
        // Dropping waits for the watchdog; a panic in there would have nothing to add.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        Ok(())
    }

    async fn initialize(&self) -> Result<(), PostgresError> {
        let password_file = self.password_file()?;
        let locale = if cfg!(target_os = "linux") { "C.UTF-8" } else { "C" };
        let mut command = self.tool("initdb");
        command
            .args(["--auth", "scram-sha-256", "--username", SUPERUSER, "--encoding", "UTF8"])
            .args(["--no-sync", "--no-instructions", "--locale", locale])
            .arg("--pwfile")
            .arg(password_file.path());
        self.run("initdb", command).await
    }

    /// Only readable by the server's user, and gone as soon as `initdb` has read it.
    fn password_file(&self) -> Result<tempfile::NamedTempFile, PostgresError> {
        let folder = self.account.temp_dir();
        let write = || {
            let file = tempfile::NamedTempFile::new_in(&folder)?;
            fs::write(file.path(), self.password())?;
            Ok(file)
        };
        let file = write().map_err(PostgresError::io("write its password file", &folder))?;
        self.account.own(file.path())?;
        Ok(file)
    }

    async fn start_on_a_free_port(
        &mut self,
        extra: &[(String, String)],
    ) -> Result<(), PostgresError> {
        let path = self.data_dir.join("postgresql.conf");
        for attempt in 1.. {
            self.port = free_port()?;
            fs::write(&path, settings::file(self.port, extra))
                .map_err(PostgresError::io("write its settings", &path))?;
            match self.start_again().await {
                Err(error) if attempt < PORT_ATTEMPTS_MAX && self.port_was_taken() => drop(error),
                outcome => return outcome,
            }
        }
        unreachable!("the last attempt returns its outcome")
    }

    /// Forgets the log of the failed attempt, so that the next one is judged by its own.
    fn port_was_taken(&self) -> bool {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let taken = log.contains("Address already in use");
        if taken {
            // If the log stays, the next attempt is at worst repeated once too often.
            let _ = fs::remove_file(self.log_path());
        }
        taken
    }

    fn log_path(&self) -> String {
        self.data_dir.join("server.log").to_string_lossy().into_owned()
    }

    async fn pg_ctl(&self, arguments: &[&str]) -> Result<(), PostgresError> {
        let mut command = self.tool("pg_ctl");
        command.args(["--wait", "--timeout", "60", "--silent"]).args(arguments);
        self.run("pg_ctl", command).await
    }

    /// One of PostgreSQL's programs on our data, as the server's user, away from the terminal's
    /// signals and from the caller's own PG* variables. (`pg_ctl` starts the server in a session
    /// of its own.)
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(name));
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        command.env("PGDATA", &self.data_dir).env("LC_ALL", "C");
        command.current_dir(&self.data_dir).stdin(Stdio::null()).process_group(0);
        self.account.apply(&mut command);
        command
    }

    async fn run(&self, tool: &'static str, command: Command) -> Result<(), PostgresError> {
        let output = tokio::process::Command::from(command)
            .output()
            .await
            .map_err(PostgresError::io("run one of its programs", self.bin_dir.join(tool)))?;
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let output = [complaint.trim(), &self.log_tail()].join(" ").trim().to_owned();
        Err(PostgresError::Tool { tool, data_dir: self.data_dir.clone(), output })
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join("\n")
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            drop(watchdog);
            // As root we can remove what the watchdog, in a folder of ours, could only empty.
            let _ = fs::remove_dir_all(&self.data_dir);
        }
    }
}

fn free_port() -> Result<u16, PostgresError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(PostgresError::io("find a free port", HOST))
}

fn random_password() -> SecretString {
    let characters = rand::rng().sample_iter(Alphanumeric).take(24).map(char::from);
    characters.collect::<String>().into()
}
