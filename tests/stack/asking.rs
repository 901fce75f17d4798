//! Questions to Tempo, Prometheus and Loki, through their HTTP APIs.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Client;
use serde_json::Value;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take. gRPC's and the exporters' back-off after an outage make up for most
/// of it.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Asks until there is an answer that will do; panics with the last one that didn't.
pub async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if started.elapsed() > PATIENCE => {
                panic!("waited {} s for {what}: {last}", PATIENCE.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// An answer that has to be equal to what is expected.
pub fn equal<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}

pub struct Backend {
    client: Client,
    address: String,
}

impl Backend {
    /// At a host and its port.
    pub fn at(address: &str) -> Self {
        // The client wants one even where it will never encrypt; the first to install it wins.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { client, address: format!("http://{address}") }
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let request = self.client.get(format!("{}{path}", self.address)).query(query);
        let response = request.send().await.map_err(|e| format!("{e:?}"))?;
        let (status, text) = (response.status(), response.text().await.unwrap_or_default());
        if !status.is_success() {
            return Err(format!("{path}: {status}: {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Sends OTLP, as a program without a library would.
    pub async fn post(&self, path: &str, body: &Value) {
        let request = self.client.post(format!("{}{path}", self.address)).json(body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.text().await.unwrap());
    }

    /// Prometheus: the series of an instant query, each with its labels and value.
    pub async fn series(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = self.get("/api/v1/query", &[("query", query)]).await?;
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// Prometheus: the value of a query that has one.
    pub async fn value(&self, query: &str) -> Result<f64, String> {
        let series = self.series(query).await?;
        let [one] = &series[..] else { return Err(format!("{query}: {series:?}")) };
        Ok(one["value"][1].as_str().unwrap().parse().unwrap())
    }

    /// Loki: each line's text with its labels and structured metadata, in a span of time.
    pub async fn lines(
        &self,
        query: &str,
        since: &str,
        until: &str,
    ) -> Result<Vec<(String, Value)>, String> {
        let range = [("query", query), ("start", since), ("end", until), ("limit", "5000")];
        let answer = self.get("/loki/api/v1/query_range", &range).await?;
        let streams = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let lines = streams.iter().flat_map(|stream| {
            let values = stream["values"].as_array().unwrap().iter();
            values.map(|v| (v[1].as_str().unwrap().to_owned(), stream["stream"].clone()))
        });
        Ok(lines.collect())
    }

    /// Tempo: how many spans match, in traces of the last hour.
    pub async fn matches(&self, traceql: &str) -> Result<u64, String> {
        let now = chrono::Utc::now().timestamp();
        let (start, end) = ((now - 3600).to_string(), (now + 60).to_string());
        let query = [("q", traceql), ("start", &start), ("end", &end), ("limit", "100")];
        let answer = self.get("/api/search", &query).await?;
        let traces = answer["traces"].as_array().cloned().unwrap_or_default();
        let sets =
            traces.iter().flat_map(|t| t["spanSets"].as_array().cloned().unwrap_or_default());
        Ok(sets.filter_map(|set| set["matched"].as_u64()).sum())
    }

    /// Tempo: the spans of a trace, each with its resource beside it.
    pub async fn spans(&self, trace: &str) -> Result<Vec<Span>, String> {
        let answer = self.get(&format!("/api/v2/traces/{trace}"), &[]).await?;
        if answer["status"].as_str().is_some_and(|status| status != "COMPLETE") {
            return Err(format!("a part of the trace only: {}", answer["message"]));
        }
        let resources = answer["trace"]["resourceSpans"].as_array().cloned().unwrap_or_default();
        let mut spans = Vec::new();
        for resource in &resources {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                let found = scope["spans"].as_array().unwrap().iter().cloned();
                spans.extend(
                    found.map(|span| Span { span, resource: resource["resource"].clone() }),
                );
            }
        }
        Ok(spans)
    }
}

/// A span as Tempo gives it.
pub struct Span {
    pub span: Value,
    pub resource: Value,
}

impl Span {
    pub fn name(&self) -> &str {
        self.span["name"].as_str().unwrap()
    }

    /// In hex, as SQL has it; empty where there is no parent.
    pub fn id(&self, field: &str) -> String {
        let Some(text) = self.span[field].as_str() else { return String::new() };
        hex::encode(BASE64_STANDARD.decode(text).unwrap())
    }

    pub fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.span, key)
    }

    pub fn resource_attribute(&self, key: &str) -> Option<String> {
        attribute(&self.resource, key)
    }
}

fn attribute(of: &Value, key: &str) -> Option<String> {
    let value = &of["attributes"].as_array()?.iter().find(|a| a["key"] == key)?["value"];
    let value = value.as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
