//! The load of the job's own host and process during a run, so that a run can be explained years
//! after Prometheus has forgotten it. What a host does not tell (a container's disks) is absent.

use super::load::Load;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sysinfo::{Disks, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// How often the host is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Samples until it is asked for what it saw. On a thread of its own: reading the kernel's
/// files blocks.
#[derive(Debug)]
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Value>,
}

impl Sampler {
    /// Starts sampling; none where no thread can be started.
    pub fn start() -> Option<Self> {
        let (stop, stopped) = channel();
        let sampling = move || {
            let mut host = Host::new();
            while stopped.recv_timeout(EVERY).is_err_and(|e| e == TIMED_OUT) {
                host.sample();
            }
            host.sample();
            host.tell()
        };
        let thread = std::thread::Builder::new().name("host".to_owned()).spawn(sampling).ok()?;
        Some(Self { stop, thread })
    }

    /// What was seen: of host and process each figure's minimum, mean and maximum.
    pub fn finish(self) -> Option<Value> {
        let _ = self.stop.send(());
        self.thread.join().ok()
    }
}

const TIMED_OUT: std::sync::mpsc::RecvTimeoutError = std::sync::mpsc::RecvTimeoutError::Timeout;

struct Host {
    system: System,
    networks: Networks,
    disks: Disks,
    pid: Option<Pid>,
    last: Instant,
    samples: u64,
    own: Load,
    process: Load,
}

impl Host {
    fn new() -> Self {
        let mut host = Self {
            system: System::new(),
            networks: Networks::new_with_refreshed_list(),
            disks: Disks::new_with_refreshed_list(),
            pid: sysinfo::get_current_pid().ok(),
            last: Instant::now(),
            samples: 0,
            own: Load::default(),
            process: Load::default(),
        };
        host.refresh();
        host
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        self.disks.refresh(true);
        if let Some(pid) = self.pid {
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        }
    }

    fn sample(&mut self) {
        self.refresh();
        let seconds = self.last.elapsed().as_secs_f64().max(0.001);
        self.last = Instant::now();
        self.samples += 1;
        let host = &mut self.own;
        host.add("cpu_utilization_thousandths", f64::from(self.system.global_cpu_usage()) * 10.0);
        host.add("memory_used_bytes", bytes(self.system.used_memory()));
        host.add("memory_total_bytes", bytes(self.system.total_memory()));
        host.add("load_1m_thousandths", System::load_average().one * 1_000.0);
        let cards = || self.networks.iter().filter(|(name, _)| *name != "lo").map(|(_, card)| card);
        let (received, sent) = (
            cards().map(sysinfo::NetworkData::received).sum(),
            cards().map(sysinfo::NetworkData::transmitted).sum(),
        );
        host.add("network_received_bytes_per_second", bytes(received) / seconds);
        host.add("network_sent_bytes_per_second", bytes(sent) / seconds);
        let usage = self.disks.iter().map(|disk| (disk.name(), disk.usage()));
        let usage = usage.map(|(name, usage)| (name, (usage.read_bytes, usage.written_bytes)));
        if let Some((read, written)) = of_devices(usage) {
            host.add("disk_read_bytes_per_second", bytes(read) / seconds);
            host.add("disk_written_bytes_per_second", bytes(written) / seconds);
        }
        if let Some(free) = self.disks.iter().map(sysinfo::Disk::available_space).min() {
            host.add("disk_free_bytes", bytes(free));
        }
        if let Some(process) = self.pid.and_then(|pid| self.system.process(pid)) {
            let cpu = f64::from(process.cpu_usage()) * 10.0;
            self.process.add("cpu_utilization_of_one_core_thousandths", cpu);
            self.process.add("memory_resident_bytes", bytes(process.memory()));
        }
    }

    fn tell(&self) -> Value {
        json!({
            "samples": self.samples,
            "host": self.own.extents(),
            "process": self.process.extents(),
        })
    }
}

/// Bytes read and written of all devices, from those of all mounts: a device may be mounted in
/// several places, and is in every sandbox of systemd's.
fn of_devices<'a>(mounts: impl Iterator<Item = (&'a OsStr, (u64, u64))>) -> Option<(u64, u64)> {
    let devices: BTreeMap<&OsStr, (u64, u64)> = mounts.collect();
    let sum = |one: (u64, u64), other: (u64, u64)| (one.0 + other.0, one.1 + other.1);
    devices.into_values().reduce(sum)
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a machine, to be rounded again")]
fn bytes(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_counts_once_in_however_many_places_it_is_mounted() {
        let [a, b] = ["/dev/sda1", "/dev/sdb1"].map(OsStr::new);
        let mounts = [(a, (10, 1)), (b, (5, 2)), (a, (10, 1))];
        assert_eq!(of_devices(mounts.into_iter()), Some((15, 3)));
        assert_eq!(of_devices(std::iter::empty()), None);
    }

    #[test]
    fn a_short_run_has_a_sample_of_host_and_process_too() {
        let seen = Sampler::start().unwrap().finish().unwrap();
        assert_eq!(seen["samples"], 1);
        let memory = &seen["host"]["memory_used_bytes"];
        assert!(memory["min"].as_i64().unwrap() > 0 && memory["min"] == memory["max"]);
        assert!(seen["process"]["memory_resident_bytes"]["max"].as_i64().unwrap() > 1_000_000);
        assert!(seen["host"]["cpu_utilization_thousandths"]["max"].as_i64().unwrap() <= 1_000);
    }
}
