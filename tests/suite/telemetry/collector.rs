//! A collector in the test's own process: it keeps what it is sent, and behaves as it is told.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What the collector does with an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Healthy,
    /// Answers after so long.
    Slow(Duration),
    /// Says that it may not.
    Refusing,
    /// Says that it can't at the moment.
    Unavailable,
    /// Never answers.
    Hanging,
    /// Takes all but one item of each export.
    HalfAccepting,
    /// Lets those in who say `authorization: Bearer token`.
    Guarded,
}

#[derive(Default)]
pub struct Received {
    pub spans: Vec<Span>,
    pub logs: Vec<LogRecord>,
    pub metrics: Vec<Metric>,
    /// The last resource of spans, and of metrics.
    pub resource: Resource,
    pub metrics_resource: Resource,
}

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
    behaviour: Arc<Mutex<Behaviour>>,
    /// How many exports of spans were asked for, and how many spans were taken.
    asked: Arc<watch::Sender<(usize, usize)>>,
}

impl Collector {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::start_with(behaviour, None).await
    }

    pub async fn start_with(behaviour: Behaviour, tls: Option<ServerTlsConfig>) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let collector = Self {
            address,
            received: Arc::default(),
            behaviour: Arc::new(Mutex::new(behaviour)),
            asked: Arc::default(),
        };
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        macro_rules! service {
            ($server:ident) => {
                $server::new(collector.clone()).accept_compressed(Gzip).accept_compressed(Zstd)
            };
        }
        let server = server
            .add_service(service!(TraceServiceServer))
            .add_service(service!(MetricsServiceServer))
            .add_service(service!(LogsServiceServer));
        tokio::spawn(server.serve(address));
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        collector
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// Waits until so many exports of spans were asked for.
    pub async fn until_asked(&self, exports: usize) {
        self.asked.subscribe().wait_for(|(asked, _)| *asked >= exports).await.unwrap();
    }

    /// Waits until so many spans were taken.
    pub async fn until_taken(&self, spans: usize) {
        self.asked.subscribe().wait_for(|(_, taken)| *taken >= spans).await.unwrap();
    }

    /// Looks at what was received.
    pub fn with<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().unwrap())
    }

    pub fn spans(&self) -> Vec<Span> {
        self.with(|received| received.spans.clone())
    }

    pub fn logs(&self) -> Vec<LogRecord> {
        self.with(|received| received.logs.clone())
    }

    pub fn metric(&self, name: &str) -> Option<Metric> {
        self.with(|received| received.metrics.iter().rev().find(|m| m.name == name).cloned())
    }

    /// How many of so many items are refused.
    async fn decide<T>(&self, request: &Request<T>, items: usize) -> Result<u8, Status> {
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Healthy => Ok(0),
            Behaviour::Slow(answer) => {
                tokio::time::sleep(answer).await;
                Ok(0)
            }
            Behaviour::Refusing => Err(Status::permission_denied("not from here")),
            Behaviour::Unavailable => Err(Status::unavailable("too much to do")),
            Behaviour::Hanging => std::future::pending().await,
            Behaviour::HalfAccepting => Ok(u8::from(items > 0)),
            Behaviour::Guarded => match request.metadata().get("authorization") {
                Some(token) if token == "Bearer token" => Ok(0),
                _ => Err(Status::unauthenticated("wrong token")),
            },
        }
    }
}

const WHY: &str = "one is too many";

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let items = request.get_ref().resource_spans.iter();
        let items = items.flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum();
        self.asked.send_modify(|(asked, _)| *asked += 1);
        let refused = self.decide(&request, items).await?;
        let mut received = self.received.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            received.resource = resource.resource.unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.spans.extend(spans.skip(refused.into()));
        }
        self.asked.send_modify(|(_, taken)| *taken = received.spans.len());
        let partial_success = (refused > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: i64::from(refused),
            error_message: WHY.to_owned(),
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let items = request.get_ref().resource_logs.iter();
        let items = items.flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum();
        let refused = self.decide(&request, items).await?;
        let resources = request.into_inner().resource_logs.into_iter();
        let logs = resources.flat_map(|r| r.scope_logs).flat_map(|scope| scope.log_records);
        self.received.lock().unwrap().logs.extend(logs.skip(refused.into()));
        let partial_success = (refused > 0).then(|| ExportLogsPartialSuccess {
            rejected_log_records: i64::from(refused),
            error_message: WHY.to_owned(),
        });
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let refused = self.decide(&request, 2).await?;
        let mut received = self.received.lock().unwrap();
        for resource in request.into_inner().resource_metrics {
            received.metrics_resource = resource.resource.unwrap_or_default();
            let metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
            received.metrics.extend(metrics);
        }
        let partial_success = (refused > 0).then(|| ExportMetricsPartialSuccess {
            rejected_data_points: i64::from(refused),
            error_message: WHY.to_owned(),
        });
        Ok(Response::new(ExportMetricsServiceResponse { partial_success }))
    }
}

/// An attribute's value as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|a| a.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
