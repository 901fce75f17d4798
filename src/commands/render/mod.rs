//! Plain values as text for a terminal: a chart, the trace as a tree, a summary, tables.
//!
//! Pure: the width and whether there is colour are arguments; nothing here prints or looks at
//! the terminal. No line is ever wider than the width.

mod axis;
pub mod chart;
pub mod failures;
pub mod figures;
pub mod findings;
pub mod line;
mod state;
pub mod story;
pub mod summary;
pub mod table;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod user;

pub use line::Palette;
pub use summary::summary;
pub use tree::tree;
