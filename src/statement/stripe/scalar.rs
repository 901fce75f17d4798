//! A JSON value where a simple one is expected: any value is taken, and judged later, so that a
//! wrong type is one field's fault and can be told by the field's name.

use super::super::error::Refusal;
use crate::domain::{Stated, text};
use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// 2000-01-01 and 2100-01-01 in Unix seconds: times outside are mistakes (milliseconds, zero).
pub(in super::super) const TIME_MIN: i64 = 946_684_800;
pub(in super::super) const TIME_MAX: i64 = 4_102_444_800;

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    /// A number with a fraction or an exponent, or beyond 64 bits.
    OtherNumber,
    Text(Cow<'a, str>),
    /// An array, or an object where none is expected.
    Nested,
}

impl Scalar<'_> {
    /// A text that must be there and fit for an id, a status or a code.
    pub fn identifier(&self, name: &'static str) -> Result<String, Refusal> {
        match self {
            Self::Text(value) => Ok(text::identifier(name, value)?),
            Self::Absent => Err(Refusal(format!("{name} is missing"))),
            Self::Null => Err(Refusal(format!("{name} is null"))),
            _ => Err(Refusal(format!("{name} is not a text"))),
        }
    }

    /// A text that may be missing (not stated), null or empty (there is none).
    pub fn stated(&self, name: &'static str) -> Result<Stated<String>, Refusal> {
        match self {
            Self::Absent => Ok(Stated::NotStated),
            Self::Null => Ok(Stated::Nothing),
            Self::Text(value) if value.is_empty() => Ok(Stated::Nothing),
            _ => self.identifier(name).map(Stated::Value),
        }
    }

    /// An amount in minor units, where there is one.
    pub fn minor(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Int(minor) if *minor >= 0 => Ok(Some(*minor)),
            Self::Int(_) => Err(Refusal(format!("{name} is negative"))),
            _ => Err(Refusal(format!("{name} is not an integer of at most 64 bits"))),
        }
    }

    /// A time in Unix seconds, where there is one.
    pub fn time(&self, name: &'static str) -> Result<Option<DateTime<Utc>>, Refusal> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Int(seconds) if (TIME_MIN..TIME_MAX).contains(seconds) => {
                Ok(DateTime::from_timestamp(*seconds, 0))
            }
            Self::Int(_) => {
                Err(Refusal(format!("{name} is not between 2000 and 2100 in Unix seconds")))
            }
            _ => Err(Refusal(format!("{name} is not a time in whole Unix seconds"))),
        }
    }

    /// True or false, where it is stated.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(*value)),
            _ => Err(Refusal(format!("{name} is neither true nor false"))),
        }
    }
}

/// Takes what stands at a path of keys inside a value. An empty path takes the value itself.
#[derive(Clone, Copy)]
pub(super) struct At<'k> {
    pub path: &'k [&'k str],
    /// Whether a simple value in place of an object is taken: an id instead of what it names.
    pub or_itself: bool,
}

/// The value itself.
pub(super) const ITSELF: At<'static> = At { path: &[], or_itself: true };
/// The id, alone or in the expanded object.
pub(super) const ID: At<'static> = At { path: &["id"], or_itself: true };

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Scalar<'de>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Scalar<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl At<'_> {
    fn simple(self, value: Scalar<'_>) -> Scalar<'_> {
        match value {
            Scalar::Null => Scalar::Null,
            value if self.path.is_empty() || self.or_itself => value,
            _ => Scalar::Nested,
        }
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(self.simple(Scalar::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(self.simple(Scalar::Int(value)))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(self.simple(i64::try_from(value).map_or(Scalar::OtherNumber, Scalar::Int)))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(self.simple(Scalar::OtherNumber))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
        Ok(self.simple(Scalar::Text(Cow::Borrowed(value))))
    }
    fn visit_str<E>(self, value: &str) -> Result<Scalar<'de>, E> {
        Ok(self.simple(Scalar::Text(Cow::Owned(value.to_owned()))))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        let Some((key, path)) = self.path.split_first() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Scalar::Nested);
        };
        // An expanded object without an id is not the same as no object.
        let mut found = if self.or_itself { Scalar::Nested } else { Scalar::Absent };
        while let Some(is_it) = map.next_key_seed(Is(key))? {
            if is_it {
                found = map.next_value_seed(At { path, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one, without keeping it.
pub(super) struct Is<'k>(pub &'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(at: At<'_>, json: &'a str) -> Scalar<'a> {
        at.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn a_path_leads_into_objects_and_an_id_stands_for_its_object() {
        let fingerprint = At { path: &["card", "fingerprint"], or_itself: false };
        let text = |text: &'static str| Scalar::Text(Cow::Borrowed(text));
        assert_eq!(at(fingerprint, r#"{"card":{"x":[1],"fingerprint":"f"}}"#), text("f"));
        assert_eq!(at(fingerprint, r#"{"card":null}"#), Scalar::Null);
        assert_eq!(at(fingerprint, r#"{"type":"card"}"#), Scalar::Absent);
        assert_eq!(at(fingerprint, r#""card""#), Scalar::Nested);
        assert_eq!(at(ID, r#""cus_1""#), text("cus_1"));
        assert_eq!(at(ID, r#"{"id":"cus_1"}"#), text("cus_1"));
        assert_eq!(at(ID, r#"{"name":"x"}"#), Scalar::Nested);
        assert_eq!(at(ITSELF, r#"{"id":"cus_1"}"#), Scalar::Nested);
    }

    #[test]
    fn numbers_are_integers_or_refused() {
        assert_eq!(at(ITSELF, "12").minor("amount"), Ok(Some(12)));
        for wrong in ["12.0", "1e2", "9223372036854775808", "\"12\"", "true", "[1]", "{}"] {
            assert!(at(ITSELF, wrong).minor("amount").is_err(), "{wrong}");
        }
        assert_eq!(at(ITSELF, "-1").minor("amount").unwrap_err().0, "amount is negative");
        for wrong in ["0", "-1", "1700000000000", "4102444800", "1.7e9", "\"2025\""] {
            assert!(at(ITSELF, wrong).time("created").is_err(), "{wrong}");
        }
    }
}
