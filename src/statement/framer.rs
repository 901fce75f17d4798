//! Cuts a stream of JSON documents into values that fit in memory: the elements of a top-level
//! array and of a list page's `data`, and every other top-level value, where a page comes last
//! and with its `data` emptied. It checks brackets and commas only; what is inside a value is
//! for serde to judge.

use super::lines::VALUE_BYTES_MAX;

/// How deep brackets may be nested.
const DEPTH_MAX: usize = 256;

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// An element of a list page's `data`.
    PageElement(&'a [u8]),
    /// An element of a top-level array.
    ArrayElement(&'a [u8]),
    /// A top-level object.
    Value(&'a [u8]),
    /// Any of them beyond [`VALUE_BYTES_MAX`]; its content is gone.
    TooLong,
}

/// A place in the file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub line: u64,
    pub column: u64,
}

/// The documents' structure is broken here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub at: Place,
    pub why: &'static str,
}

/// What ends the cutting: a broken structure, or whatever the taker of the frames returns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<E> {
    Broken(Broken),
    Taker(E),
}

/// Bytes collected of one value.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    is_too_long: bool,
    /// Where it began; none between values.
    began: Option<Place>,
}

impl Piece {
    fn push(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.bytes.len() + bytes.len() > VALUE_BYTES_MAX {
            self.is_too_long = true;
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn reset(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
        self.began = None;
    }
}

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

/// What a value will be handed on as.
#[derive(Clone, Copy)]
enum Kind {
    PageElement,
    ArrayElement,
    Value,
}

impl Kind {
    fn frame(self, bytes: &[u8]) -> Frame<'_> {
        match self {
            Self::PageElement => Frame::PageElement(bytes),
            Self::ArrayElement => Frame::ArrayElement(bytes),
            Self::Value => Frame::Value(bytes),
        }
    }
}

/// Hands on a value; one that lies in a single chunk is not copied.
fn emit<E>(
    piece: &mut Piece,
    last: &[u8],
    began: Place,
    kind: Kind,
    take: &mut dyn FnMut(Frame<'_>, Place) -> Result<(), E>,
) -> Result<(), Cut<E>> {
    let is_whole = piece.bytes.is_empty() && !piece.is_too_long && last.len() <= VALUE_BYTES_MAX;
    let result = if is_whole {
        take(kind.frame(last), began)
    } else {
        piece.push(last);
        take(if piece.is_too_long { Frame::TooLong } else { kind.frame(&piece.bytes) }, began)
    };
    piece.reset();
    result.map_err(Cut::Taker)
}

/// Whether a top-level object's bytes so far end in `"data": [`.
fn names_data(outer: &[u8]) -> bool {
    let before = outer.strip_suffix(b"[").unwrap_or(outer).trim_ascii_end();
    let Some(key) = before.strip_suffix(b":") else { return false };
    let Some(rest) = key.trim_ascii_end().strip_suffix(b"\"data\"") else { return false };
    !rest.ends_with(b"\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &[u8], chunk_bytes: usize) -> (Vec<(String, u64)>, Option<Broken>) {
        let mut framer = Framer::new(true);
        let mut taken = Vec::new();
        let mut take = |frame: Frame<'_>, place: Place| {
            let text = match frame {
                Frame::TooLong => "too long".to_owned(),
                Frame::PageElement(b) => format!("p{}", b.escape_ascii()),
                Frame::ArrayElement(b) => format!("a{}", b.escape_ascii()),
                Frame::Value(b) => format!("v{}", b.escape_ascii()),
            };
            taken.push((text, place.line));
            Ok::<(), ()>(())
        };
        for chunk in text.chunks(chunk_bytes) {
            if let Err(Cut::Broken(broken)) = framer.feed(chunk, &mut take) {
                return (taken, Some(broken));
            }
        }
        let end = framer.finish().err();
        (taken, end)
    }

    const PAGE: &[u8] = br#"{"object":"list","data":[{"a":"]}\"[{"},
{"b":[1,{"data":[]}]} ],"has_more":false}
{"id":1,"x":{"data":[1]},"\"data":[2]}
[ {"c":1},2,
"x"]"#;

    #[test]
    fn pages_arrays_and_values_are_cut_into_elements() {
        let (frames, broken) = cut(PAGE, usize::MAX);
        assert_eq!(broken, None);
        let texts: Vec<_> = frames.iter().map(|(text, line)| (text.as_str(), *line)).collect();
        assert_eq!(texts[0], (r#"p{\"a\":\"]}\\\"[{\"}"#, 1));
        assert_eq!(texts[1], (r#"p{\"b\":[1,{\"data\":[]}]} "#, 2));
        assert_eq!(texts[2].1, 1);
        assert!(texts[2].0.starts_with(r#"v{\"object\":\"list\",\"data\":["#), "{}", texts[2].0);
        assert!(texts[2].0.ends_with(r#"],\"has_more\":false}"#), "{}", texts[2].0);
        assert_eq!(texts[3].1, 3);
        assert_eq!(texts[4..], [(r#"a{\"c\":1}"#, 4), ("a2", 4), (r#"a\"x\""#, 5)]);
    }

    #[test]
    fn broken_structure_is_told_with_its_place() {
        for (text, line, column) in [
            ("{\"a\":1}\nx", 2, 1),
            ("[1,]", 1, 4),
            ("[,1]", 1, 2),
            ("{\"a\":1]", 1, 7),
            ("[\n  {\"a\":1}\n", 3, 1),
            ("{\"a\":\"b\n\"}", 1, 8),
            ("}", 1, 1),
        ] {
            let (_, broken) = cut(text.as_bytes(), usize::MAX);
            assert_eq!(broken.map(|b| b.at), Some(Place { line, column }), "{text}");
        }
        assert!(cut("[".repeat(DEPTH_MAX + 1).as_bytes(), 7).1.is_some());
    }

    #[test]
    fn an_element_beyond_the_bound_is_skipped_and_the_next_one_read() {
        let text = format!("[\"{}\",{{}}]", "x".repeat(VALUE_BYTES_MAX));
        for chunk_bytes in [1000, usize::MAX] {
            let (frames, _) = cut(text.as_bytes(), chunk_bytes);
            assert_eq!(frames, [("too long".to_owned(), 1), ("a{}".to_owned(), 1)]);
        }
    }

    proptest! {
        #[test]
        fn frames_are_the_same_in_any_chunking(chunk_bytes in 1_usize..60) {
            prop_assert_eq!(cut(PAGE, chunk_bytes), cut(PAGE, usize::MAX));
        }

        #[test]
        fn any_bytes_are_cut_alike_in_any_chunking(
            text in "[\\[\\]{}\",:\\\\ \\n1data]{0,40}", chunk_bytes in 1_usize..8
        ) {
            prop_assert_eq!(cut(text.as_bytes(), chunk_bytes), cut(text.as_bytes(), usize::MAX));
        }
    }
}
