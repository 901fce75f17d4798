//! What is printed: a row as each fault ends, and all of them as a table at the end.

use super::campaign::Tried;
use std::fmt;
use std::time::Duration;

/// A fault that was tried.
pub struct Row {
    pub name: &'static str,
    /// Or why the invariants did not hold.
    pub held: Result<Tried, String>,
    pub took: Duration,
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let (times, held) = match &self.held {
            Ok(Tried { times, note }) if note.is_empty() => (times.to_string(), "yes".to_owned()),
            Ok(Tried { times, note }) => (times.to_string(), format!("yes: {note}")),
            Err(_) => ("-".to_owned(), "NO".to_owned()),
        };
        [self.name.to_owned(), times, held, format!("{:.1} s", self.took.as_secs_f64())]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cells().join(" | "))
    }
}

/// All of them.
pub struct Table {
    pub rows: Vec<Row>,
}

impl Table {
    pub fn failed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.held.is_err())
    }
}

impl fmt::Display for Table {
    /// As a table of Markdown, ready for docs/faults.md.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["fault", "times tried", "invariants held", "took"].map(str::to_owned);
        let rows: Vec<[String; 4]> =
            std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..4).map(|column| widest(column).unwrap_or(0)).collect();
        for (number, row) in rows.iter().enumerate() {
            let pad = |(cell, &width): (&String, &usize)| format!("{cell:<width$}");
            let cells: Vec<String> = row.iter().zip(&widths).map(pad).collect();
            writeln!(f, "| {} |", cells.join(" | "))?;
            if number == 0 {
                let dashes: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                writeln!(f, "|-{}-|", dashes.join("-|-"))?;
            }
        }
        Ok(())
    }
}
