//! What telemetry costs: the same import with and without a real collector, in turns. The collector
//! is the agent of the job's host as `otel/` configures it, with its queue on disk and no gateway
//! behind it, on the same cores.

use crate::Arguments;
use crate::job::{self, grouped, megabytes};
use crate::ledger::{Company, add_users};
use crate::statement;
use anyhow::{Context as _, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EMPTY: &str = "bench_telemetry_empty";
const TURN: &str = "bench_telemetry";
const COLLECTOR: &str = ".stack/bin/otelcol";
/// How long the collector may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn measure(company: &mut Company, arguments: &Arguments) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("## The same import with and without a collector\n");
    if !root.join(COLLECTOR).exists() {
        println!("Not measured: there is no collector; `stack/build` makes one.\n");
        return Ok(());
    }
    let charges = if arguments.quick { 1_000 } else { 20_000 };
    let mut ledger = company.empty(EMPTY).await?;
    add_users(&mut ledger, charges).await?;
    drop(ledger);
    let path = statement::write(company.folder(), charges, u64::MAX)?;
    let agent = Agent::start(root, company.folder())?;
    println!("| charges | without | with | ratios, with / without | median | peak memory, with |");
    println!("|---:|---:|---:|---:|---:|---:|");
    let (mut plain, mut traced, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..arguments.rounds {
        plain.push(turn(company, &path, charges, None).await?.time.as_secs_f64());
        let with = turn(company, &path, charges, Some(&agent.endpoint)).await?;
        ensure!(with.report["telemetry"]["traces"]["dropped"] == 0, "{}", with.report);
        traced.push(with.time.as_secs_f64());
        memory = memory.max(with.memory_max);
    }
    let mut ratios: Vec<f64> =
        traced.iter().zip(&plain).map(|(with, without)| with / without).collect();
    let listed = |times: &[f64], unit| {
        times.iter().map(|time| format!("{time:.2}{unit}")).collect::<Vec<_>>().join(", ")
    };
    print!("| {} | {} | {} | ", grouped(charges), listed(&plain, " s"), listed(&traced, " s"));
    print!("{} | ", listed(&ratios, ""));
    ratios.sort_by(f64::total_cmp);
    println!("**{:.2}** | {} |\n", ratios[ratios.len() / 2], megabytes(memory));
    statement::remove(&path)?;
    company.drop(EMPTY).await
}

async fn turn(
    company: &mut Company,
    path: &Path,
    charges: u64,
    endpoint: Option<&str>,
) -> anyhow::Result<job::Finished> {
    drop(company.copy(EMPTY, TURN).await?);
    let arguments = ["run", "--max-changes", "none", "--statement", &path.to_string_lossy()];
    let variables: Vec<_> =
        endpoint.map(|endpoint| ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)).into_iter().collect();
    let done = job::run_with(&company.url(TURN), &arguments, &variables, 0)?;
    ensure!(done.operations("applied") == charges, "{}", done.report);
    company.drop(TURN).await?;
    Ok(done)
}

/// A running collector; it ends with its owner.
struct Agent {
    process: Child,
    endpoint: String,
}

impl Agent {
    fn start(root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let [grpc, http, health] = [free_port()?, free_port()?, free_port()?];
        let storage = folder.join("agent");
        std::fs::create_dir_all(&storage)?;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let process = Command::new(root.join(COLLECTOR))
            .arg("--config")
            .arg(root.join("otel/agent-job.yaml"))
            .env("OTELCOL_HOST_NAME", "bench")
            .env("OTELCOL_TOKEN", "bench")
            .env("OTELCOL_GATEWAY", local(9))
            .env("OTELCOL_GATEWAY_PLAINTEXT", "true")
            .env("OTELCOL_STORAGE", &storage)
            .env("OTELCOL_OTLP_GRPC", local(grpc))
            .env("OTELCOL_OTLP_HTTP", local(http))
            .env("OTELCOL_HEALTH", local(health))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the collector")?;
        let agent = Self { process, endpoint: format!("http://{}", local(grpc)) };
        let started = Instant::now();
        while TcpStream::connect(local(grpc)).is_err() {
            ensure!(started.elapsed() < PATIENCE, "the collector does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
