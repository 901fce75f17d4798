//! build.rs: which commit it finds, in every kind of folder that the source may lie in.

use super::root;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The build script as a program, and a folder with a repository that has a commit.
struct Scratch {
    folder: TempDir,
    script: PathBuf,
}

impl Scratch {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("script");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut compile = Command::new(rustc);
        compile.args(["--edition", "2024", "--out-dir"]).arg(folder.path());
        compile.args(["--crate-name", "script"]).arg(root().join("build.rs"));
        assert!(compile.status().unwrap().success());
        let scratch = Self { folder, script };
        std::fs::create_dir(scratch.at("repository")).unwrap();
        scratch.git("repository", &["init", "--quiet"]);
        scratch.write("repository/file", "one");
        scratch.git("repository", &["add", "file"]);
        scratch.git("repository", &["commit", "--quiet", "--message=one"]);
        scratch
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.at(name), content).unwrap();
    }

    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
        let mut git = Command::new("git");
        let output = git.current_dir(self.at(folder)).args(who).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What the script tells cargo in a folder.
    fn told(&self, folder: &Path, given: Option<&str>) -> Vec<String> {
        let mut script = Command::new(&self.script);
        script.current_dir(folder).env("PROFILE", "release");
        script.env("GIT_CEILING_DIRECTORIES", self.folder.path().parent().unwrap());
        match given {
            Some(commit) => script.env("PAYMENT_MONITOR_COMMIT", commit),
            None => script.env_remove("PAYMENT_MONITOR_COMMIT"),
        };
        let output = script.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn commit(&self, folder: &str, given: Option<&str>) -> String {
        let told = self.told(&self.at(folder), given);
        let mut named =
            told.iter().filter_map(|l| l.strip_prefix("cargo::rustc-env=PAYMENT_MONITOR_COMMIT="));
        named.next().unwrap().to_owned()
    }

    /// What of git's has cargo call the script again; each must exist, or it always would.
    fn watched(&self, folder: &str) -> Vec<String> {
        let folder = self.at(folder);
        let told = self.told(&folder, None);
        let paths = told.iter().filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="));
        let paths: Vec<String> = paths.map(str::to_owned).filter(|p| p.contains(".git")).collect();
        assert!(paths.iter().all(|path| folder.join(path).exists()), "{paths:?}");
        paths
    }
}

#[test]
fn the_commit_is_gits_and_dirty_where_tracked_files_differ_in_a_worktree_too() {
    let scratch = Scratch::new();
    let commit = scratch.git("repository", &["rev-parse", "--short=12", "HEAD"]);
    scratch.git("repository", &["tag", "-m", "x", "v1"]);
    scratch.write("repository/untracked", "");
    assert_eq!(scratch.commit("repository", None), commit);
    let ends = |paths: &[String], end: &str| paths.iter().any(|path| path.ends_with(end));
    let watched = scratch.watched("repository");
    let branch = scratch.git("repository", &["symbolic-ref", "HEAD"]);
    assert!(ends(&watched, ".git/HEAD") && ends(&watched, &branch), "{watched:?}");

    scratch.git("repository", &["worktree", "add", "--quiet", "../worktree"]);
    scratch.write("repository/file", "two");
    assert_eq!(scratch.commit("repository", None), format!("{commit}-dirty"));
    assert_eq!(scratch.commit("worktree", None), commit);
    let watched = scratch.watched("worktree");
    assert!(ends(&watched, "worktrees/worktree/HEAD"), "{watched:?}");
    assert!(ends(&watched, "refs/heads/worktree"), "{watched:?}");
}

#[test]
fn what_is_given_comes_first_and_nobody_elses_commit_is_taken() {
    let scratch = Scratch::new();
    assert_eq!(scratch.commit("repository", Some("abc123\n")), "abc123");
    let own = scratch.commit("repository", Some(" "));
    assert_eq!(own.len(), 12, "an empty argument of an image is none: {own}");
    for folder in ["archive", "repository/vendored"] {
        std::fs::create_dir(scratch.at(folder)).unwrap();
        assert_eq!(scratch.commit(folder, None), "unknown", "{folder}");
    }
}
