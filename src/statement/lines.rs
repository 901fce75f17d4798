//! Lines of a stream, bounded: one that is too long is passed over without being kept.

use super::error::{Flow, Halt};
use super::input::Input;

/// The longest line, list element or row that is read, in bytes.
pub(super) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Hands every line to `take`, without its line feed and with its number, counted from 1;
/// none where it is too long.
pub(super) fn each(
    input: &mut Input,
    take: &mut dyn FnMut(u64, Option<&[u8]>) -> Flow,
) -> Result<(), Halt> {
    // The beginning of a line that the window cut off.
    let mut begun = Vec::new();
    let mut is_too_long = false;
    let mut number = 0;
    loop {
        let ahead = input.fill()?;
        let ended = memchr::memchr(b'\n', ahead);
        let piece = &ahead[..ended.unwrap_or(ahead.len())];
        let is_end_of_input = ahead.is_empty();
        is_too_long |= begun.len() + piece.len() > VALUE_BYTES_MAX;
        if is_too_long {
            begun = Vec::new();
        }
        let used = piece.len() + usize::from(ended.is_some());
        if ended.is_some() || is_end_of_input {
            number += 1;
            if begun.is_empty() {
                take(number, (!is_too_long).then_some(piece))?;
            } else {
                begun.extend_from_slice(piece);
                take(number, Some(&begun))?;
            }
            begun.clear();
            is_too_long = false;
        } else if !is_too_long {
            begun.extend_from_slice(piece);
        }
        if is_end_of_input {
            return Ok(());
        }
        input.consume(used);
    }
}
