//! How each server is started: which file of the repository, which variables. What a deployment
//! would set, the test sets; it changes nothing else.

use crate::network::{Host, Network};
use crate::process::Program;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub const TOKEN: &str = "a-token-of-this-test";
/// The hosts, as the agents call them.
pub const JOB_HOST: &str = "job-host";
pub const DATABASE_HOST: &str = "database-host";
pub const GATEWAY_HOST: &str = "gateway-host";

/// Where everything runs; with the gateway are the servers behind it.
pub struct Hosts {
    pub job: Host,
    pub database: Host,
    pub gateway: Host,
    pub network: Option<Network>,
}

impl Hosts {
    /// Three names of this machine.
    pub fn together() -> Self {
        let [job, database, gateway] = [JOB_HOST, DATABASE_HOST, GATEWAY_HOST].map(Host::here);
        Self { job, database, gateway, network: None }
    }

    /// Each in a network of its own (of those that RFC 5737 keeps for examples).
    pub fn apart(network: Network) -> Self {
        Self {
            job: network.connect(JOB_HOST, [192, 0, 2]),
            database: network.connect(DATABASE_HOST, [198, 51, 100]),
            gateway: network.connect(GATEWAY_HOST, [203, 0, 113]),
            network: Some(network),
        }
    }
}

/// Free ports, each by what listens on it.
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
    /// None is found twice: two tests find theirs at the same time, and use them later.
    pub fn find() -> Self {
        static FOUND: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = || {
            loop {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                if found.insert(port) {
                    return port;
                }
            }
        };
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
    pub hosts: &'a Hosts,
    pub ports: &'a Ports,
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Place<'_> {
    pub fn job_agent(&self) -> Program {
        self.agent("agent-job", &self.hosts.job, self.ports.job_agent, &[])
    }

    pub fn database_agent(&self, postgres: &str, log: &Path) -> Program {
        let log = log.display().to_string();
        let own = [("OTELCOL_POSTGRES", postgres), ("OTELCOL_POSTGRES_LOG", &log)];
        self.agent("agent-db", &self.hosts.database, self.ports.database_agent, &own)
    }

    fn agent(&self, name: &str, host: &Host, ports: Collector, own: &[(&str, &str)]) -> Program {
        let gateway = format!("{}:{}", self.hosts.gateway.address, self.ports.gateway.grpc);
        let certificate = self.folder.join("cert.pem").display().to_string();
        // What is sent to an agent comes from its own host.
        let grpc = format!("127.0.0.1:{}", ports.grpc);
        let mut variables = vec![
            ("OTELCOL_GATEWAY", gateway.as_str()),
            ("OTELCOL_GATEWAY_CA", &certificate),
            ("OTELCOL_OTLP_GRPC", &grpc),
        ];
        variables.extend(own);
        self.collector(name, host, ports, &variables)
    }

    pub fn gateway(&self) -> Program {
        let certificate = self.folder.join("cert.pem").display().to_string();
        let key = self.folder.join("key.pem").display().to_string();
        let tempo = format!("127.0.0.1:{}", self.ports.tempo_otlp);
        let prometheus = self.prometheus_url();
        let loki = format!("http://{}:{}", self.hosts.gateway.address, self.ports.loki);
        let host = &self.hosts.gateway;
        let grpc = format!("{}:{}", host.address, self.ports.gateway.grpc);
        let variables = [
            ("OTELCOL_OTLP_GRPC", grpc.as_str()),
            ("OTELCOL_CERT", &certificate),
            ("OTELCOL_KEY", &key),
            ("OTELCOL_TEMPO", &tempo),
            ("OTELCOL_PROMETHEUS", &prometheus),
            ("OTELCOL_LOKI", &loki),
        ];
        self.collector("gateway", host, self.ports.gateway, &variables)
    }

    /// Where Prometheus is asked, from any host.
    pub fn prometheus_url(&self) -> String {
        format!("http://{}:{}", self.hosts.gateway.address, self.ports.prometheus)
    }

    fn collector(
        &self,
        name: &str,
        host: &Host,
        ports: Collector,
        own: &[(&str, &str)],
    ) -> Program {
        let storage = self.folder.join(name).display().to_string();
        let http = format!("127.0.0.1:{}", ports.http);
        // Asked by the test.
        let health = format!("{}:{}", host.address, ports.health);
        let mut variables = vec![
            ("OTELCOL_HOST_NAME", host.name),
            ("OTELCOL_TOKEN", TOKEN),
            ("OTELCOL_STORAGE", &storage),
            ("OTELCOL_OTLP_HTTP", &http),
            ("OTELCOL_HEALTH", &health),
            ("OTELCOL_INTERVAL", "1s"),
            ("OTELCOL_SELF_INTERVAL_MS", "1000"),
        ];
        variables.extend(own);
        let config = repository(&format!("otel/{name}.yaml")).display().to_string();
        self.program(name, host, "otelcol", &["--config", &config], &variables)
    }

    pub fn tempo(&self) -> Program {
        let storage = self.folder.join("tempo").display().to_string();
        let otlp = format!("127.0.0.1:{}", self.ports.tempo_otlp);
        let (http, grpc) = (self.ports.tempo.to_string(), self.ports.tempo_grpc.to_string());
        let gossip = self.ports.tempo_gossip.to_string();
        let address = self.hosts.gateway.address.to_string();
        let variables = [
            ("TEMPO_ADDRESS", address.as_str()),
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
        let address = self.hosts.gateway.address.to_string();
        let variables = [
            ("LOKI_ADDRESS", address.as_str()),
            ("LOKI_HTTP_PORT", &http),
            ("LOKI_GRPC_PORT", &grpc),
            ("LOKI_STORAGE", &storage),
        ];
        self.expanded("loki", &variables)
    }

    fn expanded(&self, name: &str, variables: &[(&str, &str)]) -> Program {
        let config = repository(&format!("otel/{name}.yaml"));
        let config = format!("-config.file={}", config.display());
        let arguments = ["-config.expand-env=true", &config];
        self.program(name, &self.hosts.gateway, name, &arguments, variables)
    }

    /// Reads no variables; and the file beside its own says where the backends are, so both are
    /// in the test's folder.
    pub fn prometheus(&self) -> Program {
        let host = &self.hosts.gateway;
        let folder = self.folder.join("prometheus");
        let config = folder.join("prometheus.yaml");
        if !config.exists() {
            std::fs::create_dir_all(folder.join("scrape")).unwrap();
            std::fs::copy(repository("otel/prometheus.yaml"), &config).unwrap();
            let (own, tempo, loki) = (self.ports.prometheus, self.ports.tempo, self.ports.loki);
            let targets = [own, tempo, loki].map(|port| host.at(port)).join(", ");
            let targets = format!("- targets: [{targets}]\n");
            std::fs::write(folder.join("scrape/backends.yaml"), targets).unwrap();
        }
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address={}:{}", host.address, self.ports.prometheus),
            "--web.enable-otlp-receiver".to_owned(),
        ];
        let arguments = arguments.each_ref().map(String::as_str);
        self.program("prometheus", host, "prometheus", &arguments, &[])
    }

    fn program(
        &self,
        name: &str,
        host: &Host,
        file: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Program {
        let file = repository(".stack/bin").join(file);
        assert!(file.exists(), "{} is missing: run stack/build", file.display());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Program {
            name: name.to_owned(),
            host: host.clone(),
            file,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: environment.iter().map(owned).collect(),
            log: self.folder.join(format!("{name}.log")),
        }
    }
}
