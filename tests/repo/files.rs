//! The repository's text files, without what is built or fetched.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folders that hold what is built or fetched, not what is written.
const SKIPPED: [&str; 5] = ["target", ".git", ".stack", ".sqlx", "node_modules"];

/// A text file; its path is relative to the repository.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn numbered(&self) -> Vec<(usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect()
    }

    /// Numbered lines without comments, up to the unit tests.
    pub fn production(&self) -> Vec<(usize, &str)> {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if self.path.ends_with("/tests.rs") {
            return Vec::new();
        }
        let lines = code.lines().enumerate();
        lines.map(|(index, line)| (index + 1, without_comment(line))).collect()
    }

    /// `path:line: text` of the lines that are as described.
    pub fn places(&self, lines: Vec<(usize, &str)>, is_so: impl Fn(&str) -> bool) -> Vec<String> {
        let found = lines.into_iter().filter(|(_, line)| is_so(line));
        found.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }

    pub fn is_under(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }
}

/// The slashes of an address don't begin a comment.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn rust_files() -> Vec<File> {
    files(&["rs"])
}

/// Every file of the repository whose name ends in one of these.
pub fn files(extensions: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), extensions, &mut found);
    assert!(!found.is_empty(), "no files of {extensions:?} found under {}", root().display());
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() && !SKIPPED.contains(&name.as_str()) {
            collect(&path, extensions, found);
        } else if path.is_file() && extensions.contains(&&*extension) {
            let text = fs::read_to_string(&path).expect("text in UTF-8");
            let path = path.strip_prefix(root()).expect("a path below the root");
            found.push(File { path: path.to_string_lossy().into_owned(), text });
        }
    }
}

mod tests {
    use super::*;

    #[test]
    fn production_code_is_what_comes_before_the_tests_without_comments() {
        let text = "//! sqlx\nuse a; // tokio\n#[cfg(test)]\nmod tests;\nlet url = \"x://y\";\n\
                    #[cfg(test)]\nmod tests {\n    use sqlx;\n}\n";
        let file = File { path: "src/a.rs".into(), text: text.into() };
        let lines: Vec<&str> = file.production().into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines[..2], ["", "use a;"]);
        assert_eq!(lines.last(), Some(&"let url = \"x://y\";"));
    }
}
