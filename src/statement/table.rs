//! CSV as rows of cells, bounded: a quote that is never closed must not swallow the file.
//! It leaves out what the columns mean.

use super::error::{Flow, StatementError};
use super::input::Input;
use super::lines::VALUE_BYTES_MAX;
use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

/// How much `csv` reads ahead.
const BUFFER_BYTES: usize = 64 * 1024;

/// A row: its line in the file and its cells.
pub(super) struct Row<'a> {
    pub line: u64,
    cells: &'a csv::ByteRecord,
    columns: usize,
}

impl Row<'_> {
    /// The cell in a column, as bytes.
    pub fn cell(&self, column: usize) -> &[u8] {
        self.cells.get(column).unwrap_or_default().trim_ascii()
    }

    /// Why the row is none of its table; none where it is one.
    pub fn misfit(&self) -> Option<String> {
        let count = self.cells.len();
        (count != self.columns)
            .then(|| format!("the row has {count} columns, and the header {}", self.columns))
    }
}

/// A table whose header has been read.
pub(super) struct Table<'i> {
    reader: csv::Reader<Bounded<'i>>,
    since_row: Rc<Cell<usize>>,
    /// The columns' names, without blanks around them.
    pub header: Vec<String>,
}

/// Refuses to read on where a row does not end.
struct Bounded<'i> {
    input: &'i mut Input,
    since_row: Rc<Cell<usize>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.since_row.get() > VALUE_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let count = (&mut self.input).read(into)?;
        self.since_row.set(self.since_row.get() + count);
        Ok(count)
    }
}

impl<'i> Table<'i> {
    pub fn open(input: &'i mut Input, path: &Path, delimiter: u8) -> Result<Self, StatementError> {
        let since_row = Rc::new(Cell::new(0));
        let bounded = Bounded { input, since_row: Rc::clone(&since_row) };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(bounded);
        let mut record = csv::ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(|error| describe(error, path, 1))?;
        let name = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        let header = record.iter().map(name).collect();
        Ok(Self { reader, since_row, header })
    }

    /// Hands on every row after the header.
    pub fn each_row(mut self, path: &Path, take: &mut dyn FnMut(&Row<'_>) -> Flow) -> Flow {
        let mut record = csv::ByteRecord::new();
        loop {
            self.since_row.set(0);
            let began = self.reader.position().line();
            let is_row = self
                .reader
                .read_byte_record(&mut record)
                .map_err(|error| describe(error, path, began))?;
            if !is_row {
                return Ok(());
            }
            let line = record.position().map_or(began, csv::Position::line);
            take(&Row { line, cells: &record, columns: self.header.len() })?;
        }
    }
}

fn describe(error: csv::Error, path: &Path, line: u64) -> StatementError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let why = "this row does not end within 1 MiB (is a quote left open?)".into();
            StatementError::Syntax { path: path.into(), line, column: 1, why }
        }
        csv::ErrorKind::Io(error) => match error.downcast::<StatementError>() {
            Ok(error) => error,
            Err(source) => StatementError::Unreadable { path: path.into(), source },
        },
        _ => {
            let why = "this is not CSV".into();
            StatementError::Syntax { path: path.into(), line, column: 1, why }
        }
    }
}
