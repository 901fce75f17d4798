//! What a stream of JSON is cut into, and the pieces that a value arrives in.
//! It leaves out where the cuts are made: that is the framer's.

use super::lines::VALUE_BYTES_MAX;

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
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    is_too_long: bool,
    /// Where it began; none between values.
    pub began: Option<Place>,
}

impl Piece {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.bytes.len() + bytes.len() > VALUE_BYTES_MAX {
            self.is_too_long = true;
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub fn reset(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
        self.began = None;
    }
}

/// What a value will be handed on as.
#[derive(Clone, Copy)]
pub(super) enum Kind {
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
pub(super) fn emit<E>(
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
