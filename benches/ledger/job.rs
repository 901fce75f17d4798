//! The program itself as a child process: its report, its time, and the most memory it held.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the child's memory is looked at. The kernel keeps the high-water mark, so only a
/// peak in the last moment can be missed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a command of the program left.
pub struct Finished {
    pub report: Value,
    pub time: Duration,
    /// CPU time of the process, in its own code and in the kernel's.
    pub cpu: Duration,
    /// Resident memory at its highest (`VmHWM`), in bytes.
    pub memory_max: u64,
}

impl Finished {
    /// How long a phase of a run took.
    pub fn phase(&self, name: &str) -> anyhow::Result<Duration> {
        let phases = self.report["phases"].as_array().context("a run's report has phases")?;
        let phase = phases.iter().find(|phase| phase["name"] == name);
        let duration = phase.and_then(|phase| phase["duration_us"].as_u64());
        Ok(Duration::from_micros(duration.with_context(|| format!("no phase {name}"))?))
    }

    /// How many operations of a run ended so.
    pub fn operations(&self, outcome: &str) -> u64 {
        self.report["operations"][outcome].as_u64().unwrap_or(0)
    }
}

/// Runs a command of the program and waits for it; `exit_code` is the one that it should have.
pub fn run<A: AsRef<OsStr>>(
    url: &str,
    arguments: &[A],
    exit_code: i32,
) -> anyhow::Result<Finished> {
    run_with(url, arguments, &[], &Cores::default(), exit_code)
}

/// The cores that a process and all that it starts are kept on; by default any.
#[derive(Debug, Clone, Default)]
pub struct Cores(pub Option<String>);

impl Cores {
    /// A program that is started on these cores.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(cores) = &self.0 else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).arg(program);
        command
    }

    /// Keeps a process that runs already on these cores, and what it will start.
    pub fn keep(&self, pid: &str) -> anyhow::Result<()> {
        let all =
            || std::thread::available_parallelism().map(|cores| format!("0-{}", cores.get() - 1));
        let cores = self.0.clone().map_or_else(all, Ok)?;
        let mut taskset = Command::new("taskset");
        taskset.args(["--all-tasks", "--cpu-list", "--pid", &cores, pid]).stdout(Stdio::null());
        ensure!(taskset.status()?.success(), "process {pid} can't be kept on cores {cores}");
        Ok(())
    }
}

/// The same with more variables in the environment, on certain cores.
pub fn run_with<A: AsRef<OsStr>>(
    url: &str,
    arguments: &[A],
    variables: &[(&str, &str)],
    cores: &Cores,
    exit_code: i32,
) -> anyhow::Result<Finished> {
    let mut command = cores.command(env!("CARGO_BIN_EXE_payment-monitor"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if ["PAYMENT_MONITOR_", "OTEL_", "RUST_LOG"].iter().any(|start| name.starts_with(start)) {
            command.env_remove(&variable);
        }
    }
    command.args(["--output", "json"]).args(arguments).env("DATABASE_URL", url);
    command.envs(variables.iter().copied());
    command.env("RUST_LOG", "error").stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().context("starting payment-monitor")?;
    let mut output = child.stdout.take().context("its standard output")?;
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let (mut memory_max, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        memory_max = high_water_mark(child.id()).unwrap_or(memory_max);
        cpu = cpu_time(child.id()).unwrap_or(cpu);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let time = started.elapsed();
    let text = reading.join().map_err(|_| anyhow::anyhow!("the reader of its output died"))??;
    ensure!(status.code() == Some(exit_code), "payment-monitor ended with {status}: {text}");
    Ok(Finished { report: serde_json::from_str(&text)?, time, cpu, memory_max })
}

fn high_water_mark(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The CPU time that a process has taken so far, all threads together. The kernel tells it in
/// ticks of 10 ms.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Bytes as people read them.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// A whole number with commas between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// How many per second.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn per_second(number: u64, time: Duration) -> u64 {
    (number as f64 / time.as_secs_f64()).round() as u64
}
