//! A second server that follows the first, made from a copy of its stopped data folder, and
//! that can be promoted. It needs `pg_ctl` and `postgres` only: downloaded releases have no more.

use payment_monitor::postgres::{HOST, PrivateServer, SUPERUSER};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The name under which the primary knows its standby.
pub const STANDBY: &str = "standby";

/// Waits for its standard input to end, as it does with its owner, however that ends.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
read -r _
"$1/pg_ctl" --pgdata "$2" --mode immediate --wait stop
rm -rf "$2"
"#;

/// A standby of a primary; dropping it stops the server and removes its folder.
pub struct Standby {
    bin_dir: PathBuf,
    data_dir: PathBuf,
    port: u16,
    watchdog: Child,
}

impl Standby {
    /// Copies a primary, which is stopped meanwhile, and starts following it.
    pub async fn of(primary: &PrivateServer) -> Self {
        let bin_dir = primary.bin_dir().to_owned();
        let folder = tempfile::Builder::new().prefix("payment-monitor-standby-").tempdir_in("/tmp");
        let data_dir = folder.unwrap().keep();
        pg_ctl(&bin_dir, primary.data_dir(), &["--mode", "fast", "stop"]).await;
        copy(primary.data_dir(), &data_dir);
        let port = free_port();
        follow(&data_dir, primary, port);
        primary.start_again().await.unwrap();
        let watchdog = as_owner_of(&data_dir, "/bin/sh")
            .args(["-c", WATCHDOG, "standby-watchdog"])
            .args([&bin_dir, &data_dir])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let standby = Self { bin_dir, data_dir, port, watchdog };
        let log = standby.data_dir.join("server.log");
        standby.pg_ctl(&["--log", log.to_str().unwrap(), "start"]).await;
        standby
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string of a role that the primary has, with the superuser's password.
    pub fn url(&self, primary: &PrivateServer, user: &str, database: &str) -> String {
        let password = primary.password();
        format!("postgres://{user}:{password}@{HOST}:{}/{database}", self.port)
    }

    /// Makes it a primary of its own, and waits until it is one.
    pub async fn promote(&self) {
        self.pg_ctl(&["promote"]).await;
    }

    async fn pg_ctl(&self, arguments: &[&str]) {
        pg_ctl(&self.bin_dir, &self.data_dir, arguments).await;
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        let _ = fs::remove_dir_all(&self.data_dir);
    }
}

/// Copies a folder with owners and modes, into one that is there already.
fn copy(from: &Path, to: &Path) {
    let all = from.join(".");
    let copied = Command::new("cp").arg("-a").args([&all, to]).status().unwrap();
    assert!(copied.success(), "{} can't be copied", from.display());
}

/// Turns a copy of a primary into its standby.
fn follow(data_dir: &Path, primary: &PrivateServer, port: u16) {
    let conninfo = format!(
        "host={HOST} port={} user={SUPERUSER} password={} application_name={STANDBY}",
        primary.port(),
        primary.password(),
    );
    // Of a setting that occurs twice PostgreSQL takes the last.
    let mut settings =
        fs::OpenOptions::new().append(true).open(data_dir.join("postgresql.conf")).unwrap();
    writeln!(settings, "port = {port}\nprimary_conninfo = '{conninfo}'").unwrap();
    fs::write(data_dir.join("standby.signal"), "").unwrap();
    let _ = fs::remove_file(data_dir.join("server.log"));
}

async fn pg_ctl(bin_dir: &Path, data_dir: &Path, arguments: &[&str]) {
    let mut command = as_owner_of(data_dir, bin_dir.join("pg_ctl"));
    command.args(["--wait", "--timeout", "60", "--silent"]).args(arguments);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let log = fs::read_to_string(data_dir.join("server.log")).unwrap_or_default();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pg_ctl {arguments:?}: {told}\n{log}");
}

/// A program as the user whom a data folder belongs to: PostgreSQL refuses root.
fn as_owner_of(data_dir: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let owner = fs::metadata(data_dir).unwrap();
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command.env("PGDATA", data_dir).env("LC_ALL", "C").current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if owner.uid() != current_uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}

fn current_uid() -> u32 {
    tempfile::tempfile().unwrap().metadata().unwrap().uid()
}

fn free_port() -> u16 {
    TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port()
}
