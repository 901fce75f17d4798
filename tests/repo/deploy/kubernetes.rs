//! The manifests, against the commands that make what they read and against the units for systemd.
//! `stack/check` holds them against Kubernetes' schemas.

use super::read;
use crate::files::root;
use std::collections::BTreeSet;

const MANIFESTS: [&str; 3] = ["job", "agent", "gateway"];

/// The config maps and secrets that manifests name, each with its namespace.
fn needed() -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for manifest in MANIFESTS {
        let text = read(&format!("kubernetes/{manifest}.yaml"));
        let namespace = value(&text, "namespace:").unwrap().to_owned();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let name = match pair {
                ["configMap:" | "secretKeyRef:", name] => value(name, "name:").unwrap(),
                ["secret:", name] => value(name, "secretName:").unwrap(),
                _ => continue,
            };
            let kind = if pair[0] == "configMap:" { "configmap" } else { "secret" };
            needed.insert(format!("{kind} {name} {namespace}"));
        }
    }
    needed
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim)
}

/// What the commands of docs/install.md make.
fn made() -> BTreeSet<String> {
    let document = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    let commands = document.lines().filter_map(|line| line.strip_prefix("    kubectl create "));
    let made = commands.filter_map(|command| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let is_secret = words[0] == "secret";
        let name = if is_secret { words[2] } else { words[1] };
        let namespace = words.iter().find_map(|word| word.strip_prefix("--namespace="))?;
        (words[0] != "job").then(|| format!("{} {name} {namespace}", words[0]))
    });
    made.collect()
}

#[test]
fn what_the_manifests_read_is_made_by_the_commands_of_the_installation() {
    assert_eq!(needed(), made());
}

#[test]
fn a_run_has_the_same_time_to_end_as_under_systemd() {
    let (job, unit) = (read("kubernetes/job.yaml"), read("systemd/payment-monitor.service"));
    assert_eq!(value(&job, "terminationGracePeriodSeconds:"), Some("180"));
    assert_eq!(value(&unit, "TimeoutStopSec="), Some("3min"));
    assert_eq!(value(&job, "activeDeadlineSeconds:"), Some("21600"));
    assert_eq!(value(&unit, "TimeoutStartSec="), Some("6h"));
    let cron = read("cron/payment-monitor");
    let minute = value(&job, "schedule:").unwrap().trim_matches('"').split(' ').next().unwrap();
    assert!(cron.lines().last().unwrap().starts_with(&format!("{minute} ")), "{minute}");
}

#[test]
fn every_run_is_of_the_same_host_whatever_its_pod_is_called() {
    assert_eq!(value(&read("kubernetes/job.yaml"), "hostname:"), Some("payment-monitor"));
}

#[test]
fn job_and_gateway_are_as_their_namespaces_restricted_profile_asks() {
    assert!(
        read("kubernetes/namespaces.yaml").contains("security.kubernetes.io/enforce: restricted")
    );
    for manifest in ["job", "gateway"] {
        let text = read(&format!("kubernetes/{manifest}.yaml"));
        for asked in [
            "runAsNonRoot: true",
            "type: RuntimeDefault",
            "allowPrivilegeEscalation: false",
            "drop: [ALL]",
        ] {
            assert_eq!(text.matches(asked).count(), 1, "{manifest}: {asked}");
        }
        for forbidden in ["hostPath", "hostNetwork", "hostPort", "privileged"] {
            assert!(!text.contains(forbidden), "{manifest}: {forbidden}");
        }
    }
}
