//! Any other provider's CSV or JSON objects, by the mapping in the settings.
//! Completeness of these is proven by a manifest only.

mod mapping;
mod record;

use super::cell::Cell;
use super::error::{Flow, Halt, Refusal, StatementError};
use super::format::Format;
use super::input::Input;
use super::intake::{Intake, Origin};
use super::json::Values;
use super::table::{Row, Table};
pub use mapping::{Amounts, Mapping, Noun, PaymentFields, RecordKind, Source, SubscriptionFields};
pub(super) use record::{Reader, Taken};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// Checks a mapping and makes it ready; `format` is one that needs it.
pub(super) fn prepare(mapping: Option<&Mapping>, format: Format) -> Result<Reader, StatementError> {
    let Some(mapping) = mapping else {
        let why = format!("is missing: format `{format}` needs it (see docs/statement.md)");
        return Err(StatementError::Mapping { key: String::new(), why });
    };
    Reader::new(mapping.clone())
}

/// Reads a whole CSV file.
pub(super) fn read_csv(
    input: &mut Input,
    path: &Path,
    reader: &Reader,
    intake: &mut Intake<'_>,
) -> Flow {
    let table = Table::open(input, path, reader.delimiter())?;
    let index = |name: &str| table.header.iter().position(|c| c.eq_ignore_ascii_case(name));
    let mut columns = HashMap::new();
    for name in reader.columns() {
        let at = index(name).ok_or_else(|| StatementError::MissingColumn {
            path: path.into(),
            column: name.to_owned(),
        })?;
        columns.insert(name.to_owned(), at);
    }
    for (at, name) in table.header.iter().enumerate() {
        if !columns.values().any(|used| *used == at) {
            intake.names.note(name);
        }
    }
    intake.table();
    table.each_row(path, &mut |row: &Row<'_>| {
        if let Some(misfit) = row.misfit() {
            return intake.malformed(row.line, misfit);
        }
        let cell =
            |name: &str| columns.get(name).map_or(Cell::Absent, |at| Cell::of(row.cell(*at)));
        take(reader.read(&cell), row.line, intake)
    })
}

fn take(taken: Result<Taken, Refusal>, line: u64, intake: &mut Intake<'_>) -> Flow {
    match taken {
        Ok(Taken::Record(record)) => intake.record(record, Origin::Loose),
        Ok(Taken::Ignored(kind)) => {
            intake.ignored(&kind);
            Ok(())
        }
        Err(refusal) => intake.malformed(line, refusal.0),
    }
}

impl Values for Reader {
    const HAS_PAGES: bool = false;

    fn uses(&self, field: &str) -> bool {
        self.uses_field(field)
    }

    fn take(
        &self,
        json: &[u8],
        line: u64,
        _: Origin,
        intake: &mut Intake<'_>,
    ) -> Result<Result<(), serde_json::Error>, Halt> {
        let object: serde_json::Map<String, Value> = match serde_json::from_slice(json) {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        for name in object.keys() {
            if !self.uses_field(name) {
                intake.names.note(name);
            }
        }
        let object = Value::Object(object);
        let cell = |name: &str| {
            let value = if name.starts_with('/') { object.pointer(name) } else { object.get(name) };
            value.map_or(Cell::Absent, cell_of)
        };
        take(self.read(&cell), line, intake).map(Ok)
    }
}

/// A JSON value as its text. A number with more digits than a float keeps is refused rather
/// than rounded.
fn cell_of(value: &Value) -> Cell<'_> {
    match value {
        Value::Null => Cell::Blank,
        Value::String(text) if text.trim().is_empty() => Cell::Blank,
        Value::String(text) => Cell::Text(Cow::Borrowed(text.trim())),
        Value::Bool(flag) => Cell::Text(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Number(number) => {
            let text = number.to_string();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if number.is_f64() && digits > 15 { Cell::Nested } else { Cell::Text(text.into()) }
        }
        Value::Array(_) | Value::Object(_) => Cell::Nested,
    }
}
