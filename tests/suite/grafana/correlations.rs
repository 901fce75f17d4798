//! The ways from a trace, a log line or a metric into the record: the queries that Explore then
//! asks of PostgreSQL, out of the data sources' file.

use super::boards::{Target, list};
use super::look::answer;
use super::panels::range;
use super::scenario::world;
use super::variables::Values;
use serde_json::Value;
use std::path::Path;

fn all() -> Vec<Value> {
    let file = "grafana/provisioning/datasources/payment-monitor.yaml";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    list(&file["datasources"]).iter().flat_map(|one| list(&one["correlations"]).to_vec()).collect()
}

/// Label and query of every correlation that leads to PostgreSQL.
fn into_the_record() -> Vec<(String, String)> {
    let correlations = all();
    let ours = correlations.iter();
    let ours = ours.filter(|one| one["targetUID"] == "payment-monitor-postgresql");
    let found = ours.map(|one| {
        // Provisioning takes a single dollar for one of its own variables.
        let query = one["config"]["target"]["rawSql"].as_str().unwrap().replace("$$", "$");
        (one["label"].as_str().unwrap().to_owned(), query)
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_into_the_record_arrives() {
    let (world, mut ledger, mut reader) = world().await;
    let trace = world.first.replace('-', "");
    let span = format!("SELECT min(span_id) FROM run_operations WHERE run_id = '{}'", world.first);
    let span = ledger.text(&span).await;
    let correlations = into_the_record();
    assert!(correlations.len() >= 4, "{correlations:?}");
    for (label, query) in correlations {
        // Ids are shown without their leading zeros in places.
        let query = query
            .replace("${__data.fields.Run}", &world.first)
            .replace("${__data.fields.traceID}", trace.trim_start_matches('0'))
            .replace("${__data.fields.spanID}", span.trim_start_matches('0'));
        let target = Target { sql: query, is_series: false };
        let found = answer(&mut reader, &target, &Values::new(), &range()).await;
        let found = found.unwrap_or_else(|error| panic!("{label}: {error}"));
        assert!(found.rows.iter().any(|row| row["run_id"] == world.first), "{label}: {found:?}");
    }
}

/// PostgreSQL's expressions know no names of groups: they are taken out, and their order is kept.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_run_is_made_of_the_parts_of_its_id() {
    let (world, mut ledger, _reader) = world().await;
    let correlations = all();
    let of_runs = correlations.iter().find(|one| one["label"] == "The run's trace").unwrap();
    let config = &of_runs["config"];
    let mut expression = config["transformations"][0]["expression"].as_str().unwrap().to_owned();
    let query = config["target"]["query"].as_str().unwrap();
    let names: Vec<&str> = query.split("$${").skip(1).map(|part| &part[..1]).collect();
    for name in &names {
        expression = expression.replace(&format!("(?<{name}>"), "(");
    }
    assert_eq!(names.join(""), "abcde");
    let parts = format!(
        "SELECT array_to_string(regexp_match(run_id::text, '^{expression}$'), '') = trace_id
        FROM run_summary WHERE run_id = '{}'",
        world.first
    );
    assert_eq!(ledger.text(&parts).await, "true");
}
