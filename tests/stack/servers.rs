//! How each server is started: which file of the repository, which variables. What a deployment
//! would set, the test sets; it changes nothing else.

use crate::process::Program;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

pub const TOKEN: &str = "a-token-of-this-test";
/// The two hosts, as the agents call them. In truth both are this machine.
pub const JOB_HOST: &str = "job-host";
pub const DATABASE_HOST: &str = "database-host";

/// Free ports of the loopback address, each by what listens on it.
pub struct Ports {
    pub job_agent: Collector,
    pub database_agent: Collector,
    pub gateway: Collector,
    pub tempo: u16,
    pub tempo_otlp: u16,
    pub tempo_grpc: u16,
    pub tempo_gossip: u16,
    pub loki: u16,
    pub loki_grpc: u16,
    pub prometheus: u16,
}

#[derive(Clone, Copy)]
pub struct Collector {
    pub grpc: u16,
    pub http: u16,
    pub health: u16,
}

impl Ports {
    /// All held at once before they are let go, so that they differ.
    pub fn find() -> Self {
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let held: Vec<TcpListener> = std::iter::repeat_with(listener).take(16).collect();
        let mut ports = held.iter().map(|listener| listener.local_addr().unwrap().port());
        let mut next = || ports.next().unwrap();
        let mut collector = || Collector { grpc: next(), http: next(), health: next() };
        let (job_agent, database_agent, gateway) = (collector(), collector(), collector());
        Self {
            job_agent,
            database_agent,
            gateway,
            tempo: next(),
            tempo_otlp: next(),
            tempo_grpc: next(),
            tempo_gossip: next(),
            loki: next(),
            loki_grpc: next(),
            prometheus: next(),
        }
    }
}

/// Where everything of one test is.
pub struct Place<'a> {
    pub folder: &'a Path,
    pub ports: &'a Ports,
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Place<'_> {
    pub fn job_agent(&self) -> Program {
        self.agent("agent-job", JOB_HOST, self.ports.job_agent, &[])
    }

    pub fn database_agent(&self, postgres: &str, log: &Path) -> Program {
        let log = log.display().to_string();
        let own = [("OTELCOL_POSTGRES", postgres), ("OTELCOL_POSTGRES_LOG", &log)];
        self.agent("agent-db", DATABASE_HOST, self.ports.database_agent, &own)
    }

    fn agent(&self, name: &str, host: &str, ports: Collector, own: &[(&str, &str)]) -> Program {
        let gateway = format!("localhost:{}", self.ports.gateway.grpc);
        let certificate = self.folder.join("cert.pem").display().to_string();
        let mut variables =
            vec![("OTELCOL_GATEWAY", gateway.as_str()), ("OTELCOL_GATEWAY_CA", &certificate)];
        variables.extend(own);
        self.collector(name, host, ports, &variables)
    }

    pub fn gateway(&self) -> Program {
        let certificate = self.folder.join("cert.pem").display().to_string();
        let key = self.folder.join("key.pem").display().to_string();
        let tempo = format!("127.0.0.1:{}", self.ports.tempo_otlp);
        let prometheus = format!("http://127.0.0.1:{}", self.ports.prometheus);
        let loki = format!("http://127.0.0.1:{}", self.ports.loki);
        let variables = [
            ("OTELCOL_CERT", certificate.as_str()),
            ("OTELCOL_KEY", &key),
            ("OTELCOL_TEMPO", &tempo),
            ("OTELCOL_PROMETHEUS", &prometheus),
            ("OTELCOL_LOKI", &loki),
        ];
        self.collector("gateway", "gateway-host", self.ports.gateway, &variables)
    }

    fn collector(&self, name: &str, host: &str, ports: Collector, own: &[(&str, &str)]) -> Program {
        let storage = self.folder.join(name).display().to_string();
        let [grpc, http, health] =
            [ports.grpc, ports.http, ports.health].map(|port| format!("127.0.0.1:{port}"));
        let mut variables = vec![
            ("OTELCOL_HOST_NAME", host),
            ("OTELCOL_TOKEN", TOKEN),
            ("OTELCOL_STORAGE", &storage),
            ("OTELCOL_OTLP_GRPC", &grpc),
            ("OTELCOL_OTLP_HTTP", &http),
            ("OTELCOL_HEALTH", &health),
            ("OTELCOL_INTERVAL", "1s"),
            ("OTELCOL_SELF_INTERVAL_MS", "1000"),
        ];
        variables.extend(own);
        let config = repository(&format!("otel/{name}.yaml")).display().to_string();
        self.program(name, "otelcol", &["--config", &config], &variables)
    }

    pub fn tempo(&self) -> Program {
        let storage = self.folder.join("tempo").display().to_string();
        let otlp = format!("127.0.0.1:{}", self.ports.tempo_otlp);
        let (http, grpc) = (self.ports.tempo.to_string(), self.ports.tempo_grpc.to_string());
        let gossip = self.ports.tempo_gossip.to_string();
        let variables = [
            ("TEMPO_ADDRESS", "127.0.0.1"),
            ("TEMPO_HTTP_PORT", &http),
            ("TEMPO_GRPC_PORT", &grpc),
            ("TEMPO_GOSSIP_PORT", &gossip),
            ("TEMPO_OTLP", &otlp),
            ("TEMPO_STORAGE", &storage),
        ];
        self.expanded("tempo", &variables)
    }

    pub fn loki(&self) -> Program {
        let storage = self.folder.join("loki").display().to_string();
        let (http, grpc) = (self.ports.loki.to_string(), self.ports.loki_grpc.to_string());
        let variables = [
            ("LOKI_ADDRESS", "127.0.0.1"),
            ("LOKI_HTTP_PORT", &http),
            ("LOKI_GRPC_PORT", &grpc),
            ("LOKI_STORAGE", &storage),
        ];
        self.expanded("loki", &variables)
    }

    fn expanded(&self, name: &str, variables: &[(&str, &str)]) -> Program {
        let config = repository(&format!("otel/{name}.yaml"));
        let config = format!("-config.file={}", config.display());
        self.program(name, name, &["-config.expand-env=true", &config], variables)
    }

    /// Reads no variables; and the file beside its own says where the backends are, so both are
    /// in the test's folder.
    pub fn prometheus(&self) -> Program {
        let folder = self.folder.join("prometheus");
        let config = folder.join("prometheus.yaml");
        if !config.exists() {
            std::fs::create_dir_all(folder.join("scrape")).unwrap();
            std::fs::copy(repository("otel/prometheus.yaml"), &config).unwrap();
            let (own, tempo, loki) = (self.ports.prometheus, self.ports.tempo, self.ports.loki);
            let targets = [own, tempo, loki].map(|port| format!("127.0.0.1:{port}")).join(", ");
            let targets = format!("- targets: [{targets}]\n");
            std::fs::write(folder.join("scrape/backends.yaml"), targets).unwrap();
        }
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", self.ports.prometheus),
            "--web.enable-otlp-receiver".to_owned(),
        ];
        self.program("prometheus", "prometheus", &arguments.each_ref().map(String::as_str), &[])
    }

    fn program(
        &self,
        name: &str,
        file: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Program {
        let file = repository(".stack/bin").join(file);
        assert!(file.exists(), "{} is missing: run stack/build", file.display());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Program {
            name: name.to_owned(),
            file,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: environment.iter().map(owned).collect(),
            log: self.folder.join(format!("{name}.log")),
        }
    }
}
