//! The formats by name, and the guess that `auto` makes from a file's first bytes.
//! It leaves out compression, which `input` has already undone.

use super::error::StatementError;
use serde_json::error::Category;
use std::fmt;
use std::str::FromStr;

/// How a statement is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Judged by content; with a [`super::Mapping`], `csv` or `ndjson`.
    #[default]
    Auto,
    /// Stripe API objects in JSON.
    Stripe,
    /// The Stripe dashboard's payments export.
    StripeCsv,
    /// Any provider's CSV, by a mapping.
    Csv,
    /// Any provider's JSON objects, by a mapping.
    Ndjson,
}

const NAMES: [(Format, &str); 5] = [
    (Format::Auto, "auto"),
    (Format::Stripe, "stripe"),
    (Format::StripeCsv, "stripe-csv"),
    (Format::Csv, "csv"),
    (Format::Ndjson, "ndjson"),
];

impl FromStr for Format {
    type Err = StatementError;
    fn from_str(text: &str) -> Result<Self, StatementError> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(format, _)| *format).ok_or_else(|| StatementError::UnknownFormat(text.into()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(format, _)| format == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl Format {
    /// Which format a file that begins with `window` has; `Auto` where it can't be told.
    pub(super) fn resolve(self, window: &[u8], mapped: bool) -> Self {
        let is_json = matches!(window.trim_ascii_start().first(), Some(b'{' | b'['));
        match (self, is_json, mapped) {
            (Self::Auto, true, true) => Self::Ndjson,
            (Self::Auto, false, true) => Self::Csv,
            (Self::Auto, true, false) => Self::Stripe,
            (Self::Auto, false, false) if super::stripe_csv::is_header(first_line(window)) => {
                Self::StripeCsv
            }
            (format, ..) => format,
        }
    }
}

/// Whether JSON that begins with `window` is one value per line. Otherwise it is one document
/// or several: a long list page, an array, or pretty-printed.
pub(super) fn is_one_value_per_line(window: &[u8]) -> bool {
    let mut values =
        serde_json::Deserializer::from_slice(window).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        None => true,
        Some(Ok(_)) => {
            let (value, rest) = window.split_at(values.byte_offset());
            let value = value.trim_ascii_start();
            let is_one_line = memchr::memchr(b'\n', value).is_none();
            // An array is cut into its elements, which only documents are.
            is_one_line && !value.starts_with(b"[") && first_line(rest).trim_ascii().is_empty()
        }
        Some(Err(error)) if error.classify() == Category::Eof => false,
        // A broken first line, or a broken document: documents go on indented or with a bracket.
        Some(Err(error)) => {
            let second = window.split(|b| *b == b'\n').nth(1).unwrap_or_default();
            error.line() == 1
                || !second.first().is_some_and(|b| b.is_ascii_whitespace() || b"\"]}".contains(b))
        }
    }
}

/// What a file that is no statement seems to be, in words.
pub(super) fn looks_like(window: &[u8]) -> String {
    let text = window.trim_ascii_start();
    let lower = text[..text.len().min(64)].to_ascii_lowercase();
    let known: [(&[u8], &str); 9] = [
        (b"pk\x03\x04", "a ZIP archive or a spreadsheet (unpack it, or save it as CSV)"),
        (b"%pdf", "a PDF document"),
        (b"sqlite format 3", "an SQLite database"),
        (b"<!doctype html", "a web page (was the download behind a login?)"),
        (b"<html", "a web page (was the download behind a login?)"),
        (b"<", "XML"),
        (b"\xff\xfe", "UTF-16 text (save it as UTF-8)"),
        (b"\xfe\xff", "UTF-16 text (save it as UTF-8)"),
        (b"bzh", "a bzip2 archive (gzip and zstd are read)"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| lower.starts_with(magic)) {
        return (*name).to_owned();
    }
    let line = first_line(text);
    if text.is_empty() {
        "blank text".to_owned()
    } else if window[..window.len().min(1024)].contains(&0) {
        "binary data".to_owned()
    } else if matches!(text.first(), Some(b'{' | b'[')) {
        "JSON without any Stripe object that is used here".to_owned()
    } else if line.contains(&b',') || line.contains(&b';') || line.contains(&b'\t') {
        "a table (CSV) with other columns than Stripe's payments export".to_owned()
    } else {
        "plain text".to_owned()
    }
}

pub(super) fn first_line(window: &[u8]) -> &[u8] {
    window.split(|b| *b == b'\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_names_are_read_as_they_are_written() {
        for (format, name) in NAMES {
            assert_eq!(name.parse::<Format>().unwrap(), format);
            assert_eq!(format.to_string(), name);
        }
        let error = "xml".parse::<Format>().unwrap_err().to_string();
        assert!(error.contains("`xml`") && error.contains("stripe-csv"), "{error}");
    }

    #[test]
    fn lines_and_documents_are_told_apart() {
        let lines: [&[u8]; 5] =
            [b"{\"a\":1}\n{\"a\":2}\n", b"{\"a\":1}", b"\n{\"a\":1}\n", b"{\"a\n{}\n", b"{a}\n{}"];
        for text in lines {
            assert!(is_one_value_per_line(text), "{}", text.escape_ascii());
        }
        let documents: [&[u8]; 6] = [
            b"{\n  \"a\": 1\n}\n{\n}\n",
            b"[{\"a\":1},\n{\"a\":2}]",
            b"{\"data\":[{\"a\":1},",
            b"{}{}",
            b"{\n  \"a\": x\n}",
            b"[\n{\"a\":1},\n{\"a\":2}\n]",
        ];
        for text in documents {
            assert!(!is_one_value_per_line(text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_file_that_is_no_statement_is_described() {
        assert!(looks_like(b"<!DOCTYPE html><p>").contains("login"));
        assert!(looks_like(b"PK\x03\x04..").contains("ZIP"));
        assert!(looks_like(b"a,b\n1,2").contains("CSV"));
        assert!(looks_like(b"{}").contains("JSON"));
        assert_eq!(looks_like(b"hello"), "plain text");
        assert_eq!(looks_like(b"\x01\0\x02"), "binary data");
    }
}
