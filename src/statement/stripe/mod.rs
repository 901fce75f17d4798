//! Stripe API objects: one JSON value at a time, read into records.
//! It leaves out how the values are found in a file (`json`) and what is done with them.
//!
//! Field names and meanings: Stripe API reference, "The Charge object", "The Subscription
//! object", "The Customer object" and "Pagination".

mod charge;
mod names;
mod object;
mod scalar;
mod subscription;

use super::error::Refusal;
use super::{Record, StatementCustomer};
pub(super) use names::Names;
pub(super) use object::{Object, uses};
use scalar::Scalar;
pub(super) use scalar::{TIME_MAX, TIME_MIN};

/// What a JSON value is.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Record(Record),
    /// An object of a kind that is not used.
    Ignored(String),
}

/// A list page's own fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageFields {
    pub has_more: Option<bool>,
    pub url: Option<String>,
}

impl Object<'_> {
    /// The page's own fields, where this is a page: `data` is an array.
    pub fn page(&self) -> Option<PageFields> {
        self.has_data.then(|| PageFields {
            // A search result has the same form, and lists what matched only.
            has_more: match (&self.kind, &self.has_more) {
                (Scalar::Text(kind), Scalar::Bool(has_more)) if kind == "list" => Some(*has_more),
                _ => None,
            },
            url: match &self.url {
                Scalar::Text(url) => Some(url.clone().into_owned()),
                _ => None,
            },
        })
    }

    /// The mode that the object states.
    ///
    /// # Errors
    /// It is something else than true or false.
    pub fn mode(&self) -> Result<Option<bool>, Refusal> {
        self.livemode.flag("livemode")
    }

    /// Reads the object as what its `object` field says.
    ///
    /// # Errors
    /// A field is missing or not valid; the refusal names it.
    pub fn content(&self) -> Result<Content, Refusal> {
        let Scalar::Text(kind) = &self.kind else {
            return Err(Refusal("object, which says what kind of record it is, is missing".into()));
        };
        match kind.as_ref() {
            "charge" => self.charge().map(Record::Payment).map(Content::Record),
            "subscription" => self.subscription().map(Record::Subscription).map(Content::Record),
            "customer" => self.customer().map(Record::Customer).map(Content::Record),
            other => Ok(Content::Ignored(other.to_owned())),
        }
    }

    /// Deleted customers have an id and no metadata: they link no user.
    fn customer(&self) -> Result<StatementCustomer, Refusal> {
        let user_id = match &self.user_id {
            Scalar::Absent | Scalar::Null => None,
            Scalar::Text(text) if text.trim().is_empty() => None,
            Scalar::Text(text) => Some(user_id(text.trim().parse().ok())?),
            Scalar::Int(number) => Some(user_id(Some(*number))?),
            _ => Some(user_id(None)?),
        };
        Ok(StatementCustomer { provider_customer_id: self.id.identifier("id")?, user_id })
    }
}

fn user_id(number: Option<i64>) -> Result<i64, Refusal> {
    let is_id = |number: &i64| *number > 0;
    number.filter(is_id).ok_or_else(|| Refusal("the user id in metadata is not a number".into()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Reads one object, with the default metadata key.
    pub fn content(json: &str) -> Result<Content, String> {
        let mut names = Names::default();
        let object = Object::read(json.as_bytes(), "user_id", &mut names).unwrap();
        object.content().map_err(|refusal| refusal.to_string())
    }

    fn customer(json: &str) -> StatementCustomer {
        match content(json) {
            Ok(Content::Record(Record::Customer(customer))) => customer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_customer_is_linked_by_metadata() {
        let linked = customer(r#"{"id":"cus_1","object":"customer","metadata":{"user_id":"42"}}"#);
        assert_eq!(linked.provider_customer_id, "cus_1");
        assert_eq!(linked.user_id, Some(42));
        for unlinked in [
            r#"{"id":"cus_1","object":"customer","deleted":true}"#,
            r#"{"id":"cus_1","object":"customer","metadata":{"user_id":"","x":"1"}}"#,
            r#"{"id":"cus_1","object":"customer","metadata":null}"#,
        ] {
            assert_eq!(customer(unlinked).user_id, None);
        }
    }

    #[test]
    fn a_wrong_user_id_is_refused_without_quoting_it() {
        for wrong in [r#""secret""#, "1.5", r#""-3""#, "true"] {
            let json =
                format!(r#"{{"id":"c","object":"customer","metadata":{{"user_id":{wrong}}}}}"#);
            let refusal = content(&json).unwrap_err();
            assert_eq!(refusal, "the user id in metadata is not a number");
        }
    }

    #[test]
    fn other_objects_are_ignored_by_their_kind() {
        let other = content(r#"{"id":"ii_1","object":"invoiceitem","amount":"whatever"}"#);
        assert_eq!(other, Ok(Content::Ignored("invoiceitem".into())));
        assert!(content(r#"{"id":"x"}"#).unwrap_err().contains("object"));
    }
}
