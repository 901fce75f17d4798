//! Every query of the dashboards in `PromQL`, `LogQL` and `TraceQL` in front of the real servers:
//! it names what is there, has data after a scenario, and is shown in a unit that fits. SQL is
//! asked for in tests/suite/grafana.

use crate::alerts;
use crate::asking::{PATIENCE, until};
use crate::checks::{Checks, Excuses};
use crate::company::Run;
use crate::expand::Variable;
use crate::grafana::{Query, Source, dashboards};
use crate::links;
use crate::stack::Stack;
use chrono::{TimeDelta, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What no scenario brings about here.
const EXCUSES: Excuses = Excuses {
    metrics: &[
        ("otelcol_exporter_send_failed_spans_total", "is made by the first refusal for good"),
        ("otelcol_exporter_send_failed_metric_points_total", "the same"),
    ],
    queries: &[
        ("grafana_alerting_", "Grafana makes it, whose server can't be run here"),
        ("job=\"grafana\"", "the same"),
    ],
};

type Variables = BTreeMap<String, Variable>;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn every_query_of_the_dashboards_is_answered_and_shown_as_what_it_is() {
    let mut stack = Stack::start().await;
    let run = scenario(&stack).await;
    let boards = dashboards();
    assert!(boards.len() >= 2, "{} dashboards", boards.len());
    let mut open = Vec::new();
    let checks = Checks { stack: &stack, excuses: &EXCUSES };
    for board in &boards {
        let (given, what) = (given(&run), format!("the variables of {}", board.uid));
        let variables = until(&what, async || checks.variables(board, &given).await).await;
        let queries = board.queries.iter().filter(|query| query.source != Source::Postgresql);
        open.extend(queries.map(|query| (query.clone(), variables.clone())));
    }
    let count = open.len();
    all_answered(&checks, open).await;
    assert_mistakes_are_found(&checks).await;
    let rules = alerts::rules();
    alerts::assert_each_reads_what_is_there(&checks, &rules).await;
    links::assert_spans_and_lines_lead_to_each_other(&checks, &run).await;
    links::assert_correlations_lead_somewhere(&mut stack, &run).await;
    println!("{count} queries of {} dashboards, {} alert rules", boards.len(), rules.len());
}

/// Two runs of which an operation fails, and a line that Loki refuses because it is too old.
async fn scenario(stack: &Stack) -> Run {
    let run = stack.run("a", 300).await;
    run.assert_delivered();
    stack.run("b", 300).await.assert_delivered();
    let at = (Utc::now() - TimeDelta::days(30)).timestamp_nanos_opt().unwrap().to_string();
    let record = json!({ "timeUnixNano": at, "body": { "stringValue": "a month ago" } });
    let resource = json!({ "attributes": [
        { "key": "service.name", "value": { "stringValue": "old" } },
    ] });
    let logs = json!({ "resourceLogs": [
        { "resource": resource, "scopeLogs": [{ "logRecords": [record] }] },
    ] });
    stack.job_agent().post("/v1/logs", &logs).await;
    run
}

/// What a person would choose or write, where Prometheus isn't asked for it.
fn given(run: &Run) -> Vec<(&'static str, Vec<String>)> {
    let several = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    vec![
        ("run", several(&[run.id()])),
        ("trace", several(&[run.trace()])),
        ("user", several(&["1"])),
        ("payment", several(&["ch_a_1"])),
        ("subscription", several(&[""])),
        ("action", several(&["new", "update", "delete"])),
        ("outcome", several(&["applied", "failed", "conflict"])),
        ("code", several(&["card_declined"])),
    ]
}

/// Asks again what has no answer yet; late is what is scraped, searched for and delivered.
async fn all_answered(checks: &Checks<'_>, mut open: Vec<(Query, Variables)>) {
    let started = Instant::now();
    loop {
        let (mut faults, mut again) = (Vec::new(), Vec::new());
        for (query, variables) in open {
            if let Err(fault) = checks.check(&query, &variables).await {
                let Query { dashboard, place, text, .. } = &query;
                faults.push(format!("{dashboard}, {place}: {fault}\n    {text}"));
                again.push((query, variables));
            }
        }
        if faults.is_empty() {
            return;
        }
        let waited = started.elapsed();
        assert!(waited < PATIENCE, "{} queries:\n{}", faults.len(), faults.join("\n"));
        open = again;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A check that lets mistakes through is none: each of these is refused for what is wrong in it.
async fn assert_mistakes_are_found(checks: &Checks<'_>) {
    let planted = |source, text: &str, unit: &str, legend: &str| Query {
        dashboard: "planted".to_owned(),
        place: text.to_owned(),
        source,
        text: text.to_owned(),
        is_instant: false,
        legend: legend.to_owned(),
        units: Some(vec![unit.to_owned()]),
    };
    let variables = Variables::new();
    let good = "sum by (state) (system_memory_usage_bytes{state!=\"free\"})";
    let fine = planted(Source::Prometheus, good, "bytes", "{{state}}");
    assert_eq!(checks.check(&fine, &variables).await, Ok(()), "without a mistake");
    let swapped = |from: &str, to: &str| good.replacen(from, to, 1);
    let or = format!("{good} or sum by (state) (system_memory_usage_byte)");
    for (source, text, unit, legend, fault) in [
        (Source::Prometheus, swapped("memory", "memroy"), "bytes", "", "system_memroy_usage_bytes"),
        (Source::Prometheus, or, "bytes", "", "system_memory_usage_byte is not there"),
        (Source::Prometheus, swapped("{state", "{stat"), "bytes", "", "has no label stat"),
        (Source::Prometheus, swapped("by (state", "by (stat"), "bytes", "", "grouped by stat"),
        (Source::Prometheus, swapped("!=", "="), "Bps", "", "\"Bps\" does not fit"),
        (Source::Prometheus, good.to_owned(), "bytes", "{{host_name}}", "legend names host_name"),
        (Source::Prometheus, swapped("!=\"free\"", "=\"fee\""), "bytes", "", "no data"),
        (Source::Prometheus, swapped("free", "$sate"), "bytes", "", "no variable \"sate\""),
        (Source::Prometheus, swapped("sum", "summ"), "bytes", "", "parse error"),
        (Source::Loki, "{service_name=\"postgres\"}".to_owned(), "", "", "no lines"),
        (Source::Loki, "{service_name=}".to_owned(), "", "", "parse error"),
        (Source::Tempo, "{ span.payment_monitor.run.di != nil }".to_owned(), "", "", "no spans"),
        (Source::Tempo, "{ name = run }".to_owned(), "", "", "400"),
        (Source::Tempo, "0".repeat(31) + "1", "", "", "no spans"),
    ] {
        let found = checks.check(&planted(source, &text, unit, legend), &variables).await;
        let found = found.expect_err(&text);
        assert!(found.contains(fault), "{text}: {found:?} instead of {fault:?}");
    }
    for query in ["label_values(up, hots)", "label_values(upp, job)", "label_names(up)"] {
        assert!(checks.label_values(query).await.is_err(), "{query}");
    }
}
