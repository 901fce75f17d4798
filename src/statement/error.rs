//! What can be wrong with a statement as a whole, told in one paragraph that names the thing and
//! what to do. A single bad record is not here: it is counted (see `Facts::malformed`).

use std::io;
use std::path::PathBuf;

/// Why a statement could not be read. Messages never quote a record's content.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("no statement was given: name a file, several files or a directory")]
    NoPath,
    #[error("statement `{}` does not exist: check the path", path.display())]
    NotFound { path: PathBuf },
    #[error("statement `{}` can't be read: check its permissions and its disk", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "statement `{}` is neither a regular file nor a directory: write it to a file first, \
         because its modification time and checksum are part of the record",
        path.display()
    )]
    NotAFile { path: PathBuf },
    #[error("directory `{}` holds no statement files: hidden files, manifests and directories \
             inside it are left out", path.display())]
    NoFiles { path: PathBuf },
    #[error("statement `{}` is given twice: name every file once", path.display())]
    GivenTwice { path: PathBuf },
    #[error(
        "statement `{}` is empty: the export probably failed. A provider without any record is \
         stated by a list page with an empty `data` array", path.display()
    )]
    Empty { path: PathBuf },
    #[error(
        "statement `{}` ends in the middle of its {compression} data: it is truncated, so fetch \
         it again", path.display()
    )]
    Truncated {
        path: PathBuf,
        compression: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(
        "statement `{}` is not valid {compression} data: it is damaged, so fetch it again",
        path.display()
    )]
    Corrupt {
        path: PathBuf,
        compression: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(
        "statement `{}` is not valid at line {line}, column {column}: {why}. Fetch it again, or \
         give one JSON object per line, where a broken line costs one record only", path.display()
    )]
    Syntax { path: PathBuf, line: u64, column: u64, why: String },
    #[error(
        "statement `{}` looks like {looks_like}; expected are Stripe objects (charge, \
         subscription, customer) as newline-delimited JSON or list pages, Stripe's payments \
         export in CSV, or CSV/NDJSON with a [mapping] in the settings", path.display()
    )]
    NotAStatement { path: PathBuf, looks_like: String },
    #[error("`{0}` is not a statement format: give auto, stripe, stripe-csv, csv or ndjson")]
    UnknownFormat(String),
    #[error(
        "statement `{}` lacks the column `{column}`, which is required: export it again with \
         this column, or correct the [mapping]", path.display()
    )]
    MissingColumn { path: PathBuf, column: String },
    #[error("setting `mapping{}{key}` {why}", if key.is_empty() { "" } else { "." })]
    Mapping { key: String, why: String },
    #[error("manifest `{}` can't be used: {why}", path.display())]
    Manifest { path: PathBuf, why: String },
    #[error(
        "statement `{file}` does not match its manifest: {what} should be {expected} and is \
         {found}. The statement is truncated or altered, so fetch it and its manifest again"
    )]
    ManifestMismatch { file: String, what: &'static str, expected: String, found: String },
    #[error(
        "statement `{file}`, line {line} is in {found} mode, while {expected} mode is what {by} \
         says: test and live records must not be mixed"
    )]
    MixedModes { file: String, line: u64, found: &'static str, expected: &'static str, by: String },
    #[error(
        "statement `{}` was {how} while it was being read: wait until it is written completely, \
         and run again", path.display()
    )]
    Changed { path: PathBuf, how: &'static str },
    #[error(
        "statement `{file}`, line {line}: {reason}. Malformed records are refused in strict mode"
    )]
    Malformed { file: String, line: u64, reason: String },
}

/// Why reading stops early: the caller asked for it, or something is wrong.
#[derive(Debug)]
pub(super) enum Halt {
    Stopped,
    Failed(StatementError),
}

impl From<StatementError> for Halt {
    fn from(error: StatementError) -> Self {
        Self::Failed(error)
    }
}

/// Go on, or why not.
pub(super) type Flow = Result<(), Halt>;

/// Why one record is refused: names the field, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub String);

impl From<crate::domain::text::TextError> for Refusal {
    fn from(error: crate::domain::text::TextError) -> Self {
        Self(error.to_string())
    }
}
