//! A real collector: the agent of the job's host as `otel/` configures it, with its queue on disk
//! and no gateway behind it, on the same cores as everything else.

use crate::job::{Cores, cpu_time};
use anyhow::{Context as _, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const COLLECTOR: &str = ".stack/bin/otelcol";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running collector; it ends with its owner.
pub struct Agent {
    process: Child,
    pub endpoint: String,
}

impl Agent {
    /// Starts one that keeps its queue in a folder, on certain cores; nothing where no collector
    /// was built.
    pub fn start(folder: &Path, cores: &Cores) -> anyhow::Result<Option<Self>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if !root.join(COLLECTOR).exists() {
            println!("Not measured: there is no collector; `stack/build` makes one.\n");
            return Ok(None);
        }
        let [grpc, http, health] = [free_port()?, free_port()?, free_port()?];
        let storage = folder.join("agent");
        std::fs::create_dir_all(&storage)?;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let process = cores
            .command(root.join(COLLECTOR))
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
        Ok(Some(agent))
    }

    /// The CPU time that it has taken so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(self.process.id()).context("the collector has ended")
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
