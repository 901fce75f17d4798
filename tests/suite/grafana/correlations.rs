//! The ways from a trace, a log line or a metric into the record: the queries that Explore then
//! asks of PostgreSQL, out of the data sources' file.

use super::boards::{Target, list};
use super::look::answer;
use super::panels::range;
use super::scenario::world;
use super::variables::Values;
use serde_json::Value;
use std::path::Path;

/// Label and query of every correlation that leads to PostgreSQL.
fn into_the_record() -> Vec<(String, String)> {
    let file = "grafana/provisioning/datasources/payment-monitor.yaml";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let correlations = list(&file["datasources"]).iter().flat_map(|one| list(&one["correlations"]));
    let ours = correlations.filter(|one| one["targetUID"] == "payment-monitor-postgresql");
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
