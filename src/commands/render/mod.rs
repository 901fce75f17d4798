//! Plain values as text for a terminal.
