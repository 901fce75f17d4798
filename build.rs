//! Which commit is compiled: `PAYMENT_MONITOR_COMMIT` where that is set (an image is built without
//! its history), else what git says of this folder, else `unknown` (an archive of the source).

use std::path::{Path, PathBuf};
use std::process::Command;

const GIVEN: &str = "PAYMENT_MONITOR_COMMIT";

/// What the program is made of; a change of any is compiled, and makes the commit another.
const COMPILED: [&str; 5] = ["build.rs", "src", "migrations", "Cargo.toml", "Cargo.lock"];

/// What changes with a commit or a checkout, by its name in git's folder.
const HISTORY: [&str; 3] = ["HEAD", "logs/HEAD", "packed-refs"];

fn main() {
    println!("cargo::rerun-if-env-changed={GIVEN}");
    for path in COMPILED {
        println!("cargo::rerun-if-changed={path}");
    }
    let given = std::env::var(GIVEN).ok().filter(|commit| !commit.trim().is_empty());
    let commit = given.or_else(commit).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={GIVEN}={}", commit.trim());
}

/// The commit's first 12 digits, with `-dirty` where tracked files differ from it.
fn commit() -> Option<String> {
    // A copy inside somebody else's repository is not of that repository's commit.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    // A debug build keeps the commit that it was compiled at: or every commit, of a document too,
    // would compile all tests again.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
        for name in HISTORY.into_iter().chain(branch.as_deref()) {
            watch(name);
        }
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

/// In a worktree each of these is somewhere else. What is not there would be taken for changed.
fn watch(name: &str) {
    if let Some(path) = git(&["rev-parse", "--git-path", name])
        && Path::new(&path).exists()
    {
        println!("cargo::rerun-if-changed={path}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // It looks only, and must not lock the index for whoever works there.
    let output = git.env("GIT_OPTIONAL_LOCKS", "0").args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let told = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!told.is_empty()).then_some(told)
}
