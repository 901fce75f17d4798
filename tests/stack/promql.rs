//! A `PromQL` query as Prometheus parses it: which series it names, and in which unit it answers.
//!
//! The tree is that of `/api/v1/parse_query`. Units follow from the names, which end in the unit
//! where they came by OTLP: `_seconds`, `_bytes`, `_ratio`; everything else counts things.

use crate::grafana::{list, text};
use serde_json::Value;

/// What a query reads: a metric with the labels that it names.
pub struct Selector {
    pub metric: String,
    pub labels: Vec<String>,
}

/// Powers of seconds, bytes and things; and 1000 where seconds are given in thousandths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    seconds: i8,
    bytes: i8,
    things: i8,
    scale: f64,
}

use Shown::{Number, Of};

const SECONDS: Measure = Measure { seconds: 1, bytes: 0, things: 0, scale: 1.0 };
const BYTES: Measure = Measure { seconds: 0, bytes: 1, things: 0, scale: 1.0 };
const THINGS: Measure = Measure { seconds: 0, bytes: 0, things: 1, scale: 1.0 };
const SHARE: Measure = Measure { seconds: 0, bytes: 0, things: 0, scale: 1.0 };

/// A number of the query itself takes the unit of whatever it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Number(f64),
    Of(Measure),
}

pub fn selectors(node: &Value) -> Vec<Selector> {
    let mut found = Vec::new();
    walk(node, &mut |node| {
        if text(&node["type"]).ends_with("Selector") {
            let matchers = list(&node["matchers"]);
            let names = matchers.iter().map(|matcher| text(&matcher["name"]));
            let labels = names.filter(|name| name != "__name__").collect();
            found.push(Selector { metric: text(&node["name"]), labels });
        }
    });
    found
}

/// A `by (...)`: what it groups by that `label_replace` has not made, and the metrics below it.
pub struct Grouping {
    pub labels: Vec<String>,
    pub below: Vec<Selector>,
}

pub fn groupings(node: &Value) -> Vec<Grouping> {
    let mut found = Vec::new();
    walk(node, &mut |node| {
        if node["type"] == "aggregation" && node["without"] != true {
            let mut labels: Vec<String> = list(&node["grouping"]).iter().map(text).collect();
            walk(&node["expr"], &mut |made| {
                if made["func"]["name"] == "label_replace" {
                    let made = text(&made["args"][1]["val"]);
                    labels.retain(|label| *label != made);
                }
            });
            found.push(Grouping { labels, below: selectors(&node["expr"]) });
        }
    });
    found
}

fn walk(node: &Value, see: &mut impl FnMut(&Value)) {
    match node {
        Value::Object(fields) => {
            see(node);
            fields.values().for_each(|field| walk(field, see));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        _ => {}
    }
}

/// Whether the values of a query can be shown in a unit of Grafana.
pub fn fits(node: &Value, unit: &str) -> Result<(), String> {
    let measure = match measure(node)? {
        Of(measure) => measure,
        Number(_) => THINGS,
    };
    let is_ratio = selectors(node).iter().any(|s| is_share(&s.metric));
    let Measure { seconds, bytes, things, scale } = measure;
    let fitting: &[&str] = match (seconds, bytes, things) {
        (1, 0, 0) if is(scale, 1000.0) => &["ms", "dateTime"],
        (0, 0, 0) if is(scale, 100.0) => &["percent"],
        _ if !is(scale, 1.0) => &[],
        (1, 0, 0) => &["s", "dtdurations", "clocks"],
        (0, 1, 0) => &["bytes", "decbytes"],
        (-1, 1, 0) => &["Bps", "binBps"],
        (-1, 0, 1) => &["ops", "cps", "reqps", "rps", "rowsps", "pps", "iops", "eps", "wps"],
        (0, 0, 0) if is_ratio => &["percentunit"],
        (0, 0, 0) => &["percentunit", "none", "short"],
        (0, 0, 1) => &["none", "short", "locale", "", "bool", "bool_on_off", "bool_yes_no"],
        _ => &[],
    };
    let is_date = unit.starts_with("dateTime") && fitting.contains(&"dateTime");
    if is_date || fitting.contains(&unit) {
        return Ok(());
    }
    Err(format!("the unit {unit:?} does not fit {measure:?}: one of {fitting:?} would"))
}

fn is(number: f64, other: f64) -> bool {
    (number - other).abs() < 1e-9 * other.abs()
}

/// A unit "1" becomes `_ratio` too, but the flags of the last run's status are no shares.
fn is_share(metric: &str) -> bool {
    metric.ends_with("_ratio") && !metric.ends_with("_status_ratio")
}

fn measure(node: &Value) -> Result<Shown, String> {
    Ok(match node["type"].as_str().unwrap_or_default() {
        "numberLiteral" => Number(text(&node["val"]).parse().map_err(|e| format!("{e}"))?),
        "vectorSelector" | "matrixSelector" => Of(of_metric(&text(&node["name"]))),
        "parenExpr" | "subquery" | "unaryExpr" => measure(&node["expr"])?,
        "aggregation" => match node["op"].as_str().unwrap_or_default() {
            "count" | "count_values" | "group" => Of(THINGS),
            _ => measure(&node["expr"])?,
        },
        "call" => of_call(node)?,
        "binaryExpr" => of_pair(node)?,
        other => return Err(format!("a {other:?} in a query: its unit is not known here")),
    })
}

fn of_metric(name: &str) -> Measure {
    if name.ends_with("_count") || name.ends_with("_bucket") {
        return THINGS;
    }
    let name = name.trim_end_matches("_total").trim_end_matches("_sum");
    if name.ends_with("_milliseconds") {
        Measure { scale: 1000.0, ..SECONDS }
    } else if name.ends_with("_seconds") {
        SECONDS
    } else if name.ends_with("_bytes") {
        BYTES
    } else if is_share(name) {
        SHARE
    } else {
        THINGS
    }
}

fn of_call(node: &Value) -> Result<Shown, String> {
    let name = text(&node["func"]["name"]);
    let arguments = list(&node["args"]);
    Ok(match name.as_str() {
        "time" | "timestamp" => Of(SECONDS),
        "count_over_time" | "changes" | "resets" | "absent" | "absent_over_time" | "sgn"
        | "present_over_time" | "hour" | "minute" | "day_of_week" => Of(THINGS),
        "rate" | "irate" | "deriv" => match measure(&arguments[0])? {
            Of(measure) => Of(Measure { seconds: measure.seconds - 1, ..measure }),
            number @ Number(_) => number,
        },
        "histogram_quantile" => {
            let bucket = selectors(&arguments[1]).pop().ok_or("a quantile of nothing")?.metric;
            Of(of_metric(bucket.trim_end_matches("_bucket")))
        }
        "quantile_over_time" => measure(&arguments[1])?,
        _ => match arguments.first() {
            Some(first) => measure(first)?,
            None => return Err(format!("the unit of {name}() is not known here")),
        },
    })
}

fn of_pair(node: &Value) -> Result<Shown, String> {
    let (left, right) = (measure(&node["lhs"])?, measure(&node["rhs"])?);
    Ok(match (node["op"].as_str().unwrap_or_default(), left, right) {
        ("and" | "unless", _, _) => left,
        (">" | "<" | "==" | "!=" | ">=" | "<=", _, _) if node["bool"] == true => Of(THINGS),
        ("*", Number(a), Number(b)) => Number(a * b),
        ("/", Number(a), Number(b)) => Number(a / b),
        // Nothing, of whatever unit.
        ("*", Number(zero), Of(_)) | ("*", Of(_), Number(zero)) if zero == 0.0 => Number(0.0),
        ("*", Number(n), Of(m)) | ("*", Of(m), Number(n)) => {
            Of(Measure { scale: m.scale * n, ..m })
        }
        ("/", Of(m), Number(n)) => Of(Measure { scale: m.scale / n, ..m }),
        ("/", Number(_), Of(m)) => Of(raised(SHARE, m, -1)),
        ("*", Of(a), Of(b)) => Of(raised(a, b, 1)),
        ("/", Of(a), Of(b)) => Of(raised(a, b, -1)),
        (_, Number(_), other) | (_, other, Number(_)) => other,
        (_, Of(a), Of(b)) if a == b => left,
        (op, Of(a), Of(b)) => return Err(format!("{a:?} {op} {b:?} has no meaning")),
    })
}

fn raised(a: Measure, b: Measure, sign: i8) -> Measure {
    Measure {
        seconds: a.seconds + sign * b.seconds,
        bytes: a.bytes + sign * b.bytes,
        things: a.things + sign * b.things,
        scale: a.scale * if sign > 0 { b.scale } else { 1.0 / b.scale },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(name: &str) -> Value {
        json!({ "type": "vectorSelector", "name": name,
            "matchers": [{ "name": "host" }, { "name": "__name__" }] })
    }

    fn call(name: &str, of: &Value) -> Value {
        json!({ "type": "call", "func": { "name": name }, "args": [of] })
    }

    fn pair(left: &Value, op: &str, right: &Value) -> Value {
        json!({ "type": "binaryExpr", "lhs": left, "op": op, "rhs": right, "bool": false })
    }

    #[test]
    fn units_follow_from_names_and_wrong_ones_are_refused() {
        let bytes = selector("io_bytes_total");
        let number = json!({ "type": "numberLiteral", "val": "1000" });
        let moment = selector("success_time_seconds");
        let share = pair(&selector("used_bytes"), "/", &selector("limit_bytes"));
        let until_full =
            pair(&selector("free_bytes"), "/", &call("deriv", &selector("free_bytes")));
        for (query, right, wrong) in [
            (call("rate", &bytes), "Bps", "bytes"),
            (call("increase", &bytes), "bytes", "Bps"),
            (call("rate", &selector("busy_seconds_total")), "percentunit", "s"),
            (call("rate", &selector("errors_total")), "cps", "none"),
            (selector("used_ratio"), "percentunit", "none"),
            (selector("run_last_status_ratio"), "none", "percentunit"),
            (selector("sessions"), "none", "percentunit"),
            (share, "percentunit", "percent"),
            (until_full, "s", "bytes"),
            (pair(&moment, "*", &number), "dateTimeAsIso", "s"),
            (pair(&selector("wait_milliseconds"), "/", &number), "s", "ms"),
        ] {
            assert_eq!(fits(&query, right), Ok(()), "{query}");
            assert!(fits(&query, wrong).is_err(), "{wrong}: {query}");
        }
        assert!(fits(&pair(&bytes, "+", &moment), "s").is_err(), "bytes and seconds");
    }

    #[test]
    fn what_a_query_reads_is_named_with_its_labels() {
        let query = pair(&call("rate", &selector("a")), "or", &selector("b"));
        let found = selectors(&query);
        assert_eq!([&found[0].metric, &found[1].metric], ["a", "b"]);
        assert_eq!(found[0].labels, ["host"]);
    }
}
