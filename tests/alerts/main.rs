//! The alerts as Prometheus and Slack get them: the rules that ask Prometheus in promtool, and the
//! notifications in Go's template engine. `stack/alerts` builds both tools and runs this; the rules
//! that ask PostgreSQL are in tests/suite/alerts.

mod promql;
#[allow(dead_code, reason = "shared with tests/suite, which needs other parts")]
#[path = "../suite/alerts/shipped.rs"]
mod shipped;
mod slack;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of this folder.
fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts").join(path)
}

/// Runs one of the pinned tools in a folder; gives what it says.
fn tool(name: &str, folder: &Path, arguments: &[&str]) -> String {
    let (is_well, told) = attempt(name, folder, arguments);
    assert!(is_well, "{name} {arguments:?}:\n{told}");
    told
}

/// The same, and whether it was content.
fn attempt(name: &str, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".stack/bin").join(name);
    assert!(program.exists(), "{} is missing: run stack/build", program.display());
    let output = Command::new(program).current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}
