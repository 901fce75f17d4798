//! The program from outside, as a user starts it.

use super::Ledger;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What a finished program leaves.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Both outputs: where a secret must not occur.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}", self.all()))
    }
}

/// The program in a folder of its own, without anything of this machine's environment.
pub struct Program {
    pub folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Program {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// The program on a ledger.
    pub fn on(ledger: &Ledger) -> Self {
        Self::new().with("DATABASE_URL", &ledger.url())
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("payment-monitor"));
        for (name, _) in std::env::vars() {
            if name.starts_with("PAYMENT_MONITOR_") || name.starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        command.env_remove("DATABASE_URL").env_remove("RUST_LOG").env("NO_COLOR", "1");
        command.envs(self.variables.clone()).current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let child = self.spawn(arguments);
        finish(child).await
    }

    /// Does a run of a statement, without settling and caps.
    pub async fn run_statement(&self, statement: &Path, more: &[&str]) -> Output {
        let path = statement.to_str().unwrap();
        let all = [&["run", "--settle", "0s", "--statement", path], more].concat();
        self.run(&all).await
    }
}

/// Waits for a program's end.
pub async fn finish(child: Child) -> Output {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = output.await.unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal to a program, by its name (`STOP`).
pub fn signal(child: &Child, name: &str) {
    let (name, id) = (format!("-{name}"), child.id().to_string());
    assert!(Command::new("kill").args([name, id]).status().unwrap().success());
}
