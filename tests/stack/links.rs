//! The ways that grafana/provisioning/datasources opens between the data sources, each gone by hand
//! on a run: from a span to its lines and its host's figures, from a line to its trace, and the
//! correlations from one source to another.

use crate::asking::{equal, until};
use crate::checks::{Checks, setting};
use crate::company::Run;
use crate::grafana::{Query, Source, list, text};
use crate::servers::{JOB_HOST, repository};
use crate::stack::Stack;
use crate::trace::all_spans;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a person has clicked on: the fields of one failed operation of the run.
type Fields = BTreeMap<String, String>;

/// The data sources as Grafana reads them: two dollar signs are one.
fn sources() -> Vec<Value> {
    let file = repository("grafana/provisioning/datasources/payment-monitor.yaml");
    let file = std::fs::read_to_string(file).unwrap().replace("$$", "$");
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    list(&file["datasources"])
}

fn source<'a>(sources: &'a [Value], uid: &str) -> &'a Value {
    sources.iter().find(|source| source["uid"] == uid).expect("the data source")
}

pub async fn assert_spans_and_lines_lead_to_each_other(checks: &Checks<'_>, run: &Run) {
    let sources = sources();
    let tempo = source(&sources, "payment-monitor-tempo");
    let line = assert_a_span_leads_to_its_lines(checks.stack, tempo, run).await;
    assert_a_span_leads_to_its_hosts_figures(checks, tempo).await;
    // And from a line back to its trace.
    let loki = source(&sources, "payment-monitor-loki");
    let derived = list(&loki["jsonData"]["derivedFields"]);
    let label = |field: &Value| line[&text(&field["matcherRegex"])].clone();
    let found: Vec<Value> = derived.iter().map(label).collect();
    assert_eq!(found, [run.trace(), run.id()], "{derived:?}");
}

/// As Tempo's data source writes the query: `tags` are the span's, renamed to labels.
async fn assert_a_span_leads_to_its_lines(stack: &Stack, tempo: &Value, run: &Run) -> Value {
    let way = &tempo["jsonData"]["tracesToLogsV2"];
    assert_eq!(way["datasourceUid"], "payment-monitor-loki");
    assert_eq!(way["customQuery"], true);
    let spans = all_spans(stack, run).await;
    let root = spans.iter().find(|span| span.id("parentSpanId").is_empty()).unwrap();
    let tag = |tag: &Value| {
        let value = root.resource_attribute(&text(&tag["key"])).expect("the tag on the root");
        format!("{}=\"{value}\"", text(&tag["value"]))
    };
    let tags: Vec<String> = list(&way["tags"]).iter().map(tag).collect();
    let query = text(&way["query"])
        .replace("${__tags}", &tags.join(", "))
        .replace("${__trace.traceId}", run.trace());
    assert!(!query.contains('$'), "{query}");
    assert_eq!([&way["spanStartTimeShift"], &way["spanEndTimeShift"]], ["-1m", "1m"]);
    let at = |field: &str, shift: i64| {
        let nanoseconds: i64 = text(&root.span[field]).parse().unwrap();
        (nanoseconds / 1_000_000_000 + shift).to_string()
    };
    let (since, end) = (at("startTimeUnixNano", -60), at("endTimeUnixNano", 60));
    let made = run.document["telemetry"]["logs"]["made"].as_u64().unwrap();
    let lines = until(&query, async || {
        let lines = stack.loki.lines(&query, &since, &end).await?;
        equal(&(lines.len() as u64), &made).map(|()| lines)
    });
    lines.await.remove(0).1
}

async fn assert_a_span_leads_to_its_hosts_figures(checks: &Checks<'_>, tempo: &Value) {
    let way = &tempo["jsonData"]["tracesToMetrics"];
    let [tag] = &list(&way["tags"])[..] else { panic!("one tag: {way}") };
    let tags = format!("{}=\"{JOB_HOST}\"", text(&tag["value"]));
    let queries = list(&way["queries"]);
    assert!(queries.len() >= 3, "{queries:?}");
    for one in queries {
        let query = Query {
            dashboard: "tracesToMetrics".to_owned(),
            place: text(&one["name"]),
            source: Source::Prometheus,
            text: text(&one["query"]).replace("$__tags", &tags),
            is_instant: false,
            legend: String::new(),
            units: None,
        };
        until(&query.place, async || checks.check(&query, &BTreeMap::new()).await).await;
    }
}

/// Every correlation, from the fields of the run and of its failed operation.
pub async fn assert_correlations_lead_somewhere(stack: &mut Stack, run: &Run) {
    let failed = format!("FROM run_operations WHERE run_id = '{}' AND fate = 'failed'", run.id());
    let mut fields = Fields::new();
    for (name, column) in [
        ("operation_id", "operation_id"),
        ("user_id", "user_id"),
        ("spanID", "span_id"),
        ("run_id", "run_id"),
        ("Run", "run_id"),
    ] {
        let value = stack.company.text(&format!("SELECT {column} {failed}")).await;
        fields.insert(name.to_owned(), value);
    }
    for name in ["trace_id", "traceID"] {
        fields.insert(name.to_owned(), run.trace().to_owned());
    }
    fields.insert("host_name".to_owned(), JOB_HOST.to_owned());
    let correlations = sources().into_iter().flat_map(|source| list(&source["correlations"]));
    let correlations: Vec<Value> = correlations.collect();
    assert!(correlations.len() >= 5, "{correlations:?}");
    for correlation in &correlations {
        follow(stack, correlation, &fields).await;
    }
}

async fn follow(stack: &mut Stack, correlation: &Value, fields: &Fields) {
    let (label, config) = (text(&correlation["label"]), &correlation["config"]);
    let field = text(&config["field"]);
    assert!(fields.contains_key(&field), "{label}: {field} is in no answer");
    let mut fields = fields.clone();
    if !list(&config["transformations"]).is_empty() {
        // The only transformation that there is: an id's groups by their names.
        let groups: Vec<String> = fields["run_id"].split('-').map(str::to_owned).collect();
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        fields.extend(names.into_iter().zip(groups));
    }
    let (target, to) = (&config["target"], text(&correlation["targetUID"]));
    let name = match to.as_str() {
        "payment-monitor-tempo" => "query",
        "payment-monitor-loki" => "expr",
        "payment-monitor-postgresql" => "rawSql",
        other => panic!("{label}: to {other}"),
    };
    let mut query = text(&target[name]);
    for (field, value) in &fields {
        query = query.replace(&format!("${{__data.fields.{field}}}"), value);
        query = query.replace(&format!("${{{field}}}"), value);
    }
    if name == "rawSql" {
        let mut setting = setting(BTreeMap::new());
        setting.to += chrono::TimeDelta::minutes(1);
        let sql = setting.expand(Source::Postgresql, &query).expect(&label);
        let rows = stack.company.number(&format!("SELECT count(*) FROM ({sql}) asked")).await;
        assert!(rows > 0, "{label}: no rows: {sql}");
        return;
    }
    let source = if name == "expr" { Source::Loki } else { Source::Tempo };
    let query = Query {
        dashboard: "correlations".to_owned(),
        place: label,
        source,
        text: query,
        is_instant: false,
        legend: String::new(),
        units: None,
    };
    let excuses = crate::checks::Excuses { metrics: &[], queries: &[] };
    let checks = Checks { stack, excuses: &excuses };
    until(&query.place, async || checks.check(&query, &BTreeMap::new()).await).await;
}
