//! What must not leave is kept back by the gateway, wherever in a span or a log line it is; ids
//! are not.

use crate::asking::until;
use crate::hosts::ago;
use crate::stack::Stack;
use serde_json::{Value, json};

const SECRETS: [&str; 5] = [
    "jane.doe@example.com",
    "4111111111111111",
    "5500 0000 0000 0004",
    "3782-822463-10005",
    "6011000990139424",
];
const TRACE: &str = "0193aaaa0000700080000000000000aa";
const RUN: &str = "01934444-4444-7444-8444-444444444444";

/// Each secret in a sentence: a match must not depend on standing alone.
fn sentence(secret: &str) -> String {
    format!("charged {secret}, thanks")
}

fn attributes() -> Value {
    let secret = |(n, secret): (usize, &&str)| {
        json!({
            "key": format!("note.{n}"), "value": { "stringValue": sentence(secret) },
        })
    };
    let mut all: Vec<Value> = SECRETS.iter().enumerate().map(secret).collect();
    all.push(json!({ "key": "card", "value": { "intValue": SECRETS[1] } }));
    all.push(json!({ "key": "payment_monitor.run.id", "value": { "stringValue": RUN } }));
    // An id is opaque; were it to look like a card number, it would still be an id.
    let id = json!({ "stringValue": "4111111111111111" });
    all.push(json!({ "key": "payment_monitor.provider.id", "value": id }));
    all.push(json!({ "key": "trace", "value": { "stringValue": RUN } }));
    Value::Array(all)
}

fn resource() -> Value {
    json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "leaky" } }] })
}

fn span(number: usize, secret: &str, now: &str) -> Value {
    json!({
        "traceId": TRACE, "spanId": format!("00000000000000a{number}"),
        "name": sentence(secret), "kind": 1,
        "startTimeUnixNano": now, "endTimeUnixNano": now, "attributes": attributes(),
        "events": [{ "name": sentence(secret), "timeUnixNano": now, "attributes": attributes() }],
        "status": { "code": 2, "message": sentence(secret) },
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn card_numbers_and_addresses_do_not_leave_the_gateway_and_ids_do() {
    let stack = Stack::start().await;
    let at = chrono::Utc::now().timestamp_nanos_opt().unwrap();
    let now = at.to_string();
    let spans: Vec<Value> = SECRETS.iter().enumerate().map(|(n, s)| span(n, s, &now)).collect();
    let traces = json!({ "resourceSpans": [
        { "resource": resource(), "scopeSpans": [{ "spans": spans }] },
    ] });
    stack.job_agent().post("/v1/traces", &traces).await;
    // Masked they are equal, and of equal lines at one time Loki keeps one.
    let record = |(number, secret): (i64, &&str)| {
        json!({
            "timeUnixNano": (at + number).to_string(), "severityText": "INFO", "severityNumber": 9,
            "body": { "stringValue": sentence(secret) }, "attributes": attributes(),
            "traceId": TRACE,
        })
    };
    let records: Vec<Value> = (0..).zip(&SECRETS).map(record).collect();
    let logs = json!({ "resourceLogs": [
        { "resource": resource(), "scopeLogs": [{ "logRecords": records }] },
    ] });
    stack.job_agent().post("/v1/logs", &logs).await;

    let spans = until("the leaky spans", async || {
        let spans = stack.tempo.spans(TRACE).await?;
        if spans.len() < SECRETS.len() { Err(format!("{} spans", spans.len())) } else { Ok(spans) }
    })
    .await;
    for span in &spans {
        assert_masked(&span.span, "attributes");
        assert!(span.name().starts_with("charged ****"), "{}", span.name());
    }
    let query = format!("{{service_name=\"leaky\"}} | trace_id=\"{TRACE}\"");
    let lines = until("the leaky lines", async || {
        let lines = stack.loki.lines(&query, &ago(3600), &ago(-60)).await?;
        if lines.len() < SECRETS.len() { Err(format!("{} lines", lines.len())) } else { Ok(lines) }
    })
    .await;
    for (line, metadata) in &lines {
        assert!(line.starts_with("charged ****"), "{line}");
        assert_masked(metadata, "metadata");
    }
}

/// None of the secrets anywhere, and both ids as they were.
fn assert_masked(told: &Value, what: &str) {
    let mut text = told.to_string();
    assert!(text.contains(RUN), "{what}: the run's id is gone: {text}");
    assert!(text.contains("4111111111111111"), "{what}: the provider's id is gone: {text}");
    for id in [
        r#"{"key":"payment_monitor.provider.id","value":{"stringValue":"4111111111111111"}}"#,
        r#""payment_monitor_provider_id":"4111111111111111""#,
    ] {
        text = text.replace(id, "");
    }
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what}: {secret} leaked: {text}");
    }
}
