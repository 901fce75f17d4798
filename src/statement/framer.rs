//! Cuts a stream of JSON documents into values that fit in memory: the elements of a top-level
//! array and of a list page's `data`, and every other top-level value, where a page comes last
//! and with its `data` emptied. It checks brackets and commas only; what is inside a value is
//! for serde to judge.

use super::frame::{Broken, Cut, Frame, Kind, Piece, Place, emit};

/// How deep brackets may be nested.
const DEPTH_MAX: usize = 256;

pub(super) struct Framer {
    /// Whether the array `data` of a top-level object is cut into elements.
    cuts_pages: bool,
    /// Open brackets, outermost first.
    open: Vec<u8>,
    /// The depth at which elements stand; none outside such arrays.
    level: Option<usize>,
    text: Text,
    /// A comma came and its element has not.
    is_after_comma: bool,
    outer: Piece,
    element: Piece,
    line: u64,
    /// Where the current line began, and the chunk, in bytes from the stream's beginning.
    line_offset: u64,
    chunk_offset: u64,
}

/// Where a byte stands with regard to JSON's texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    AfterBackslash,
}

impl Framer {
    pub fn new(cuts_pages: bool) -> Self {
        Self {
            cuts_pages,
            open: Vec::new(),
            level: None,
            text: Text::Outside,
            is_after_comma: false,
            outer: Piece::default(),
            element: Piece::default(),
            line: 1,
            line_offset: 0,
            chunk_offset: 0,
        }
    }

    /// Takes the next bytes of the stream and hands on every value that ends in them.
    pub fn feed<E>(
        &mut self,
        chunk: &[u8],
        take: &mut dyn FnMut(Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), Cut<E>> {
        // Bytes before `kept` are in a piece already, or belong to none.
        let mut kept = 0;
        let mut at = 0;
        while at < chunk.len() {
            if self.text != Text::Outside {
                at = self.skip_text(chunk, at).map_err(Cut::Broken)?;
                continue;
            }
            let byte = chunk[at];
            match byte {
                b'"' | b'{' | b'[' => {
                    self.begin(chunk, &mut kept, at).map_err(Cut::Broken)?;
                    self.open(byte, chunk, &mut kept, at).map_err(Cut::Broken)?;
                }
                b'}' | b']' => self.close(byte, chunk, &mut kept, at, take)?,
                b',' if self.is_at_level() => {
                    self.end_element(chunk, &mut kept, at, take)?;
                    self.is_after_comma = true;
                    kept = at + 1;
                }
                b'\n' => {
                    self.line += 1;
                    self.line_offset = self.chunk_offset + at as u64 + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                _ if self.element.began.is_some() => {}
                _ => self.begin(chunk, &mut kept, at).map_err(Cut::Broken)?,
            }
            at += 1;
        }
        self.keep(&chunk[kept..]);
        self.chunk_offset += chunk.len() as u64;
        Ok(())
    }

    /// Ends the stream.
    pub fn finish(&self) -> Result<(), Broken> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(Broken { at: self.place(0), why: "the file ends in the middle of a value" })
    }

    fn place(&self, at: usize) -> Place {
        let column = self.chunk_offset + at as u64 + 1 - self.line_offset;
        Place { line: self.line, column }
    }

    fn broken(&self, at: usize, why: &'static str) -> Broken {
        Broken { at: self.place(at), why }
    }

    fn is_at_level(&self) -> bool {
        self.level == Some(self.open.len())
    }

    /// Moves behind the text's end, or the chunk's.
    fn skip_text(&mut self, chunk: &[u8], from: usize) -> Result<usize, Broken> {
        if self.text == Text::AfterBackslash {
            self.text = Text::Inside;
            return Ok(from + 1);
        }
        let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &chunk[from..]) else {
            return Ok(chunk.len());
        };
        let at = from + found;
        match chunk[at] {
            b'"' => self.text = Text::Outside,
            b'\\' => self.text = Text::AfterBackslash,
            _ => return Err(self.broken(at, "a line ends in the middle of a text")),
        }
        Ok(at + 1)
    }

    /// Takes note of the first byte of a value, where one begins.
    fn begin(&mut self, chunk: &[u8], kept: &mut usize, at: usize) -> Result<(), Broken> {
        if self.open.is_empty() {
            if !matches!(chunk[at], b'{' | b'[') {
                return Err(self.broken(at, "an object or an array is expected here"));
            }
            self.outer.began = Some(self.place(at));
            *kept = at;
        } else if self.is_at_level() && self.element.began.is_none() {
            // What stood between elements is dropped, or millions of line breaks would add up.
            self.element.began = Some(self.place(at));
            self.is_after_comma = false;
            *kept = at;
        }
        Ok(())
    }

    fn open(&mut self, byte: u8, chunk: &[u8], kept: &mut usize, at: usize) -> Result<(), Broken> {
        if byte == b'"' {
            self.text = Text::Inside;
            return Ok(());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(self.broken(at, "brackets are nested too deep"));
        }
        let is_outermost_array = byte == b'[' && self.open.is_empty();
        let may_be_page = byte == b'[' && self.cuts_pages && self.open == b"{";
        self.open.push(byte);
        if is_outermost_array || may_be_page {
            self.outer.push(&chunk[*kept..=at]);
            *kept = at + 1;
            if is_outermost_array || names_data(&self.outer.bytes) {
                self.level = Some(self.open.len());
            }
        }
        Ok(())
    }

    fn close<E>(
        &mut self,
        byte: u8,
        chunk: &[u8],
        kept: &mut usize,
        at: usize,
        take: &mut dyn FnMut(Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), Cut<E>> {
        let expected = if byte == b'}' { b'{' } else { b'[' };
        if self.open.last() != Some(&expected) {
            return Err(Cut::Broken(self.broken(at, "this bracket closes none")));
        }
        if self.is_at_level() {
            if self.element.began.is_some() {
                self.end_element(chunk, kept, at, take)?;
            } else if self.is_after_comma {
                return Err(Cut::Broken(self.broken(at, "a value is missing after the comma")));
            }
            self.level = None;
            *kept = at;
        }
        self.open.pop();
        if self.open.is_empty() {
            self.end_outer(chunk, kept, at, take)?;
        }
        Ok(())
    }

    fn end_element<E>(
        &mut self,
        chunk: &[u8],
        kept: &mut usize,
        at: usize,
        take: &mut dyn FnMut(Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), Cut<E>> {
        let Some(began) = self.element.began else {
            return Err(Cut::Broken(self.broken(at, "a value is missing before the comma")));
        };
        let last = &chunk[*kept..at];
        let is_page = self.open.len() > 1;
        let kind = if is_page { Kind::PageElement } else { Kind::ArrayElement };
        emit(&mut self.element, last, began, kind, take)?;
        *kept = at;
        Ok(())
    }

    fn end_outer<E>(
        &mut self,
        chunk: &[u8],
        kept: &mut usize,
        at: usize,
        take: &mut dyn FnMut(Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), Cut<E>> {
        let began = self.outer.began.unwrap_or_else(|| self.place(at));
        let is_object = chunk[at] == b'}';
        let last = &chunk[*kept..=at];
        *kept = at + 1;
        if !is_object {
            self.outer.reset();
            return Ok(());
        }
        emit(&mut self.outer, last, began, Kind::Value, take)
    }

    fn keep(&mut self, rest: &[u8]) {
        if self.element.began.is_some() {
            self.element.push(rest);
        } else if self.outer.began.is_some() && !self.is_at_level() {
            self.outer.push(rest);
        }
    }
}

/// Whether a top-level object's bytes so far end in `"data": [`.
fn names_data(outer: &[u8]) -> bool {
    let before = outer.strip_suffix(b"[").unwrap_or(outer).trim_ascii_end();
    let Some(key) = before.strip_suffix(b":") else { return false };
    let Some(rest) = key.trim_ascii_end().strip_suffix(b"\"data\"") else { return false };
    !rest.ends_with(b"\\")
}

#[cfg(test)]
mod tests;
