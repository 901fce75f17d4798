//! A line of text in parts that may be styled, cut to a width before any escape is written.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// What each kind of text looks like. Plain: no escapes at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    pub good: Style,
    pub warning: Style,
    pub bad: Style,
    pub dim: Style,
    pub strong: Style,
    pub bar: Style,
}

impl Palette {
    /// For a file, a pipe, or where `NO_COLOR` asks for it.
    pub fn plain() -> Self {
        let none = Style::new();
        Self { good: none, warning: none, bad: none, dim: none, strong: none, bar: none }
    }

    /// Sixteen colours, which every terminal shows in the shades its owner chose.
    pub fn colour() -> Self {
        let fg = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        Self {
            good: fg(AnsiColor::Green),
            warning: fg(AnsiColor::Yellow),
            bad: fg(AnsiColor::Red).bold(),
            dim: Style::new().dimmed(),
            strong: Style::new().bold(),
            bar: fg(AnsiColor::Cyan),
        }
    }

    /// Colour or none.
    pub fn new(colour: bool) -> Self {
        if colour { Self::colour() } else { Self::plain() }
    }
}

/// One line in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    parts: Vec<(Style, String)>,
}

impl Line {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.styled(Style::new(), text)
    }

    /// Control characters become spaces: a record's text must not move the cursor.
    pub fn styled(mut self, style: Style, text: impl AsRef<str>) -> Self {
        let clean = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c });
        match self.parts.last_mut() {
            // One escape for neighbours that look the same.
            Some((last, before)) if *last == style => before.extend(clean),
            _ => self.parts.push((style, clean.collect())),
        }
        self
    }

    /// Columns taken so far.
    pub fn columns(&self) -> usize {
        self.parts.iter().map(|(_, text)| columns(text)).sum()
    }

    /// Spaces up to a column.
    pub fn until(self, column: usize) -> Self {
        let missing = column.saturating_sub(self.columns());
        self.text(" ".repeat(missing))
    }

    /// The line, cut with an ellipsis where it is wider than the width.
    fn write(self, width: usize, to: &mut String) {
        let is_wider = self.columns() > width;
        let mut left = if is_wider { width.saturating_sub(1) } else { width };
        let mut cut = false;
        for (style, text) in self.parts {
            let kept = prefix(&text, left);
            left -= columns(kept);
            cut = kept.len() < text.len();
            if kept.is_empty() || style == Style::new() {
                to.push_str(kept);
            } else {
                write!(to, "{style}{kept}{style:#}").expect("a string takes any text");
            }
            if cut {
                break;
            }
        }
        if cut && width > 0 {
            to.push('…');
        }
        to.truncate(to.trim_end_matches(' ').len());
        to.push('\n');
    }
}

/// The lines as text, each ending with a line feed, none wider than `width`.
pub(super) fn text(lines: impl IntoIterator<Item = Line>, width: usize) -> String {
    let mut text = String::new();
    for line in lines {
        line.write(width, &mut text);
    }
    text
}

/// The text in pieces that fit, broken between words where it can be. At least one.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut pieces = vec![String::new()];
    for word in text.split_whitespace() {
        let piece = pieces.last_mut().expect("there is always one");
        let used = columns(piece);
        if used > 0 && used + 1 + columns(word) <= width {
            piece.push(' ');
            piece.push_str(word);
            continue;
        }
        if used > 0 {
            pieces.push(String::new());
        }
        break_word(word, width, &mut pieces);
    }
    pieces
}

/// Puts a word into the last, empty piece, and into further ones where it is longer than one.
fn break_word(word: &str, width: usize, pieces: &mut Vec<String>) {
    let mut rest = word;
    loop {
        // A character that is wider than the width is cut later; here it must not stall.
        let fits = prefix(rest, width).len();
        let end = if fits > 0 { fits } else { rest.chars().next().map_or(0, char::len_utf8) };
        pieces.last_mut().expect("there is always one").push_str(&rest[..end]);
        rest = &rest[end..];
        if rest.is_empty() {
            return;
        }
        pieces.push(String::new());
    }
}

/// How many columns a terminal needs for the text.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The longest beginning that fits.
fn prefix(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return &text[..at];
        }
    }
    text
}
