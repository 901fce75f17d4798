//! Finding a statement's files and telling whether one changed while it was read.
//! It opens nothing: every file is opened once, by `input`.

use super::error::StatementError;
use chrono::{DateTime, SubsecRound, Utc};
use std::cmp::Ordering;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file of the statement as it was when it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub path: PathBuf,
    /// The last part of the path: how reports and manifests name it.
    pub name: String,
    pub identity: Identity,
}

/// What changes when a file is replaced, cut off, appended to or rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub bytes: u64,
    modified: Option<std::time::SystemTime>,
    inode: (u64, u64),
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let inode = (0, 0);
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), inode }
    }

    /// How `now` differs, in a word; none where it is the same file unchanged.
    pub fn changed_to(self, now: Self) -> Option<&'static str> {
        match now.bytes.cmp(&self.bytes) {
            _ if now.inode != self.inode => Some("replaced"),
            Ordering::Less => Some("truncated"),
            Ordering::Greater => Some("appended to"),
            Ordering::Equal => (now.modified != self.modified).then_some("rewritten"),
        }
    }

    /// The modification time in whole microseconds.
    pub fn modified_at(self) -> Option<DateTime<Utc>> {
        self.modified.map(|time| DateTime::<Utc>::from(time).trunc_subsecs(6))
    }
}

/// Everything that was found at the given paths.
pub(super) struct Listing {
    /// In natural order of their names.
    pub files: Vec<Found>,
    pub manifest: Option<PathBuf>,
}

const MANIFEST: &str = "manifest.json";
const MANIFEST_SUFFIX: &str = ".manifest.json";

/// Finds the files and the manifest.
pub(super) fn find(paths: &[PathBuf]) -> Result<Listing, StatementError> {
    if paths.is_empty() {
        return Err(StatementError::NoPath);
    }
    let mut files = Vec::new();
    // A link is followed once: it may lead to another statement before this one is read.
    let paths = &paths.iter().map(|path| followed(path)).collect::<Vec<_>>();
    for path in paths {
        let metadata = metadata(path)?;
        if metadata.is_dir() {
            files.extend(in_directory(path)?);
        } else {
            files.push(found(path, &metadata)?);
        }
    }
    files.sort_by(|a, b| natural(&a.name, &b.name).then_with(|| a.path.cmp(&b.path)));
    if let Some(pair) = files.windows(2).find(|pair| pair[0].identity.inode_of(&pair[1])) {
        return Err(StatementError::GivenTwice { path: pair[1].path.clone() });
    }
    let manifest = manifest_of(paths, &files)?;
    Ok(Listing { files, manifest })
}

impl Identity {
    fn inode_of(self, other: &Found) -> bool {
        cfg!(unix) && self.inode == other.identity.inode
    }
}

/// Where a symbolic link leads; any other path as it is.
fn followed(path: &Path) -> PathBuf {
    let target = path.is_symlink().then(|| fs::canonicalize(path).ok());
    target.flatten().unwrap_or_else(|| path.to_owned())
}

fn metadata(path: &Path) -> Result<Metadata, StatementError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StatementError::NotFound { path: path.into() },
        _ => StatementError::Unreadable { path: path.into(), source },
    })
}

fn found(path: &Path, metadata: &Metadata) -> Result<Found, StatementError> {
    if !metadata.is_file() {
        return Err(StatementError::NotAFile { path: path.into() });
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Found { path: path.into(), name, identity: Identity::of(metadata) })
}

fn in_directory(directory: &Path) -> Result<Vec<Found>, StatementError> {
    let unreadable = |source| StatementError::Unreadable { path: directory.into(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == MANIFEST || name.ends_with(MANIFEST_SUFFIX) {
            continue;
        }
        let metadata = metadata(&path)?;
        if metadata.is_file() {
            files.push(found(&path, &metadata)?);
        }
    }
    if files.is_empty() {
        return Err(StatementError::NoFiles { path: directory.into() });
    }
    Ok(files)
}

/// `<file>.manifest.json` beside a single file, else `manifest.json` in the one directory.
fn manifest_of(paths: &[PathBuf], files: &[Found]) -> Result<Option<PathBuf>, StatementError> {
    let existing = |path: PathBuf| path.is_file().then_some(path);
    let beside = |file: &Found| {
        existing(file.path.with_file_name(format!("{}{MANIFEST_SUFFIX}", file.name)))
    };
    let parent = |file: &Found| file.path.parent().map(Path::to_path_buf);
    let directory = parent(&files[0]).filter(|first| {
        let is_single_file = paths.len() == 1 && files[0].path == paths[0];
        !is_single_file && files.iter().all(|file| parent(file).as_ref() == Some(first))
    });
    let of_directory = directory.and_then(|directory| existing(directory.join(MANIFEST)));
    match (of_directory, files) {
        (Some(path), _) => Ok(Some(path)),
        (None, [file]) => Ok(beside(file)),
        (None, files) => match files.iter().find_map(beside) {
            // Passing over a manifest would pass over what it says about truncation.
            Some(path) => Err(StatementError::Manifest {
                path,
                why: "it belongs to one of several files; write one manifest.json that lists \
                      all files of the statement"
                    .into(),
            }),
            None => Ok(None),
        },
    }
}

/// A name in pieces: text, and numbers without their leading zeros.
pub(super) fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(if is_number {
            Piece::Number(piece.trim_start_matches('0'))
        } else {
            Piece::Text(piece)
        });
        rest = after;
    }
    pieces
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Number(&'a str),
    Text(&'a str),
}

/// The order in which people count: `page-2` before `page-10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (left, right) = (pieces(a), pieces(b));
    let by_pieces = left.iter().zip(&right).map(|pair| match pair {
        (Piece::Number(x), Piece::Number(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
        (Piece::Text(x), Piece::Text(y)) => x.cmp(y),
        (Piece::Number(_), Piece::Text(_)) => Ordering::Less,
        (Piece::Text(_), Piece::Number(_)) => Ordering::Greater,
    });
    let first_difference = by_pieces.into_iter().find(|order| order.is_ne());
    first_difference.unwrap_or_else(|| left.len().cmp(&right.len())).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["page-10.json", "page-2.json", "a", "page-02.json", "page-1.json"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "page-1.json", "page-02.json", "page-2.json", "page-10.json"]);
    }

    #[test]
    fn a_directory_gives_its_files_without_manifests_and_hidden_ones() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json", ".hidden", "manifest.json"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        fs::create_dir(directory.path().join("inner")).unwrap();
        let listing = find(&[directory.path().to_owned()]).unwrap();
        let names: Vec<_> = listing.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.json", "b.json"]);
        assert_eq!(listing.manifest, Some(directory.path().join("manifest.json")));
    }

    #[test]
    fn what_is_no_file_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let file = path.join("x.json");
        assert!(matches!(find(&[]), Err(StatementError::NoPath)));
        assert!(matches!(find(&[path]), Err(StatementError::NoFiles { .. })));
        assert!(matches!(find(std::slice::from_ref(&file)), Err(StatementError::NotFound { .. })));
        fs::write(&file, "x").unwrap();
        let twice = find(&[file.clone(), file]);
        assert!(matches!(twice, Err(StatementError::GivenTwice { .. })));
        #[cfg(unix)]
        assert!(matches!(find(&["/dev/null".into()]), Err(StatementError::NotAFile { .. })));
    }

    #[test]
    fn the_manifest_of_one_of_several_files_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.json", "b.json", "a.json.manifest.json"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let several = find(&[directory.path().to_owned()]);
        assert!(matches!(several, Err(StatementError::Manifest { .. })));
        let single = find(&[directory.path().join("a.json")]).unwrap();
        assert_eq!(single.manifest, Some(directory.path().join("a.json.manifest.json")));
    }
}
