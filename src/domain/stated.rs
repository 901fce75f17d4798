//! What a statement says about a value: nothing at all, that there is none, or the value.
//!
//! Formats differ in what they carry. A column that an export lacks must not erase what the
//! ledger knows, so "not stated" and "stated to be empty" are different things.

/// A value as a statement gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stated<T> {
    /// The statement's format does not carry this value: the ledger's own is kept.
    #[default]
    NotStated,
    /// The statement says that there is none.
    Nothing,
    /// The statement gives this value.
    Value(T),
}

impl<T> Stated<T> {
    /// The value, or `kept` where the statement says nothing about it.
    pub fn unless_stated(self, kept: Option<T>) -> Option<T> {
        match self {
            Self::NotStated => kept,
            Self::Nothing => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T> From<Option<T>> for Stated<T> {
    /// For formats that carry the value: an absent one is stated to be absent.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Self::Value)
    }
}

/// The form in which the staging tables keep a stated text: NULL, empty or the value.
impl Stated<String> {
    /// Reads the staged form.
    pub fn from_staged(text: Option<String>) -> Self {
        match text {
            None => Self::NotStated,
            Some(text) if text.is_empty() => Self::Nothing,
            Some(text) => Self::Value(text),
        }
    }

    /// The staged form of this value.
    pub fn as_staged(&self) -> Option<&str> {
        match self {
            Self::NotStated => None,
            Self::Nothing => Some(""),
            Self::Value(text) => Some(text),
        }
    }
}
