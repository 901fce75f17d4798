//! Hosts with addresses of their own, made of this one machine: each is a network namespace with
//! one cable to a router, and the test itself sits on the router. What a namespace doesn't divide
//! stays the machine's: CPU, memory, disks. Needs root and `ip` (iproute2).

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where `ip` keeps the names.
const NAMESPACES: &str = "/run/netns";
/// What ours begin with; then the process that made them.
const OURS: &str = "payment-monitor-";
/// A host's only network card.
pub const CARD: &str = "eth0";

/// Gives the program a host's name too, before it takes the shell's place.
const UNDER_ITS_NAME: &str = r#"echo "$0" >/proc/sys/kernel/hostname && exec "$@""#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A host, by the name that telemetry knows it by.
#[derive(Clone)]
pub struct Host {
    pub name: &'static str,
    /// Where others reach it.
    pub address: IpAddr,
    /// None: this machine as it is.
    namespace: Option<String>,
}

impl Host {
    /// This machine, reached by loopback.
    pub fn here(name: &'static str) -> Self {
        Self { name, address: Ipv4Addr::LOCALHOST.into(), namespace: None }
    }

    /// One of its ports, as others reach it.
    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.address)
    }

    pub fn is_apart(&self) -> bool {
        self.namespace.is_some()
    }

    /// What starts a program on this host.
    pub fn command(&self, file: &Path) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(file) };
        // It shows the namespace's network cards in /sys too, which a bare setns does not.
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, "unshare", "--uts"]);
        command.args(["sh", "-c", UNDER_ITS_NAME, self.name]).arg(file);
        command
    }

    /// Does something that starts programs of its own accord, on this host.
    pub async fn does<T: Send>(&self, what: impl AsyncFnOnce() -> T + Send) -> T {
        let Some(namespace) = &self.namespace else { return what().await };
        std::thread::scope(|scope| scope.spawn(|| run_in(namespace, what)).join().unwrap())
    }

    /// Bytes that its card has received and sent since it is there, as the kernel counts them.
    pub fn bytes(&self) -> [f64; 2] {
        let card = format!("-n {} -j -s link show {CARD}", self.namespace.as_ref().unwrap());
        let told: serde_json::Value = serde_json::from_str(&ip(&card)).unwrap();
        let of = |direction: &str| told[0]["stats64"][direction]["bytes"].as_f64().unwrap();
        [of("rx"), of("tx")]
    }
}

/// The cables and the router between hosts. Dropping it removes them, and the hosts.
pub struct Network {
    prefix: String,
}

impl Network {
    /// What a killed test has left is removed first.
    pub fn lay() -> Self {
        remove_leftovers();
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let network = Self { prefix: format!("{OURS}{process}-{number}") };
        let router = network.router();
        ip(&format!("netns add {router}"));
        ip(&format!("-n {router} link set lo up"));
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        run(&["netns", "exec", &router, "sh", "-c", forward]);
        network
    }

    /// A host in a network of its own; `network` is its first three numbers.
    pub fn connect(&self, name: &'static str, network: [u8; 3]) -> Host {
        let [a, b, c] = network;
        let (address, gateway) = (Ipv4Addr::new(a, b, c, 10), Ipv4Addr::new(a, b, c, 1));
        let (router, namespace) = (self.router(), format!("{}-{name}", self.prefix));
        let cable = format!("to-{c}");
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {router} link add {cable} type veth peer name {CARD} netns {namespace}"));
        ip(&format!("-n {router} address add {gateway}/24 dev {cable}"));
        ip(&format!("-n {router} link set {cable} up"));
        ip(&format!("-n {namespace} address add {address}/24 dev {CARD}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {namespace} link set {CARD} up"));
        ip(&format!("-n {namespace} route add default via {gateway}"));
        Host { name, address: address.into(), namespace: Some(namespace) }
    }

    /// From now on the router drops what one of them sends to the other, and tells neither.
    pub fn cut(&self, one: &Host, other: &Host) {
        self.rules("add", one, other);
    }

    pub fn heal(&self, one: &Host, other: &Host) {
        self.rules("del", one, other);
    }

    fn rules(&self, verb: &str, one: &Host, other: &Host) {
        for (from, to) in [(one, other), (other, one)] {
            let (from, to) = (from.address, to.address);
            ip(&format!("-n {} rule {verb} from {from} to {to} blackhole", self.router()));
        }
    }

    /// A test whose every thread is on the router, from where all hosts are reached.
    pub fn test(test: impl AsyncFnOnce(Self) + Send) {
        let network = Self::lay();
        let router = network.router();
        std::thread::scope(|scope| {
            let test = scope.spawn(|| run_in(&router, async || test(network).await));
            test.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }

    fn router(&self) -> String {
        format!("{}-router", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&format!("{}-", self.prefix));
    }
}

/// Moves this thread for good, and with it the threads that it starts.
fn run_in<T>(namespace: &str, what: impl AsyncFnOnce() -> T) -> T {
    let name = File::open(Path::new(NAMESPACES).join(namespace)).unwrap();
    move_into_link_name_space(name.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(what())
}

fn remove_leftovers() {
    for name in names() {
        let process = name.strip_prefix(OURS).and_then(|rest| rest.split('-').next());
        let is_gone = |process: &str| !Path::new("/proc").join(process).exists();
        if process.is_some_and(is_gone) {
            remove(&name);
        }
    }
}

/// Those whose name begins so; cables go with the namespaces at their ends.
fn remove(prefix: &str) {
    for name in names().iter().filter(|name| name.starts_with(prefix)) {
        // Two tests that begin at once may both find what a killed one has left.
        let _ = Command::new("ip").args(["netns", "delete", name]).output();
    }
}

fn names() -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(NAMESPACES) else { return Vec::new() };
    folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Asks or tells the kernel; gives what it says.
fn ip(arguments: &str) -> String {
    run(&arguments.split(' ').collect::<Vec<_>>())
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{e}: is iproute2 installed?"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {complaint} (this test needs root)");
    String::from_utf8(output.stdout).unwrap()
}
