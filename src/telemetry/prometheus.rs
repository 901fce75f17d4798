//! The database host's load during a run, asked of Prometheus: what the collector's hostmetrics
//! receiver on that host has measured, under the names that they have in Prometheus.

use super::load::Load;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

/// For one question.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How many points of a figure are asked for at most.
const POINTS_MAX: i32 = 100;

/// Name, factor to whole numbers, and question of each figure. `HOST` selects the database's.
const FIGURES: [(&str, f64, &str); 7] = [
    (
        "cpu_utilization_thousandths",
        1_000.0,
        "1 - avg(system_cpu_utilization_ratio{HOST,state=\"idle\"})",
    ),
    (
        "memory_utilization_thousandths",
        1_000.0,
        "sum(system_memory_utilization_ratio{HOST,state=\"used\"})",
    ),
    ("load_1m_thousandths", 1_000.0, "max(system_cpu_load_average_1m{HOST})"),
    (
        "network_bytes_per_second",
        1.0,
        "sum(rate(system_network_io_bytes_total{HOST,device!=\"lo\"}[1m]))",
    ),
    (
        "disk_read_bytes_per_second",
        1.0,
        "sum(rate(system_disk_io_bytes_total{HOST,direction=\"read\"}[1m]))",
    ),
    (
        "disk_written_bytes_per_second",
        1.0,
        "sum(rate(system_disk_io_bytes_total{HOST,direction=\"write\"}[1m]))",
    ),
    ("disk_free_bytes", 1.0, "min(system_filesystem_usage_bytes{HOST,state=\"free\"})"),
];
const HOST: &str = "payment_monitor_host_role=\"database\"";

/// Asks for the figures of a stretch of time; gives them, or a note why there are none. It is
/// never an error: the run is over.
pub async fn database_host(url: &SecretString, from: DateTime<Utc>, until: DateTime<Utc>) -> Value {
    let (figures, mut note) = match ask(url, from, until).await {
        Ok(load) if load.is_empty() => (load, Some("Prometheus has no such figures".to_owned())),
        Ok(load) => (load, None),
        Err(why) => (Load::default(), Some(why)),
    };
    if let Some(note) = &mut note {
        *note = note.replace(url.expose_secret(), "<url>");
    }
    json!({ "from": from, "until": until, "host": figures.extents(), "note": note })
}

async fn ask(
    url: &SecretString,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Load, String> {
    // Where none is set yet; all of this program's TLS is by ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(TIMEOUT).build();
    let client = client.map_err(told)?;
    let base = url.expose_secret().trim_end_matches('/');
    let step = ((until - from) / POINTS_MAX).max(TimeDelta::seconds(1));
    let mut load = Load::default();
    for (name, factor, question) in FIGURES {
        let window = [
            ("query", question.replace("HOST", HOST)),
            ("start", from.to_rfc3339()),
            ("end", until.to_rfc3339()),
            ("step", format!("{}s", step.num_seconds())),
        ];
        let request = client.get(format!("{base}/api/v1/query_range")).query(&window);
        let answer = request.send().await.map_err(told)?;
        let answer = answer.error_for_status().map_err(told)?;
        let answer: Value = answer.json().await.map_err(told)?;
        for figure in values(&answer) {
            load.add(name, figure * factor);
        }
    }
    Ok(load)
}

/// The values of the first series, which Prometheus gives as texts.
fn values(answer: &Value) -> Vec<f64> {
    let points = answer["data"]["result"][0]["values"].as_array().into_iter().flatten();
    points.filter_map(|point| point[1].as_str()?.parse().ok()).collect()
}

/// An error without its URL, which may hold a password.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    format!("Prometheus could not be asked: {told}")
}
