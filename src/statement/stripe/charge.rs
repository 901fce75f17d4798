//! A Stripe charge as a payment.
//! It leaves out payment intents: a charge is one attempt, which is what the ledger keeps.

use super::super::error::Refusal;
use super::object::Object;
use super::scalar::Scalar;
use crate::domain::{Currency, Stated, StatementPayment, text};

impl Object<'_> {
    pub(super) fn charge(&self) -> Result<StatementPayment, Refusal> {
        let amount_minor = required(self.amount.minor("amount")?, "amount")?;
        let status = self.status.identifier("status")?;
        Ok(StatementPayment {
            provider_payment_id: self.id.identifier("id")?,
            provider_customer_id: self.customer.stated("customer")?,
            amount_captured_minor: self.amount_captured(amount_minor)?,
            amount_refunded_minor: self.amount_refunded.minor("amount_refunded")?,
            disputed: self.disputed()?,
            currency: self.currency()?,
            failure_code: self.failure_code()?,
            failure_message: self.failure_message()?,
            payment_method_fingerprint: match self.fingerprint.stated("fingerprint")? {
                Stated::Value(fingerprint) => Some(fingerprint),
                Stated::Nothing | Stated::NotStated => None,
            },
            created_at: required(self.created.time("created")?, "created")?,
            status,
            amount_minor,
        })
    }

    /// API versions before 2020 state only whether the charge was captured.
    fn amount_captured(&self, amount_minor: i64) -> Result<Option<i64>, Refusal> {
        let stated = self.amount_captured.minor("amount_captured")?;
        let captured = self.captured.flag("captured")?;
        Ok(stated.or_else(|| captured.map(|captured| if captured { amount_minor } else { 0 })))
    }

    /// Old API versions have the dispute itself, or null, instead of a flag.
    fn disputed(&self) -> Result<Option<bool>, Refusal> {
        let stated = self.disputed.flag("disputed")?;
        Ok(stated.or(match self.dispute {
            Scalar::Absent => None,
            Scalar::Null => Some(false),
            _ => Some(true),
        }))
    }

    fn currency(&self) -> Result<Currency, Refusal> {
        self.currency
            .identifier("currency")?
            .parse()
            .map_err(|_| Refusal("currency is not three letters".into()))
    }

    /// The provider's failure code. `card_declined` says only that a bank or a rule declined;
    /// the decline code (`insufficient_funds`) then stands in `outcome.reason`, and is kept
    /// instead, because it is what the dashboard shows and what tells an attack from empty
    /// accounts. Source: Stripe's documentation, "Card declines", and `Charge.outcome.reason`.
    fn failure_code(&self) -> Result<Stated<String>, Refusal> {
        let code = self.failure_code.stated("failure_code")?;
        if code != Stated::Value("card_declined".into()) {
            return Ok(code);
        }
        Ok(match self.outcome_reason.stated("outcome.reason")? {
            Stated::Value(reason) => Stated::Value(reason),
            Stated::Nothing | Stated::NotStated => code,
        })
    }

    fn failure_message(&self) -> Result<Option<String>, Refusal> {
        match &self.failure_message {
            Scalar::Absent | Scalar::Null => Ok(None),
            Scalar::Text(value) => Ok(Some(text::message(value)).filter(|text| !text.is_empty())),
            _ => Err(Refusal("failure_message is not a text".into())),
        }
    }
}

pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal(format!("{name} is missing")))
}

#[cfg(test)]
mod tests {
    use super::super::super::Record;
    use super::super::Content;
    use super::super::tests::content;
    use super::*;
    use serde_json::{Value, json};

    fn base() -> Value {
        json!({"id": "ch_1", "object": "charge", "amount": 1250, "currency": "usd",
               "status": "succeeded", "created": 1_700_000_000, "customer": "cus_1"})
    }

    fn with(fields: &Value) -> Value {
        let mut charge = base();
        for (name, value) in fields.as_object().unwrap() {
            charge[name] = value.clone();
        }
        charge
    }

    fn payment(fields: &Value) -> StatementPayment {
        match content(&with(fields).to_string()) {
            Ok(Content::Record(Record::Payment(payment))) => payment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_charge_is_read() {
        let payment = payment(&json!({
            "amount_captured": 1000, "amount_refunded": 200, "disputed": true,
            "customer": {"id": "cus_2", "object": "customer"},
            "payment_method_details": {"type": "card", "card": {"fingerprint": "fp_1"}},
        }));
        assert_eq!(payment.provider_payment_id, "ch_1");
        assert_eq!(payment.provider_customer_id, Stated::Value("cus_2".into()));
        assert_eq!(payment.amount_captured_minor, Some(1000));
        assert_eq!(payment.amount_refunded_minor, Some(200));
        assert_eq!(payment.disputed, Some(true));
        assert_eq!(payment.currency.as_str(), "USD");
        assert_eq!(payment.payment_method_fingerprint.as_deref(), Some("fp_1"));
        assert_eq!(payment.created_at.timestamp(), 1_700_000_000);
    }

    #[test]
    fn what_an_api_version_lacks_is_not_stated() {
        let payment = payment(&json!({}));
        assert_eq!(payment.amount_captured_minor, None);
        assert_eq!(payment.amount_refunded_minor, None);
        assert_eq!(payment.disputed, None);
        assert_eq!(payment.failure_code, Stated::NotStated);
    }

    #[test]
    fn old_api_versions_state_capture_and_dispute_otherwise() {
        assert_eq!(payment(&json!({"captured": false})).amount_captured_minor, Some(0));
        assert_eq!(payment(&json!({"captured": true})).amount_captured_minor, Some(1250));
        assert_eq!(payment(&json!({"dispute": null})).disputed, Some(false));
        assert_eq!(payment(&json!({"dispute": "dp_1"})).disputed, Some(true));
        assert_eq!(payment(&json!({"dispute": {"id": "dp_1"}})).disputed, Some(true));
    }

    #[test]
    fn a_guest_has_no_customer() {
        assert_eq!(payment(&json!({"customer": null})).provider_customer_id, Stated::Nothing);
    }

    #[test]
    fn the_specific_decline_code_is_kept() {
        let code = |code: &str, reason: Value| {
            payment(&json!({"status": "failed", "failure_code": code,
                            "outcome": {"reason": reason}}))
            .failure_code
        };
        let value = |code: &str| Stated::Value(code.to_owned());
        assert_eq!(code("card_declined", json!("stolen_card")), value("stolen_card"));
        assert_eq!(code("card_declined", json!(null)), value("card_declined"));
        assert_eq!(code("expired_card", json!("try_again_later")), value("expired_card"));
        assert_eq!(code("a_new_code_of_2031", json!(null)), value("a_new_code_of_2031"));
    }

    #[test]
    fn unknown_statuses_are_kept_as_text() {
        assert_eq!(payment(&json!({"status": "teleported"})).status, "teleported");
    }

    #[test]
    fn every_wrong_field_is_refused_by_its_name_without_its_content() {
        let long = "x".repeat(10_240);
        let cases = [
            ("id", json!(null)),
            ("id", json!("")),
            ("id", json!(long)),
            ("id", json!("SECRET\u{0}")),
            ("id", json!(12)),
            ("customer", json!({"name": "SECRET"})),
            ("customer", json!(["SECRET"])),
            ("status", json!(null)),
            ("status", json!("\u{7}SECRET")),
            ("amount", json!(12.5)),
            ("amount", json!("SECRET")),
            ("amount", json!(-1)),
            ("amount", json!(9_223_372_036_854_775_808_u64)),
            ("amount_captured", json!(-1)),
            ("amount_refunded", json!(1.0)),
            ("captured", json!("SECRET")),
            ("disputed", json!(1)),
            ("currency", json!("dollar")),
            ("currency", json!("u1d")),
            ("failure_code", json!({"SECRET": 1})),
            ("failure_message", json!(["SECRET"])),
            ("created", json!(-1)),
            ("created", json!(1_700_000_000_000_u64)),
            ("created", json!("2025-01-01")),
        ];
        for (name, value) in cases {
            let refusal = content(&with(&json!({ name: value })).to_string()).unwrap_err();
            assert!(refusal.starts_with(name), "{name}: {refusal}");
            assert!(!refusal.contains("SECRET") && refusal.len() < 100, "{refusal}");
        }
        for name in ["id", "amount", "currency", "status", "created"] {
            let mut charge = base();
            charge.as_object_mut().unwrap().remove(name);
            assert_eq!(content(&charge.to_string()), Err(format!("{name} is missing")));
        }
    }
}
