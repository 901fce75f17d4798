//! docs/install.md, done: its commands, in their order, on three hosts made of namespaces (network,
//! file system, users), with the real servers. In `install/bin` are the programs that are not what
//! they are on a bare host, each with the reason: systemctl starts what the units say, without
//! systemd and its sandbox, and enabling or disabling at boot does nothing; scp copies without SSH;
//! cargo installs what is built already; apt-get does nothing; in Grafana's place something has its
//! certificate and metrics; kubectl has no cluster; userdel does not mind other hosts' processes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

use crate::statement::{Charge, Listing, as_of};

const DOCUMENT: &str = include_str!("../../docs/install.md");

/// What a section's title says of where its commands are run.
const HOSTS: [(&str, &[&str]); 5] = [
    ("on the job's host", &["job"]),
    ("on the database's host", &["db"]),
    ("on the observing host", &["gateway"]),
    ("on every host", &["job", "db", "gateway"]),
    ("Kubernetes", &["gateway"]),
];

/// What is tried besides, right after the block of commands that has these words: on which host.
const TRIED: [(&str, &str, &str); 5] = [
    ("payment-monitor run --max-changes none", "job", include_str!("install/recorded.sh")),
    ("systemctl enable --now payment-monitor-agent@db", "db", include_str!("install/left.sh")),
    ("/etc/cron.d/", "job", include_str!("install/cron.sh")),
    ("systemctl restart grafana-server", "gateway", include_str!("install/arrived.sh")),
    ("userdel payment-monitor", "job", include_str!("install/gone.sh")),
];

#[test]
#[ignore = "needs the stack, root and PostgreSQL 15: stack/test install"]
fn every_command_of_the_installation_works_in_its_order_and_leads_to_figures_of_all_hosts() {
    let folder = TempDir::new().unwrap();
    let blocks = folder.path().join("blocks");
    fs::create_dir(&blocks).unwrap();
    fs::create_dir(folder.path().join("export")).unwrap();
    // Without a manifest: the file's own time is the statement's.
    let charges = (1..=20).map(|n| Charge::new(&format!("ch_{n}"), n));
    let export = Listing::of(charges).write_unproven(&folder.path().join("export"));
    fs::File::options().write(true).open(export).unwrap().set_modified(as_of().into()).unwrap();
    write(&blocks, &commands(DOCUMENT));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut hosts = Command::new("unshare");
    hosts.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    hosts.arg(root.join("tests/stack/install/hosts.sh")).arg(root);
    hosts.arg(assert_cmd::cargo::cargo_bin!("payment-monitor")).arg(&blocks);
    for (name, _) in std::env::vars() {
        if ["PAYMENT_MONITOR_", "OTEL_", "DATABASE_"].iter().any(|own| name.starts_with(own)) {
            hosts.env_remove(name);
        }
    }
    let log = fs::File::create(folder.path().join("log")).unwrap();
    hosts.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let ended = hosts.status().unwrap();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(ended.success() && log.contains("== all done"), "{ended}:\n{log}");
}

/// A block of commands: the line of the document where it begins, and the host it is for.
struct Block {
    line: usize,
    host: &'static str,
    text: String,
}

/// Makes a script of each block, and of what is tried after it, in the order of their names.
fn write(folder: &Path, blocks: &[Block]) {
    let write = |line: usize, place: u8, host: &str, text: &str| {
        fs::write(folder.join(format!("{line:04}-{place}-{host}.sh")), text).unwrap();
    };
    for block in blocks {
        write(block.line, 0, block.host, &block.text);
    }
    for (words, host, text) in TRIED {
        let after = blocks.iter().find(|block| block.text.contains(words));
        write(after.unwrap_or_else(|| panic!("{words} is gone")).line, 1, host, text);
    }
}

/// The indented blocks, each for the hosts that the section's title names.
fn commands(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut hosts, mut last): (&[&'static str], usize) = (&[], 0);
    for (number, line) in document.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some(title) = line.strip_prefix("## ") {
            hosts =
                HOSTS.iter().find(|(words, _)| title.ends_with(words)).map_or(&[], |(_, on)| on);
        }
        let Some(text) = line.strip_prefix("    ") else { continue };
        assert!(!hosts.is_empty(), "line {number}: the section does not say on which host");
        if last + 1 != number {
            let new = hosts.iter().map(|host| Block { line: number, host, text: String::new() });
            blocks.extend(new);
        }
        for block in blocks.iter_mut().rev().take(hosts.len()) {
            writeln!(block.text, "{text}").unwrap();
        }
        last = number;
    }
    blocks
}

#[test]
fn blocks_are_read_with_their_hosts_and_lines() {
    let document = "# T\n\n## A: on every host\nb\n\n    c\n    d\n\n    e\n\
        ## B: on the job's host\n\n    f\n";
    let blocks = commands(document);
    let told: Vec<_> = blocks.iter().map(|b| (b.line, b.host, b.text.as_str())).collect();
    let expected = [
        (6, "job", "c\nd\n"),
        (6, "db", "c\nd\n"),
        (6, "gateway", "c\nd\n"),
        (9, "job", "e\n"),
        (9, "db", "e\n"),
        (9, "gateway", "e\n"),
        (12, "job", "f\n"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn no_secret_is_an_argument_of_a_command() {
    // Of a builtin, or in what a command reads.
    let is_safe = |line: &str| {
        ["echo \"", "s/^", "s/pass", "CREATE ROLE", "ALTER ROLE"]
            .iter()
            .any(|a| line.starts_with(a))
    };
    for block in commands(DOCUMENT) {
        for line in block.text.lines().map(str::trim).filter(|line| line.contains("$(cat ")) {
            assert!(is_safe(line), "line {} on: {line}", block.line);
        }
    }
}
