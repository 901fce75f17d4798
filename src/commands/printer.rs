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

/// Where the program's words go, and in what form.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    output: Output,
    width: usize,
    palette: Palette,
}

/// Standard output itself, without colours where nobody looks.
pub fn out() -> impl Write {
    anstream::stdout()
}

/// Prints for people. A reader who closes the pipe early is no error.
pub fn text(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(anstream::stdout(), "{text}{end}");
}

/// Prints for machines.
pub fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("plain data");
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Prints a table for machines.
pub fn csv(head: &[&str], lines: &[Vec<String>]) {
    let mut table = csv::Writer::from_writer(anstream::stdout());
    let written = table.write_record(head);
    let _ = lines.iter().fold(written, |written, line| written.and(table.write_record(line)));
    let _ = table.flush();
}

/// Says something beside what was asked for.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Says what went wrong; gives the exit code.
pub fn fail(error: &anyhow::Error) -> u8 {
    note(&format!("error: {}", crate::run::told(error.as_ref())));
    super::exit_code(error)
}

impl Printer {
    pub fn new(output: Output) -> Self {
        let size = terminal_size::terminal_size();
        let choice = AutoStream::choice(&std::io::stdout());
        Self {
            output,
            width: size.map_or(WIDTH, |(width, _)| usize::from(width.0)),
            palette: Palette::new(choice != ColorChoice::Never),
        }
    }

    pub fn output(self) -> Output {
        self.output
    }

    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// The terminal's width, in columns.
    pub fn width(self) -> usize {
        self.width
    }

    /// The colours to use.
    pub fn palette(self) -> Palette {
        self.palette
    }

    /// Prints a heading for people.
    pub fn heading(self, text: &str) {
        let style = self.palette.strong;
        self::text(&format!("\n{style}{text}{style:#}\n"));
    }

    /// Prints what a run did.
    pub fn report(self, report: &Report) {
        if self.is_json() {
            json(&report.summary);
        } else {
            text(&summary(&report.summary, self.width, self.palette));
        }
        if report.exit_code() == exit::FAILED && self.is_json() {
            note(&format!("error: {}", report.summary.error.as_deref().unwrap_or("failed")));
        }
    }
}
