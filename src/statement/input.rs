//! One file as a stream of plain bytes: opened once, hashed, decompressed by its magic bytes,
//! with a window to look ahead. It leaves out what the bytes mean.

use super::error::StatementError;
use super::files::{Found, Identity};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::rc::Rc;

/// How much is read at a time, and how far can be looked ahead.
const WINDOW_BYTES: usize = 256 * 1024;

pub(super) struct Input {
    found: Found,
    file: File,
    seen: Rc<RefCell<Seen>>,
    compression: Option<&'static str>,
    plain: Box<dyn Read>,
    window: Vec<u8>,
    start: usize,
    end: usize,
}

/// What was read from the disk so far.
#[derive(Default)]
struct Seen {
    bytes: u64,
    sha256: Sha256,
}

/// Reads from the disk and takes note of every byte.
struct Tally {
    file: File,
    seen: Rc<RefCell<Seen>>,
}

impl Read for Tally {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        let mut seen = self.seen.borrow_mut();
        seen.bytes += count as u64;
        seen.sha256.update(&into[..count]);
        Ok(count)
    }
}

impl Input {
    /// Opens a file that was found, and fills the window.
    pub fn open(found: &Found) -> Result<Self, StatementError> {
        let failed = |source| StatementError::Unreadable { path: found.path.clone(), source };
        let file = File::open(&found.path).map_err(failed)?;
        let seen = Rc::new(RefCell::new(Seen::default()));
        let tally = Tally { file: file.try_clone().map_err(failed)?, seen: Rc::clone(&seen) };
        let (compression, plain) = decompress(tally).map_err(failed)?;
        let mut input = Self {
            found: found.clone(),
            file,
            seen,
            compression,
            plain,
            window: vec![0; WINDOW_BYTES],
            start: 0,
            end: 0,
        };
        input.fail_if_changed()?;
        input.look_ahead()?;
        if input.ahead().starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        if input.ahead().is_empty() {
            return Err(StatementError::Empty { path: found.path.clone() });
        }
        Ok(input)
    }

    fn look_ahead(&mut self) -> Result<(), StatementError> {
        while self.end < self.window.len() {
            let count = self.read_some()?;
            if count == 0 {
                break;
            }
            self.end += count;
        }
        Ok(())
    }

    fn read_some(&mut self) -> Result<usize, StatementError> {
        loop {
            match self.plain.read(&mut self.window[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(|error| self.describe(error)),
            }
        }
    }

    /// What is in the window; empty only before the first [`Input::fill`] or at the end.
    pub fn ahead(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// The next bytes, read from the disk where the window is used up; empty at the end.
    pub fn fill(&mut self) -> Result<&[u8], StatementError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = self.read_some()?;
        }
        Ok(self.ahead())
    }

    /// Moves past bytes of the window.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    fn describe(&self, source: io::Error) -> StatementError {
        let path = self.found.path.clone();
        match (self.compression, source.kind()) {
            (Some(compression), io::ErrorKind::UnexpectedEof) => {
                StatementError::Truncated { path, compression, source }
            }
            (Some(compression), _) if source.raw_os_error().is_none() => {
                StatementError::Corrupt { path, compression, source }
            }
            _ => StatementError::Unreadable { path, source },
        }
    }

    /// An error where the file, by its path or by the open handle, is not what was found.
    pub fn fail_if_changed(&self) -> Result<(), StatementError> {
        let how = self.changed();
        how.map_or(Ok(()), |how| {
            Err(StatementError::Changed { path: self.found.path.clone(), how })
        })
    }

    fn changed(&self) -> Option<&'static str> {
        let before = self.found.identity;
        let Ok(by_path) = fs::metadata(&self.found.path) else { return Some("deleted") };
        let Ok(by_handle) = self.file.metadata() else { return Some("made unreadable") };
        let now = [Identity::of(&by_path), Identity::of(&by_handle)];
        now.into_iter().find_map(|now| before.changed_to(now))
    }

    /// Ends the reading: size and checksum of the bytes on disk, all of which were read.
    pub fn finish(mut self) -> Result<(u64, String), StatementError> {
        while !self.fill()?.is_empty() {
            self.consume(self.ahead().len());
        }
        self.fail_if_changed()?;
        let seen = std::mem::take(&mut *self.seen.borrow_mut());
        if seen.bytes != self.found.identity.bytes {
            let how = "changed in size";
            return Err(StatementError::Changed { path: self.found.path.clone(), how });
        }
        Ok((seen.bytes, hex::encode(seen.sha256.finalize())))
    }
}

/// Takes bytes as `csv` wants them; the error is carried inside an `io::Error`.
impl Read for &mut Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ahead = self.fill().map_err(io::Error::other)?;
        let count = ahead.len().min(into.len());
        into[..count].copy_from_slice(&ahead[..count]);
        self.consume(count);
        Ok(count)
    }
}

type Plain = (Option<&'static str>, Box<dyn Read>);

/// Tells compression by magic bytes: RFC 1952 section 2.3.1, RFC 8878 section 3.1.1.
fn decompress(mut tally: Tally) -> io::Result<Plain> {
    let mut magic = Vec::with_capacity(4);
    (&mut tally).take(4).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    let is_zstd = magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let all = io::Cursor::new(magic).chain(tally);
    if is_gzip {
        let buffered = io::BufReader::with_capacity(WINDOW_BYTES, all);
        Ok((Some("gzip"), Box::new(flate2::bufread::MultiGzDecoder::new(buffered))))
    } else if is_zstd {
        Ok((Some("zstd"), Box::new(zstd::stream::read::Decoder::new(all)?)))
    } else {
        Ok((None, Box::new(all)))
    }
}
