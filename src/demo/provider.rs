//! The statement's records as Stripe's API writes them: charge, subscription and customer.
//!
//! Only the fields that matter here, and a few that a reader has to pass over.

use super::company::{PaymentRow, SubscriptionRow};
use super::pairs::Listed;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// A charge; one line of the NDJSON file.
pub(super) fn charge(listed: &Listed<PaymentRow>) -> Value {
    let row = &listed.row;
    let suffix = &row.provider_payment_id["ch_".len()..];
    json!({
        "id": row.provider_payment_id,
        "object": "charge",
        "amount": row.amount_minor,
        "amount_captured": row.amount_captured_minor,
        "amount_refunded": row.amount_refunded_minor,
        "captured": row.amount_captured_minor > 0,
        "created": row.created_at.timestamp(),
        "currency": row.currency.as_str().to_ascii_lowercase(),
        "customer": listed.customer,
        "disputed": row.disputed,
        "failure_code": row.failure_code.as_deref().map(failure_code),
        "failure_message": row.failure_message,
        "livemode": true,
        "metadata": {},
        "outcome": outcome(row),
        "paid": row.status == "succeeded",
        "payment_intent": format!("pi_{suffix}"),
        "payment_method_details": {
            "card": { "fingerprint": row.payment_method_fingerprint },
            "type": "card",
        },
        "refunded": row.amount_refunded_minor > 0 && row.amount_refunded_minor == row.amount_minor,
        "status": row.status,
    })
}

/// A few declines have a code of their own; for all others the code is `card_declined`, and the
/// decline code stands in the outcome's reason. Source: Stripe's documentation, "Error codes".
fn failure_code(decline_code: &str) -> &str {
    match decline_code {
        "authentication_required"
        | "expired_card"
        | "incorrect_cvc"
        | "incorrect_number"
        | "processing_error" => decline_code,
        _ => "card_declined",
    }
}

fn outcome(row: &PaymentRow) -> Value {
    match row.status.as_str() {
        "failed" => json!({
            "network_status": "declined_by_network",
            "reason": row.failure_code,
            "risk_level": "normal",
            "type": "issuer_declined",
        }),
        "succeeded" => json!({
            "network_status": "approved_by_network",
            "reason": null,
            "risk_level": "normal",
            "type": "authorized",
        }),
        _ => Value::Null,
    }
}

/// A subscription with one item. Its period stands at the item, as the API has it since 2025.
pub(super) fn subscription(listed: &Listed<SubscriptionRow>) -> Value {
    let row = &listed.row;
    let suffix = &row.provider_subscription_id["sub_".len()..];
    let created = row.created_at.timestamp();
    let item = json!({
        "id": format!("si_{suffix}"),
        "object": "subscription_item",
        "created": created,
        "current_period_end": row.current_period_end.map(|end| end.timestamp()),
        "price": { "id": row.plan, "object": "price", "livemode": true },
        "quantity": 1,
    });
    json!({
        "id": row.provider_subscription_id,
        "object": "subscription",
        "created": created,
        "customer": listed.customer,
        "items": { "object": "list", "data": [item], "has_more": false },
        "livemode": true,
        "metadata": {},
        "status": row.status,
    })
}

/// A customer that says which of the company's users it is.
pub(super) fn customer(id: &str, user_id: i64, created: DateTime<Utc>) -> Value {
    json!({
        "id": id,
        "object": "customer",
        "created": created.timestamp(),
        "livemode": true,
        "metadata": { "user_id": user_id.to_string() },
    })
}
