//! A Stripe subscription, in every API version's shape.
//! It leaves out quantities and prices' amounts: the ledger keeps which plan, not how many.

use super::super::error::Refusal;
use super::charge::required;
use super::object::Object;
use super::scalar::{ID, ITSELF, Scalar};
use crate::domain::{StatementSubscription, text};
use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

impl Object<'_> {
    pub(super) fn subscription(&self) -> Result<StatementSubscription, Refusal> {
        Ok(StatementSubscription {
            provider_subscription_id: self.id.identifier("id")?,
            provider_customer_id: self.customer.stated("customer")?,
            plan: self.plan()?,
            status: self.status.identifier("status")?,
            current_period_end: self.period_end()?,
            created_at: required(self.created.time("created")?, "created")?,
        })
    }

    /// The items' price ids (older: plan ids), sorted, so that their order makes no difference.
    fn plan(&self) -> Result<String, Refusal> {
        // The API embeds at most ten items; a part of them would be another plan.
        if self.items.has_more {
            return Err(Refusal("items.has_more is true: a part of the items is missing".into()));
        }
        let mut plans = Vec::new();
        for item in &self.items.data {
            let price = if matches!(item.price, Scalar::Absent | Scalar::Null) {
                item.plan.identifier("items.data[].price.id")?
            } else {
                item.price.identifier("items.data[].price.id")?
            };
            plans.push(price);
        }
        if plans.is_empty() {
            return self.plan.identifier("items.data[].price.id");
        }
        plans.sort();
        Ok(text::identifier("plan", &plans.join("+"))?)
    }

    /// API 2025-03-31 moved the period into the items, which may differ: the latest end counts.
    /// Source: Stripe's changelog, "Adds subscription item-level billing periods".
    fn period_end(&self) -> Result<Option<DateTime<Utc>>, Refusal> {
        let mut latest = self.current_period_end.time("current_period_end")?;
        if latest.is_none() {
            for item in &self.items.data {
                let end = item.current_period_end.time("items.data[].current_period_end")?;
                latest = latest.max(end);
            }
        }
        Ok(latest)
    }
}

/// What is used of one item.
#[derive(Debug, Default)]
pub(super) struct Item<'a> {
    price: Scalar<'a>,
    plan: Scalar<'a>,
    current_period_end: Scalar<'a>,
}

/// What is used of a subscription's items.
#[derive(Debug, Default)]
pub(super) struct ItemList<'a> {
    data: Vec<Item<'a>>,
    has_more: bool,
}

/// Takes the items out of a subscription's `items`: a list object, or an array.
pub(super) struct Items;

impl<'de> DeserializeSeed<'de> for Items {
    type Value = ItemList<'de>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = ItemList<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(ItemList::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = ItemList::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "data" => items.data = map.next_value_seed(Items)?.data,
                "has_more" => items.has_more = map.next_value_seed(ITSELF)? == Scalar::Bool(true),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(items)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = ItemList::default();
        while let Some(item) = seq.next_element_seed(ItemFields)? {
            items.data.push(item);
        }
        Ok(items)
    }
}

struct ItemFields;

impl<'de> DeserializeSeed<'de> for ItemFields {
    type Value = Item<'de>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Item<'de>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ItemFields {
    type Value = Item<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item<'de>, A::Error> {
        let mut item = Item::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "price" => item.price = map.next_value_seed(ID)?,
                "plan" => item.plan = map.next_value_seed(ID)?,
                "current_period_end" => item.current_period_end = map.next_value_seed(ITSELF)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Record;
    use super::super::Content;
    use super::super::tests::content;
    use super::*;

    fn read(fields: &str) -> Result<StatementSubscription, String> {
        let json = format!(
            r#"{{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active",
                "created":1700000000,{fields}}}"#
        );
        match content(&json)? {
            Content::Record(Record::Subscription(subscription)) => Ok(subscription),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_plan_is_the_sorted_prices_of_all_items() {
        for items in [
            r#""items":{"data":[{"price":{"id":"b"}},{"price":{"id":"a"}}]}"#,
            r#""items":{"object":"list","data":[{"price":"a"},{"plan":{"id":"b"}}]}"#,
            r#""items":[{"price":null,"plan":"b"},{"price":{"id":"a"},"plan":{"id":"x"}}]"#,
        ] {
            assert_eq!(read(items).unwrap().plan, "a+b");
        }
        assert_eq!(read(r#""plan":{"id":"gold"}"#).unwrap().plan, "gold");
        assert_eq!(read(r#""items":null,"plan":"gold""#).unwrap().plan, "gold");
    }

    #[test]
    fn the_period_ends_at_the_top_or_with_the_last_item() {
        let end = |fields: &str| {
            let fields = format!(r#"{fields},"plan":"gold""#);
            read(&fields).unwrap().current_period_end.map(|time| time.timestamp())
        };
        assert_eq!(end(r#""current_period_end":1700000100"#), Some(1_700_000_100));
        let items = r#""items":{"data":[{"price":"a","current_period_end":1700000300},
                       {"price":"b","current_period_end":1700000200},{"price":"c"}]}"#;
        assert_eq!(end(items), Some(1_700_000_300));
        assert_eq!(end(r#""x":1"#), None);
    }

    #[test]
    fn wrong_items_are_refused_by_name() {
        let prices: Vec<_> =
            (0..30).map(|n| format!(r#"{{"price":"price_0000000000{n}"}}"#)).collect();
        for (fields, expected) in [
            (r#""x":1"#.to_owned(), "items.data[].price.id is missing"),
            (r#""items":{"data":[{}]}"#.to_owned(), "items.data[].price.id is missing"),
            (r#""items":{"data":[{"price":{}}]}"#.to_owned(), "items.data[].price.id is not"),
            (r#""items":{"data":[{"price":"a"}],"has_more":true}"#.to_owned(), "items.has_more"),
            (format!(r#""items":[{}]"#, prices.join(",")), "plan is"),
            (
                r#""plan":"p","items":[{"price":"a","current_period_end":1.5}]"#.to_owned(),
                "items.data[].current_period_end",
            ),
        ] {
            let refusal = read(&fields).unwrap_err();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }
}
