//! The fields of a Stripe object that are used, taken in one pass whatever the object's kind.
//! Wrong types are kept as such: judging them is left to the kind's own reader.

use super::names::Names;
use super::scalar::{At, ID, ITSELF, Scalar};
use super::subscription::{ItemList, Items};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What is used of an object. Fields that nested objects hold are taken out of them.
#[derive(Debug, Default)]
pub(in super::super) struct Object<'a> {
    /// The field `object`.
    pub(super) kind: Scalar<'a>,
    pub(super) id: Scalar<'a>,
    pub(super) customer: Scalar<'a>,
    pub(super) status: Scalar<'a>,
    pub(super) amount: Scalar<'a>,
    pub(super) amount_captured: Scalar<'a>,
    pub(super) amount_refunded: Scalar<'a>,
    pub(super) captured: Scalar<'a>,
    pub(super) disputed: Scalar<'a>,
    pub(super) dispute: Scalar<'a>,
    pub(super) currency: Scalar<'a>,
    pub(super) failure_code: Scalar<'a>,
    pub(super) failure_message: Scalar<'a>,
    pub(super) outcome_reason: Scalar<'a>,
    pub(super) fingerprint: Scalar<'a>,
    pub(super) created: Scalar<'a>,
    pub(super) livemode: Scalar<'a>,
    pub(super) current_period_end: Scalar<'a>,
    pub(super) plan: Scalar<'a>,
    pub(super) items: ItemList<'a>,
    /// `metadata[user_id_key]`
    pub(super) user_id: Scalar<'a>,
    pub(super) has_more: Scalar<'a>,
    pub(super) url: Scalar<'a>,
    /// Whether `data` is an array: the object is a list page.
    pub(super) has_data: bool,
}

impl<'a> Object<'a> {
    /// Reads the used fields of one JSON object, and takes note of the names of all others.
    ///
    /// # Errors
    /// Not valid JSON, a text that is not valid Unicode, or no object.
    pub fn read(
        json: &'a [u8],
        user_id_key: &str,
        names: &mut Names,
    ) -> Result<Self, serde_json::Error> {
        names.begin();
        let mut from = serde_json::Deserializer::from_slice(json);
        let object = from.deserialize_map(Fields { user_id_key, names })?;
        from.end()?;
        Ok(object)
    }

    fn take<A: MapAccess<'a>>(
        &mut self,
        field: Field,
        map: &mut A,
        user_id_key: &str,
    ) -> Result<(), A::Error> {
        let (slot, at) = match field {
            Field::Object => (&mut self.kind, ITSELF),
            Field::Id => (&mut self.id, ITSELF),
            Field::Customer => (&mut self.customer, ID),
            Field::Status => (&mut self.status, ITSELF),
            Field::Amount => (&mut self.amount, ITSELF),
            Field::AmountCaptured => (&mut self.amount_captured, ITSELF),
            Field::AmountRefunded => (&mut self.amount_refunded, ITSELF),
            Field::Captured => (&mut self.captured, ITSELF),
            Field::Disputed => (&mut self.disputed, ITSELF),
            Field::Dispute => (&mut self.dispute, ID),
            Field::Currency => (&mut self.currency, ITSELF),
            Field::FailureCode => (&mut self.failure_code, ITSELF),
            Field::FailureMessage => (&mut self.failure_message, ITSELF),
            Field::Outcome => (&mut self.outcome_reason, REASON),
            Field::PaymentMethodDetails => (&mut self.fingerprint, FINGERPRINT),
            Field::Created => (&mut self.created, ITSELF),
            Field::Livemode => (&mut self.livemode, ITSELF),
            Field::CurrentPeriodEnd => (&mut self.current_period_end, ITSELF),
            Field::Plan => (&mut self.plan, ID),
            Field::HasMore => (&mut self.has_more, ITSELF),
            Field::Url => (&mut self.url, ITSELF),
            Field::Metadata => {
                let at = At { path: &[user_id_key], or_itself: false };
                self.user_id = map.next_value_seed(at)?;
                return Ok(());
            }
            Field::Items => {
                self.items = map.next_value_seed(Items)?;
                return Ok(());
            }
            Field::Data => {
                self.has_data = map.next_value_seed(IsArray)?;
                return Ok(());
            }
            Field::Unused => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *slot = map.next_value_seed(at)?;
        Ok(())
    }
}

const REASON: At<'static> = At { path: &["reason"], or_itself: false };
const FINGERPRINT: At<'static> = At { path: &["card", "fingerprint"], or_itself: false };

/// A top-level field by its name.
#[derive(Clone, Copy)]
enum Field {
    Object,
    Id,
    Customer,
    Status,
    Amount,
    AmountCaptured,
    AmountRefunded,
    Captured,
    Disputed,
    Dispute,
    Currency,
    FailureCode,
    FailureMessage,
    Outcome,
    PaymentMethodDetails,
    Created,
    Livemode,
    CurrentPeriodEnd,
    Plan,
    Items,
    Metadata,
    HasMore,
    Url,
    Data,
    Unused,
}

fn field(name: &str) -> Field {
    match name {
        "object" => Field::Object,
        "id" => Field::Id,
        "customer" => Field::Customer,
        "status" => Field::Status,
        "amount" => Field::Amount,
        "amount_captured" => Field::AmountCaptured,
        "amount_refunded" => Field::AmountRefunded,
        "captured" => Field::Captured,
        "disputed" => Field::Disputed,
        "dispute" => Field::Dispute,
        "currency" => Field::Currency,
        "failure_code" => Field::FailureCode,
        "failure_message" => Field::FailureMessage,
        "outcome" => Field::Outcome,
        "payment_method_details" => Field::PaymentMethodDetails,
        "created" => Field::Created,
        "livemode" => Field::Livemode,
        "current_period_end" => Field::CurrentPeriodEnd,
        "plan" => Field::Plan,
        "items" => Field::Items,
        "metadata" => Field::Metadata,
        "has_more" => Field::HasMore,
        "url" => Field::Url,
        "data" => Field::Data,
        _ => Field::Unused,
    }
}

/// Whether a top-level field of this name is read.
pub(in super::super) fn uses(name: &str) -> bool {
    !matches!(field(name), Field::Unused)
}

struct Fields<'s> {
    user_id_key: &'s str,
    names: &'s mut Names,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Object<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(field) = map.next_key_seed(Key(self.names))? {
            object.take(field, &mut map, self.user_id_key)?;
        }
        Ok(object)
    }
}

struct Key<'s>(&'s mut Names);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Field;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Field, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Field;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        let field = field(name);
        if matches!(field, Field::Unused) {
            self.0.note(name);
        }
        Ok(field)
    }
}

/// Whether a value is an array; its content is passed over.
struct IsArray;

impl<'de> DeserializeSeed<'de> for IsArray {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = bool;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(true)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(false)
            }
            fn visit_unit<E>(self) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_str<E>(self, _: &str) -> Result<bool, E> {
                Ok(false)
            }
        }
        from.deserialize_any(Look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_used_are_counted_once() {
        let mut names = Names::default();
        for json in [
            r#"{"id":"1","a":1,"b":{"id":2},"amount":3}"#,
            r#"{"b":1,"a":2,"c":3}"#,
            r#"{"a":1,"c":3,"\u0061":4}"#,
        ] {
            Object::read(json.as_bytes(), "user_id", &mut names).unwrap();
        }
        assert_eq!(names.count(), 3);
    }

    #[test]
    fn only_an_array_named_data_makes_a_page() {
        let mut names = Names::default();
        let mut is_page =
            |json: &str| Object::read(json.as_bytes(), "user_id", &mut names).unwrap().has_data;
        assert!(is_page(r#"{"data":[{"data":1}]}"#));
        for other in ["{}", "[]x", "1", "1.5", "-1", "null", "true", "\"\""] {
            if other != "[]x" {
                assert!(!is_page(&format!(r#"{{"data":{other}}}"#)), "{other}");
            }
        }
    }
}
