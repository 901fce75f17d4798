//! The units: systemd understands every line, finds what they start, and finds them well locked up.

use super::read;
use crate::files::root;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Each unit, and how exposed it may be, in tenths of systemd's points (0 best, 100 worst). An
/// agent measures the host, and so must see more of it.
const UNITS: [(&str, u32); 7] = [
    ("payment-monitor.service", 15),
    ("payment-monitor-doctor.service", 15),
    ("payment-monitor-gateway.service", 15),
    ("payment-monitor-backend@tempo.service", 15),
    ("payment-monitor-agent@job.service", 20),
    ("payment-monitor-agent@db.service", 20),
    ("payment-monitor.timer", 0),
];

const PROGRAMS: [&str; 3] = ["payment-monitor", "otelcol", "tempo"];

/// A host's root with the units installed, and programs to start.
fn host() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in ["etc/systemd/system", "usr/lib/systemd", "usr/local/bin"] {
        std::fs::create_dir_all(at(path)).unwrap();
    }
    let copy = |from: &Path, to: &str| {
        let status = Command::new("cp").arg("-r").arg(from).arg(at(to)).status().unwrap();
        assert!(status.success(), "{}", from.display());
    };
    copy(Path::new("/usr/lib/systemd/system"), "usr/lib/systemd/");
    copy(&root().join("deploy/systemd/."), "etc/systemd/system/");
    for program in PROGRAMS {
        let path = at("usr/local/bin").join(program);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn analyze(host: &TempDir, arguments: &[&str], unit: &str) -> Output {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(arguments).arg(format!("--root={}", host.path().display())).arg(unit);
    analyze.output().expect("apt-get install systemd")
}

fn verify(host: &TempDir, unit: &str) -> Result<(), String> {
    let output = analyze(host, &["verify", "--man=no", "--recursive-errors=no"], unit);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && told.is_empty() { Ok(()) } else { Err(told) }
}

fn is_locked_up(host: &TempDir, unit: &str, tenths: u32) -> Result<(), String> {
    let threshold = format!("--threshold={tenths}");
    let arguments = ["security", "--offline=true", "--no-pager", threshold.as_str()];
    let output = analyze(host, &arguments, unit);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(()) } else { Err(told) }
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_understands_the_units_and_finds_them_well_locked_up() {
    let host = host();
    for (unit, tenths) in UNITS {
        verify(&host, unit).unwrap_or_else(|told| panic!("{unit}: {told}"));
        if unit.ends_with(".service") {
            is_locked_up(&host, unit, tenths).unwrap_or_else(|told| panic!("{unit}: {told}"));
        }
    }
}

#[test]
#[ignore = "needs systemd-analyze"]
fn a_misspelt_key_a_missing_program_and_an_open_unit_are_found() {
    let host = host();
    let unit = "payment-monitor.service";
    let path = host.path().join("etc/systemd/system").join(unit);
    let text = read("systemd/payment-monitor.service");
    std::fs::write(&path, text.replace("ProtectClock=", "ProtectClok=")).unwrap();
    let told = verify(&host, unit).unwrap_err();
    assert!(told.contains("Unknown key 'ProtectClok'"), "{told}");
    std::fs::write(&path, text.replace("CapabilityBoundingSet=\n", "")).unwrap();
    let told = is_locked_up(&host, unit, 15).unwrap_err();
    assert!(told.contains("CapabilityBoundingSet"), "{told}");
    std::fs::write(&path, text.replace("/bin/payment-monitor ", "/bin/payment-minotor ")).unwrap();
    let told = verify(&host, unit).unwrap_err();
    assert!(told.contains("payment-minotor is not executable"), "{told}");
}

#[test]
fn the_health_check_is_asked_from_the_jobs_own_sandbox() {
    let job = read("systemd/payment-monitor.service");
    let doctor = read("systemd/payment-monitor-doctor.service");
    // What differs by its nature: how long it may take, what it may use, what its end means.
    let own = ["Timeout", "Success", "OOM", "Memory", "Tasks", "Nice", "ExecStart"];
    let own_of_job = ["Environment=PAYMENT_MONITOR_LOG_FORMAT"];
    let settings = |text: &str| -> Vec<String> {
        let service = text.split("[Service]").nth(1).unwrap().lines();
        let lines = service.filter(|line| line.contains('=') && !line.starts_with('#'));
        let both = |line: &&str| {
            line.starts_with("MemoryDenyWriteExecute")
                || !own.iter().chain(&own_of_job).any(|own| line.starts_with(own))
        };
        lines.filter(both).map(str::to_owned).collect()
    };
    assert_eq!(settings(&doctor), settings(&job));
    assert!(settings(&job).len() > 25);
}

#[test]
fn every_user_that_a_unit_runs_as_is_made() {
    let users = read("systemd/payment-monitor.sysusers.conf");
    let made: Vec<&str> = users.lines().filter(|line| line.starts_with("u ")).collect();
    for file in [
        "payment-monitor",
        "payment-monitor-gateway",
        "payment-monitor-agent@",
        "payment-monitor-backend@",
    ] {
        let unit = read(&format!("systemd/{file}.service"));
        let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
        let is_made = made.iter().any(|line| line.split_whitespace().nth(1) == Some(user));
        assert!(is_made, "{file}: {user}");
    }
}
