//! Spans and log records as OTLP requests.

use super::handle::LogItem;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

/// A resource as OTLP has it.
pub fn resource(resource: &opentelemetry_sdk::Resource) -> Resource {
    resource.into()
}

/// Spans, which are all of one scope.
pub fn spans(batch: Vec<SpanData>, resource: &Resource) -> Bytes {
    let scope = batch
        .first()
        .map(|span| InstrumentationScope::from((span.instrumentation_scope.clone(), None)));
    let spans = batch.into_iter().map(Into::into).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans { scope, spans, schema_url: String::new() }],
            schema_url: String::new(),
        }],
    };
    request.encode_to_vec().into()
}

/// Log records, each under the name of the module that it is from.
pub fn logs(batch: &[LogItem], resource: &Resource) -> Bytes {
    let mut scope_logs: Vec<ScopeLogs> = Vec::new();
    for (record, scope) in batch.iter().map(|item| &**item) {
        let scope = InstrumentationScope::from((scope, record.target().cloned()));
        let record = LogRecord::from(record);
        match scope_logs.iter_mut().find(|logs| logs.scope.as_ref() == Some(&scope)) {
            Some(logs) => logs.log_records.push(record),
            None => scope_logs.push(ScopeLogs {
                scope: Some(scope),
                log_records: vec![record],
                schema_url: String::new(),
            }),
        }
    }
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs,
            schema_url: String::new(),
        }],
    };
    request.encode_to_vec().into()
}
