//! Late data, as an agent delivers it after an outage of a day: accepted behind what is there.

use crate::asking::until;
use crate::stack::{GATEWAY, Stack};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

const HOURS: i64 = 23;

fn nanoseconds(at: DateTime<Utc>) -> String {
    at.timestamp_nanos_opt().unwrap().to_string()
}

fn resource() -> Value {
    json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "late" } }] })
}

fn metric(at: DateTime<Utc>, value: i64) -> Value {
    let point = json!({ "timeUnixNano": nanoseconds(at), "asInt": value.to_string() });
    json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "metrics": [
        { "name": "payment_monitor_late", "gauge": { "dataPoints": [point] } },
    ] }] }] })
}

fn log(at: DateTime<Utc>, text: &str) -> Value {
    let record = json!({ "timeUnixNano": nanoseconds(at), "body": { "stringValue": text } });
    json!({ "resourceLogs": [
        { "resource": resource(), "scopeLogs": [{ "logRecords": [record] }] },
    ] })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn what_is_a_day_late_is_accepted_behind_what_is_of_today() {
    let stack = Stack::start().await;
    let now = Utc::now();
    let late = now - TimeDelta::hours(HOURS);
    for (at, value, text) in [(now, 2, "of today"), (late, 1, "of yesterday")] {
        stack.job_agent().post("/v1/metrics", &metric(at, value)).await;
        stack.job_agent().post("/v1/logs", &log(at, text)).await;
        let query = format!("max(payment_monitor_late @ {})", at.timestamp() + 1);
        until(&query, async || {
            let found = stack.prometheus.value(&query).await?;
            let expected = f64::from(i32::try_from(value).unwrap());
            let is_so = (found - expected).abs() < f64::EPSILON;
            if is_so { Ok(()) } else { Err(format!("{found} instead of {expected}")) }
        })
        .await;
        let (since, until_then) = (at.timestamp() - 60, at.timestamp() + 60);
        until(text, async || {
            let range = (since.to_string(), until_then.to_string());
            let lines = stack.loki.lines("{service_name=\"late\"}", &range.0, &range.1).await?;
            let found = lines.iter().any(|(line, _)| line == text);
            if found { Ok(()) } else { Err(format!("{lines:?}")) }
        })
        .await;
    }
    assert!(!stack.log(GATEWAY).contains("Dropping data"), "{}", stack.log(GATEWAY));
}
