//! Rows for COPY in PostgreSQL's text format: what streams in bulk goes through here.

use chrono::{DateTime, Utc};
use std::fmt::Write as _;
use uuid::Uuid;

/// A chunk is sent when it has grown to this many bytes.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Builds rows of tab-separated fields, escaped as COPY's text format asks.
#[derive(Debug, Default)]
pub struct Rows {
    text: String,
    row_has_fields: bool,
}

impl Rows {
    pub fn new() -> Self {
        Self { text: String::with_capacity(CHUNK_BYTES + 4096), row_has_fields: false }
    }

    fn separate(&mut self) {
        if self.row_has_fields {
            self.text.push('\t');
        }
        self.row_has_fields = true;
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.separate();
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                c => self.text.push(c),
            }
        }
        self
    }

    pub fn null(&mut self) -> &mut Self {
        self.separate();
        self.text.push_str("\\N");
        self
    }

    pub fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.separate();
        let _ = write!(self.text, "{value}");
        self
    }

    pub fn integer_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.integer(value),
            None => self.null(),
        }
    }

    pub fn boolean_or_null(&mut self, value: Option<bool>) -> &mut Self {
        match value {
            Some(value) => self.text(if value { "t" } else { "f" }),
            None => self.null(),
        }
    }

    pub fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.separate();
        let _ = write!(self.text, "{value}");
        self
    }

    pub fn time(&mut self, value: DateTime<Utc>) -> &mut Self {
        self.separate();
        let _ = write!(self.text, "{}", value.format("%Y-%m-%d %H:%M:%S%.6f+00"));
        self
    }

    pub fn time_or_null(&mut self, value: Option<DateTime<Utc>>) -> &mut Self {
        match value {
            Some(value) => self.time(value),
            None => self.null(),
        }
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.text.push('\n');
        self.row_has_fields = false;
    }

    /// Whether a full chunk has gathered.
    pub fn is_full(&self) -> bool {
        self.text.len() >= CHUNK_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes the rows that have gathered.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::replace(self, Self::new()).text.into_bytes()
    }
}
