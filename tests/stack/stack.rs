//! All servers together, each of which can be killed and started again.

use crate::asking::{Backend, until};
use crate::company::{self, Company, Going, Run};
use crate::network::{Host, Network};
use crate::process::{Process, Program};
use crate::servers::{Hosts, JOB_HOST, Place, Ports};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

pub const JOB_AGENT: &str = "agent-job";
pub const DATABASE_AGENT: &str = "agent-db";
pub const GATEWAY: &str = "gateway";
pub const TEMPO: &str = "tempo";
pub const LOKI: &str = "loki";
pub const PROMETHEUS: &str = "prometheus";

pub struct Stack {
    // Dropped in this order: the servers go before their folder.
    running: BTreeMap<String, Process>,
    programs: Vec<Program>,
    pub company: Company,
    // After what runs on them.
    pub hosts: Hosts,
    pub ports: Ports,
    pub tempo: Backend,
    pub prometheus: Backend,
    pub loki: Backend,
    folder: TempDir,
}

impl Stack {
    /// Everything up and ready.
    pub async fn start() -> Self {
        Self::start_on(Hosts::together()).await
    }

    /// Job, database and gateway on hosts of their own.
    pub async fn start_apart(network: Network) -> Self {
        Self::start_on(Hosts::apart(network)).await
    }

    async fn start_on(hosts: Hosts) -> Self {
        let everyone = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(everyone).tempdir().unwrap();
        let company = Company::found(&hosts, folder.path()).await;
        certify(folder.path(), &hosts);
        let ports = Ports::find();
        let place = Place { folder: folder.path(), hosts: &hosts, ports: &ports };
        let programs = vec![
            place.tempo(),
            place.loki(),
            place.prometheus(),
            place.gateway(),
            place.job_agent(),
            place.database_agent(&company.monitored_by(), &company.log()),
        ];
        let mut stack = Self {
            running: BTreeMap::new(),
            programs,
            company,
            tempo: Backend::at(&hosts.gateway.at(ports.tempo)),
            prometheus: Backend::at(&hosts.gateway.at(ports.prometheus)),
            loki: Backend::at(&hosts.gateway.at(ports.loki)),
            hosts,
            ports,
            folder,
        };
        let names: Vec<String> = stack.programs.iter().map(|p| p.name.clone()).collect();
        for name in &names {
            stack.launch(name);
        }
        for name in &names {
            stack.until_ready(name).await;
        }
        stack
    }

    /// `kill -9`.
    pub fn kill(&mut self, name: &str) {
        drop(self.running.remove(name).expect("it runs"));
    }

    /// Starts a killed server again, and waits until it says that it is ready.
    pub async fn start_again(&mut self, name: &str) {
        self.launch(name);
        self.until_ready(name).await;
    }

    fn launch(&mut self, name: &str) {
        let process = self.program(name).start();
        self.running.insert(name.to_owned(), process);
    }

    fn program(&self, name: &str) -> &Program {
        self.programs.iter().find(|program| program.name == name).expect("a server's name")
    }

    async fn until_ready(&self, name: &str) {
        let (port, path) = match name {
            TEMPO => (self.ports.tempo, "/ready"),
            LOKI => (self.ports.loki, "/ready"),
            PROMETHEUS => (self.ports.prometheus, "/-/ready"),
            GATEWAY => (self.ports.gateway.health, "/"),
            JOB_AGENT => (self.ports.job_agent.health, "/"),
            DATABASE_AGENT => (self.ports.database_agent.health, "/"),
            _ => unreachable!("a server's name"),
        };
        let program = self.program(name);
        let backend = Backend::at(&program.host.at(port));
        until(&format!("{name} to be ready"), async || {
            let answer = backend.get(path, &[]).await;
            answer.map(drop).map_err(|e| format!("{e}\n{}", program.log_tail()))
        })
        .await;
    }

    /// One run of the job, whose telemetry goes to its host's agent.
    pub async fn run(&self, prefix: &str, charges: i64) -> Run {
        self.start_run(prefix, charges, &[]).ends().await
    }

    /// The same with more flags, and while it goes on.
    pub fn start_run(&self, prefix: &str, charges: i64, more: &[&str]) -> Going {
        let statement = company::statement(prefix, charges, self.folder.path());
        let statement = statement.to_str().unwrap();
        let run = ["run", "--settle", "0s", "--max-changes", "none", "--statement", statement];
        self.company.start(&[&run, more].concat(), &self.endpoint())
    }

    /// Where Prometheus is asked.
    pub fn prometheus_url(&self) -> String {
        let (hosts, ports) = (&self.hosts, &self.ports);
        Place { folder: self.folder.path(), hosts, ports }.prometheus_url()
    }

    /// Cuts the network between two hosts: what they send each other is lost without a word.
    pub fn cut(&self, one: &Host, other: &Host) {
        self.hosts.network.as_ref().expect("hosts apart").cut(one, other);
    }

    pub fn heal(&self, one: &Host, other: &Host) {
        self.hosts.network.as_ref().expect("hosts apart").heal(one, other);
    }

    /// Another command of the job, with the same environment.
    pub async fn job(&self, arguments: &[&str]) -> Value {
        self.company.start(arguments, &self.endpoint()).ends().await.document
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.job_agent.grpc)
    }

    /// The agent's door for programs without a library, where the hosts are this machine.
    pub fn job_agent(&self) -> Backend {
        Backend::at(&Host::here(JOB_HOST).at(self.ports.job_agent.http))
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(&self.program(name).log).unwrap()
    }
}

/// The gateway's certificate, which the agents are told to trust.
fn certify(folder: &Path, hosts: &Hosts) {
    let names = [hosts.gateway.address.to_string()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}
