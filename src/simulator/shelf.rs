//! Where statements are put: each whole in a folder of its own, and a symbolic link that leads
//! to the newest. A run follows the link once, and so reads one statement to its end, whatever
//! is put there meanwhile.

use crate::demo::File;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// How many older statements stay, for runs that are still reading one.
const KEPT: usize = 30;

/// The link and the folder beside it that holds the statements.
#[derive(Debug, Clone)]
pub struct Shelf {
    link: PathBuf,
    folder: PathBuf,
    /// The folder's name: the link is relative, so that it holds wherever the two are mounted.
    name: OsString,
}

/// Why a statement can't be put there.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error("--statement {0} names no file: give a path such as /var/lib/simulator/statement")]
    NoName(PathBuf),
    #[error(
        "{0} is there and is no link that the simulator made: remove it, or give --statement \
             another path"
    )]
    Taken(PathBuf),
    #[error("the statement can't be written at {path} (may this user write there?)")]
    Unwritable { path: PathBuf, source: io::Error },
}

impl Shelf {
    /// The shelf whose newest statement is at `path`.
    ///
    /// # Errors
    /// A path that ends in no name, or where something else is.
    pub fn at(path: &Path) -> Result<Self, ShelfError> {
        let Some(own) = path.file_name() else { return Err(ShelfError::NoName(path.into())) };
        let mut name = OsString::from(".");
        name.push(own);
        name.push(".statements");
        let shelf = Self { link: path.into(), folder: path.with_file_name(&name), name };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(shelf),
            Err(error) => Err(shelf.unwritable(error)),
            Ok(_) if shelf.is_own_link() => Ok(shelf),
            Ok(_) => Err(ShelfError::Taken(path.into())),
        }
    }

    /// Puts a statement there, and takes old ones away.
    ///
    /// # Errors
    /// The file system's.
    pub fn put(&self, files: &[File]) -> Result<(), ShelfError> {
        self.write(files).map_err(|error| self.unwritable(error))
    }

    fn write(&self, files: &[File]) -> io::Result<()> {
        let mut kept = self.statements()?;
        let number = kept.last().map_or(1, |newest| newest + 1);
        let name = format!("{number}");
        let folder = self.folder.join(&name);
        fs::create_dir_all(&folder)?;
        for file in files {
            fs::write(folder.join(&file.name), &file.bytes)?;
        }
        // A link can't be changed, but one can take another's place.
        let next = self.folder.join("next");
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(Path::new(&self.name).join(&name), &next)?;
        fs::rename(&next, &self.link)?;
        kept.truncate(kept.len().saturating_sub(KEPT));
        kept.iter().try_for_each(|old| fs::remove_dir_all(self.folder.join(old.to_string())))
    }

    /// The numbers of the statements that are there, in order. Half a one, of a program that was
    /// killed, is one too: no link has ever led to it.
    fn statements(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn is_own_link(&self) -> bool {
        fs::read_link(&self.link).is_ok_and(|target| target.starts_with(&self.name))
    }

    fn unwritable(&self, source: io::Error) -> ShelfError {
        ShelfError::Unwritable { path: self.link.clone(), source }
    }
}
