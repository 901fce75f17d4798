//! One row or object of another provider, read into a record by a mapping that was checked.

use super::super::Record;
use super::super::cell::{Cell, TimeFormat};
use super::super::error::{Refusal, StatementError};
use super::mapping::{Amounts, Mapping, Noun, PaymentFields, RecordKind, Source};
use super::mapping::{Constant, SubscriptionFields};
use crate::domain::{Currency, Stated, StatementPayment, StatementSubscription};
use chrono::{DateTime, Utc};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// A mapping that was checked, ready to read with.
pub(in super::super) struct Reader {
    mapping: Mapping,
    time: TimeFormat,
    /// Top-level fields that are used.
    fields: HashSet<String>,
}

/// What became of a row.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Taken {
    Record(Record),
    Ignored(String),
}

/// Looks a column or field up by its name.
type Lookup<'r, 'c> = &'r dyn Fn(&str) -> Cell<'c>;

impl Reader {
    pub fn new(mapping: Mapping) -> Result<Self, StatementError> {
        let time = mapping.check()?;
        let mut reader = Self { mapping, time, fields: HashSet::new() };
        let top_level = |name: &str| {
            let name = name
                .strip_prefix('/')
                .map_or(name, |path| path.split('/').next().unwrap_or_default());
            name.replace("~1", "/").replace("~0", "~")
        };
        reader.fields = reader.columns().into_iter().map(top_level).collect();
        Ok(reader)
    }

    pub fn delimiter(&self) -> u8 {
        self.mapping.delimiter.and_then(|c| u8::try_from(c).ok()).unwrap_or(b',')
    }

    /// Every column that is mapped.
    pub fn columns(&self) -> Vec<&str> {
        let payment = self.mapping.payment.iter().flat_map(PaymentFields::sources);
        let subscription = self.mapping.subscription.iter().flat_map(SubscriptionFields::sources);
        let kind = match &self.mapping.record {
            Some(RecordKind::By(by)) => Some(by.column.as_str()),
            _ => None,
        };
        payment.chain(subscription).filter_map(|(_, source)| source.column()).chain(kind).collect()
    }

    pub fn uses_field(&self, name: &str) -> bool {
        self.fields.contains(name)
    }

    /// Reads a row through `cell`.
    pub fn read(&self, cell: Lookup<'_, '_>) -> Result<Taken, Refusal> {
        let noun = match &self.mapping.record {
            Some(RecordKind::Always(noun)) => *noun,
            Some(RecordKind::By(by)) => {
                let found = cell(&by.column);
                let value = found.required("the record's kind")?;
                let is_in = |values: &[String]| values.iter().any(|known| known == value);
                if is_in(&by.payment) {
                    Noun::Payment
                } else if is_in(&by.subscription) {
                    Noun::Subscription
                } else {
                    return Ok(Taken::Ignored(value.to_owned()));
                }
            }
            None if self.mapping.payment.is_some() => Noun::Payment,
            None => Noun::Subscription,
        };
        let row = Row { cell };
        let record = match (noun, &self.mapping.payment, &self.mapping.subscription) {
            (Noun::Payment, Some(fields), _) => Record::Payment(self.payment(fields, &row)?),
            (Noun::Subscription, _, Some(fields)) => {
                Record::Subscription(self.subscription(fields, &row)?)
            }
            _ => return Err(Refusal("the record's kind is not mapped".into())),
        };
        Ok(Taken::Record(record))
    }

    fn payment(
        &self,
        fields: &PaymentFields,
        row: &Row<'_, '_>,
    ) -> Result<StatementPayment, Refusal> {
        let currency = row.get(&fields.currency).currency("currency")?;
        let amount = |found: Cell<'_>, name| self.amount(&found, name, currency);
        let amount_minor = amount(row.get(&fields.amount), "amount")?;
        Ok(StatementPayment {
            provider_payment_id: row.get(&fields.id).identifier("id")?,
            provider_customer_id: row.maybe(fields.customer.as_ref()).stated("customer")?,
            status: status(&row.get(&fields.status), &fields.statuses)?,
            amount_minor: amount_minor.ok_or_else(|| Refusal("amount is missing".into()))?,
            amount_captured_minor: amount(
                row.maybe(fields.amount_captured.as_ref()),
                "amount_captured",
            )?,
            amount_refunded_minor: amount(
                row.maybe(fields.amount_refunded.as_ref()),
                "amount_refunded",
            )?,
            disputed: row.maybe(fields.disputed.as_ref()).flag("disputed")?,
            currency,
            failure_code: row.maybe(fields.failure_code.as_ref()).stated("failure_code")?,
            failure_message: row
                .maybe(fields.failure_message.as_ref())
                .message("failure_message")?,
            payment_method_fingerprint: row
                .maybe(fields.fingerprint.as_ref())
                .optional("fingerprint")?,
            created_at: self.created(&row.get(&fields.created))?,
        })
    }

    fn subscription(
        &self,
        fields: &SubscriptionFields,
        row: &Row<'_, '_>,
    ) -> Result<StatementSubscription, Refusal> {
        let customer: Stated<String> = row.maybe(fields.customer.as_ref()).stated("customer")?;
        let period_end = row.maybe(fields.current_period_end.as_ref());
        Ok(StatementSubscription {
            provider_subscription_id: row.get(&fields.id).identifier("id")?,
            provider_customer_id: customer,
            plan: row.get(&fields.plan).identifier("plan")?,
            status: status(&row.get(&fields.status), &fields.statuses)?,
            current_period_end: period_end.time("current_period_end", &self.time)?,
            created_at: self.created(&row.get(&fields.created))?,
        })
    }

    fn created(&self, found: &Cell<'_>) -> Result<DateTime<Utc>, Refusal> {
        let time = found.time("created", &self.time)?;
        time.ok_or_else(|| Refusal("created is missing".into()))
    }

    fn amount(
        &self,
        found: &Cell<'_>,
        name: &'static str,
        currency: Currency,
    ) -> Result<Option<i64>, Refusal> {
        match self.mapping.amounts {
            Some(Amounts::Decimal) => found.decimal(name, currency),
            Some(Amounts::Minor) | None => found.minor(name),
        }
    }
}

/// A row whose values are looked up as the mapping says.
struct Row<'r, 'c> {
    cell: Lookup<'r, 'c>,
}

impl Row<'_, '_> {
    fn get<'s>(&'s self, source: &'s Source) -> Cell<'s> {
        match source {
            Source::Column(name) => (self.cell)(name),
            Source::Constant(Constant { constant }) => Cell::Text(Cow::Borrowed(constant)),
        }
    }

    fn maybe<'s>(&'s self, source: Option<&'s Source>) -> Cell<'s> {
        source.map_or(Cell::Absent, |source| self.get(source))
    }
}

fn status(found: &Cell<'_>, statuses: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let status = found.identifier("status")?;
    Ok(statuses.get(&status).cloned().unwrap_or(status))
}
