//! Which texts may enter: bounded, and free of what jsonb and COPY refuse.
//!
//! One bad byte aborts a whole COPY, so every text from a statement passes here first.

/// The longest identifier, status, plan or code that is taken, in bytes.
pub const ID_BYTES_MAX: usize = 255;
/// The longest free text (a failure message) that is kept, in bytes; longer ones are cut.
pub const MESSAGE_BYTES_MAX: usize = 1_000;

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("{name} is empty")]
    Empty { name: &'static str },
    #[error("{name} is {bytes} bytes long; at most {ID_BYTES_MAX} are taken")]
    TooLong { name: &'static str, bytes: usize },
    #[error("{name} contains a control character (U+{code:04X})")]
    Control { name: &'static str, code: u32 },
}

/// Checks an identifier-like text: 1 to [`ID_BYTES_MAX`] bytes without control characters.
///
/// # Errors
/// Names the value (`name`) and what is wrong with it, never its content.
pub fn identifier(name: &'static str, text: &str) -> Result<String, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { name });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(TextError::TooLong { name, bytes: text.len() });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(TextError::Control { name, code: c as u32 }),
        None => Ok(text.to_owned()),
    }
}

/// A free text made fit to be stored: control characters become spaces, the end is cut off
/// at a character boundary after [`MESSAGE_BYTES_MAX`] bytes.
pub fn message(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = clean.floor_char_boundary(MESSAGE_BYTES_MAX.min(clean.len()));
    clean[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_bounded_and_free_of_control_characters() {
        assert_eq!(identifier("id", "ch_1").unwrap(), "ch_1");
        assert_eq!(identifier("id", ""), Err(TextError::Empty { name: "id" }));
        assert_eq!(
            identifier("id", &"x".repeat(10_240)).unwrap_err().to_string(),
            "id is 10240 bytes long; at most 255 are taken"
        );
        assert_eq!(
            identifier("id", "a\0b").unwrap_err().to_string(),
            "id contains a control character (U+0000)"
        );
    }

    #[test]
    fn a_message_is_cut_at_a_character_boundary() {
        let cut = message(&"é".repeat(MESSAGE_BYTES_MAX));
        assert_eq!(cut.len(), MESSAGE_BYTES_MAX);
        assert_eq!(message("a\0\nb"), "a  b");
    }
}
