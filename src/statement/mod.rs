//! The provider's side: files in several formats, read into domain types.
