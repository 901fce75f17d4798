//! Standard output and standard error: what was asked for goes to the one, all else to the
//! other. Colour only where somebody looks, and not against `NO_COLOR`.

use super::render::{Palette, summary};
use crate::cli::Output;
use crate::exit;
use crate::run::Report;
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use std::io::Write;

/// The width of what is not a terminal, in columns.
const WIDTH: usize = 80;

/// Where the program's words go.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    output: Output,
}

impl Printer {
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Standard output itself.
    pub fn out(self) -> impl Write {
        anstream::stdout()
    }

    /// The terminal's width, in columns.
    pub fn width(self) -> usize {
        terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0))
    }

    /// The colours to use.
    pub fn palette(self) -> Palette {
        let choice = AutoStream::choice(&std::io::stdout());
        Palette::new(choice != ColorChoice::Never)
    }

    /// Prints for people. A reader who closes the pipe early is no error.
    pub fn text(self, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(anstream::stdout(), "{text}{end}");
    }

    /// Prints a heading for people.
    pub fn heading(self, text: &str) {
        let style = self.palette().strong;
        self.text(&format!("\n{style}{text}{style:#}\n"));
    }

    /// Prints for machines.
    pub fn json(self, value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).expect("plain data");
        let _ = writeln!(anstream::stdout(), "{text}");
    }

    /// Says something beside what was asked for.
    pub fn note(self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{text}");
    }

    /// Says what went wrong; gives the exit code.
    pub fn fail(self, error: &anyhow::Error) -> u8 {
        let _ = writeln!(anstream::stderr(), "error: {}", crate::run::told(error.as_ref()));
        super::exit_code(error)
    }

    /// Prints what a run did.
    pub fn report(self, report: &Report) {
        if self.is_json() {
            self.json(&report.summary);
        } else {
            self.text(&summary(&report.summary, self.width(), self.palette()));
        }
        if report.exit_code() == exit::FAILED && self.is_json() {
            self.note(&format!("error: {}", report.summary.error.as_deref().unwrap_or("failed")));
        }
    }
}
