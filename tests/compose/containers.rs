//! What the Docker engine says of the containers of a compose project.

use serde_json::Value;
use std::process::Command;

/// A container of the project, by the name of its service.
#[derive(Debug)]
pub struct Container {
    pub service: String,
    pub document: Value,
}

/// Every container of the project, those that have ended too.
pub fn all() -> Vec<Container> {
    let project = std::env::var("COMPOSE_PROJECT_NAME").expect("stack/compose says which");
    let filter = format!("label=com.docker.compose.project={project}");
    let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert!(!ids.is_empty(), "no container of the project {project}");
    let documents = docker(&[&["inspect"], &ids[..]].concat());
    let documents: Vec<Value> = serde_json::from_str(&documents).unwrap();
    documents.into_iter().map(Container::from).collect()
}

pub fn container(service: &str) -> Container {
    let found = all().into_iter().find(|container| container.service == service);
    found.unwrap_or_else(|| panic!("no container {service}"))
}

impl From<Value> for Container {
    fn from(document: Value) -> Self {
        let service = &document["Config"]["Labels"]["com.docker.compose.service"];
        Self { service: service.as_str().unwrap().to_owned(), document }
    }
}

impl Container {
    /// `running`, with what its health check says where it has one, or `exited` with its code.
    pub fn state(&self) -> String {
        let state = &self.document["State"];
        let status = state["Status"].as_str().unwrap();
        match (status, state["Health"]["Status"].as_str()) {
            ("exited", _) => format!("exited {}", state["ExitCode"]),
            (_, Some(health)) => format!("{status} {health}"),
            (_, None) => status.to_owned(),
        }
    }

    /// Address and port, as this machine reaches it: nothing is published.
    pub fn address(&self, port: u16) -> String {
        let networks = self.document["NetworkSettings"]["Networks"].as_object().unwrap();
        let address = networks.values().find_map(|network| network["IPAddress"].as_str());
        format!("{}:{port}", address.expect("a network"))
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker command");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
