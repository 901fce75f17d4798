//! The repository's rules as tests: sizes, the direction of dependencies, where SQL and printing
//! may be, links between documents. What rustfmt, clippy and cargo-deny check is left to them.
//! Rules about modules hold for production code; unit tests may do what they need to.

mod commit;
mod containers;
mod deploy;
mod files;
mod grafana;
mod status_changes;
mod text;

use std::fmt::Display;

use files::{files, root, rust_files};
use text::{function_lengths, links, mentions};

const FILE_LINES_MAX: usize = 300;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Files that may be longer, each with the reason why splitting it would make it worse.
const LONG_FILES: [(&str, &str); 0] = [];

/// Modules that are pure, and what would make them otherwise.
const PURE: [&str; 3] = ["domain", "reconcile", "audit"];
const IMPURE: [&str; 11] = [
    "tokio",
    "sqlx",
    "tracing",
    "std::env",
    "std::fs",
    "std::net",
    "Utc::now",
    "SystemTime",
    "Instant::now",
    "Uuid::now_v7",
    "rand",
];

/// `main -> commands -> run, archive -> store, statement, reconcile, audit -> domain`: what each
/// module may not use, because it lies above it or beside it.
const FORBIDDEN: [(&str, &[&str]); 10] = [
    (
        "domain",
        &["reconcile", "audit", "statement", "store", "run", "archive", "telemetry", "commands"],
    ),
    ("reconcile", &["audit", "statement", "store", "run", "archive", "telemetry", "commands"]),
    ("audit", &["reconcile", "statement", "store", "run", "archive", "telemetry", "commands"]),
    ("statement", &["store", "run", "archive", "commands"]),
    ("store", &["statement", "run", "archive", "commands"]),
    ("telemetry", &["statement", "store", "run", "archive", "commands"]),
    ("run", &["commands"]),
    ("archive", &["commands"]),
    ("demo", &["statement", "store", "run", "simulator", "commands"]),
    ("simulator", &["commands"]),
];

const SQL: [&str; 5] = ["sqlx::query", "query!", "query_as!", "query_scalar!", "sqlx::raw_sql"];
const PRINTING: [&str; 4] = ["print!", "println!", "eprint!", "eprintln!"];

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    assert_none(rust_files().into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        let excused = LONG_FILES.iter().any(|(path, _reason)| *path == file.path);
        (lines > FILE_LINES_MAX && !excused).then(|| format!("{}: {lines} lines", file.path))
    }));
}

#[test]
fn no_function_is_longer_than_a_screen() {
    assert_none(rust_files().iter().flat_map(|file| {
        let functions = function_lengths(&file.text).into_iter();
        let long = functions.filter(|(_, length)| *length > FUNCTION_LINES_MAX);
        long.map(|(line, length)| format!("{}:{line}: {length} lines", file.path))
    }));
}

#[test]
fn no_line_is_wider_than_the_rest_of_the_code() {
    let files = files(&["rs", "sql", "sh"]);
    assert_none(files.iter().flat_map(|file| {
        // An address can't be wrapped.
        let wide = |line: &str| line.chars().count() > COLUMNS_MAX && !line.contains("://");
        file.places(file.numbered(), wide)
    }));
}

#[test]
fn every_module_says_what_it_is_for() {
    assert_none(rust_files().iter().filter_map(|file| {
        let is_a_stub = file.text.lines().count() < 3;
        let opens_well = file.text.starts_with("//!") || is_a_stub;
        (!opens_well).then(|| format!("{}: opens without a `//!` line", file.path))
    }));
}

#[test]
fn pure_modules_know_no_database_runtime_environment_or_clock() {
    assert_none(PURE.iter().flat_map(|module| {
        let impure = |line: &str| IMPURE.iter().any(|word| mentions(line, word));
        places_in_module(module, impure)
    }));
}

#[test]
fn dependencies_point_downwards_only() {
    assert_none(FORBIDDEN.iter().flat_map(|(module, forbidden)| {
        let upwards = |line: &str| {
            let grouped = line.contains("use crate::{"); // would hide the names from this test
            let named = |name: &&str| mentions(line, &format!("crate::{name}"));
            grouped || forbidden.iter().any(named)
        };
        places_in_module(module, upwards)
    }));
}

#[test]
fn sql_is_in_the_store_only() {
    assert_none(places_outside(&["src/store"], &SQL));
}

#[test]
fn only_commands_print() {
    assert_none(places_outside(&["src/commands", "src/main.rs"], &PRINTING));
}

#[test]
fn a_runs_time_and_ids_come_from_its_clock_only() {
    let words = ["Utc::now", "Local::now", "SystemTime::now", "Uuid::now_v7", "Uuid::new_v7"];
    let allowed = ["src/run/clock.rs", "src/commands/demo.rs", "src/demo"];
    assert_none(places_outside(&allowed, &words));
}

#[test]
fn links_between_documents_lead_somewhere() {
    assert_none(files(&["md"]).iter().flat_map(|file| {
        let folder = root().join(&file.path).parent().expect("a file has a folder").to_owned();
        let broken = links(&file.text).into_iter().filter(move |link| !folder.join(link).exists());
        broken.map(|link| format!("{}: {link}", file.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn the_readme_tells_the_exit_codes_that_help_tells() {
    let readme = std::fs::read_to_string(files::root().join("README.md")).unwrap();
    let help = payment_monitor::exit::HELP.lines().skip(1).filter(|line| !line.contains("stopped"));
    assert_none(help.filter_map(|line| {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("\n| {code} | {} |\n", meaning.trim());
        (!readme.replace('`', "").contains(&row)).then_some(row)
    }));
}

#[test]
fn nothing_is_left_for_later_in_a_comment() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let files = files(&["rs", "md", "sql", "sh", "toml", "yml", "yaml", "json"]);
    assert_none(files.iter().flat_map(|file| {
        let later = |line: &str| words.iter().any(|word| mentions(line, word));
        file.places(file.numbered(), later)
    }));
}

#[test]
fn every_decision_record_has_a_status() {
    let records = files(&["md"])
        .into_iter()
        .filter(|file| file.path.starts_with("docs/adr/") && !file.path.ends_with("README.md"));
    assert_none(records.filter_map(|file| {
        let mut words = file.text.lines().map(|line| line.trim_start_matches(['#', '-', '*', ' ']));
        let has_status = words.any(|line| line.starts_with("Status"));
        (!has_status).then_some(file.path)
    }));
}

/// The places in a module, be it a file or a folder, or in none if it isn't there yet.
fn places_in_module(module: &str, is_so: impl Fn(&str) -> bool) -> Vec<String> {
    let (folder, file) = (format!("src/{module}"), format!("src/{module}.rs"));
    let files = rust_files().into_iter().filter(|f| f.is_under(&folder) || f.path == file);
    files.flat_map(|file| file.places(file.production(), &is_so)).collect()
}

/// The places in `src` that mention one of `words` though they aren't in the `allowed` ones.
fn places_outside(allowed: &[&str], words: &[&str]) -> Vec<String> {
    let is_so = |line: &str| words.iter().any(|word| mentions(line, word));
    let files = rust_files().into_iter().filter(|file| file.is_under("src"));
    let elsewhere = files.filter(|file| !allowed.iter().any(|place| file.is_under(place)));
    elsewhere.flat_map(|file| file.places(file.production(), is_so)).collect()
}

fn assert_none(found: impl IntoIterator<Item = impl Display>) {
    let found: Vec<String> = found.into_iter().map(|place| place.to_string()).collect();
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}
