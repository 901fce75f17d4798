//! A server that dies with the test, however the test ends: a shell waits on a pipe that only we
//! hold, and kills the server when the kernel closes it.

use crate::network::Host;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs a program until its own input ends, then kills it.
const UNTIL_INPUT_ENDS: &str = r#"
trap '' HUP INT TERM
"$@" </dev/null & server=$!
read -r _
kill -KILL "$server"
wait "$server"
"#;

/// A program with its arguments and environment: what it takes to start it again.
#[derive(Clone)]
pub struct Program {
    pub name: String,
    pub host: Host,
    pub file: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub log: PathBuf,
}

/// A running one. Dropping it is `kill -9`.
pub struct Process(Child);

impl Program {
    pub fn start(&self) -> Process {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let on_host = self.host.command(&self.file);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", UNTIL_INPUT_ENDS, &self.name])
            .arg(on_host.get_program())
            .args(on_host.get_args())
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.log.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        Process(command.spawn().unwrap())
    }

    /// The end of its log, for whoever has to find out why it isn't as expected.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
