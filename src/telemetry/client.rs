//! One export to a collector, by OTLP/gRPC: of any signal, already encoded, so that an attempt
//! costs no more than the network. Unlike the SDK's exporter it gives back what the collector
//! says of a partial success: what it refused.

use super::settings::{Compression, Target};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use secrecy::ExposeSecret as _;
use std::time::Duration;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

/// What a collector did with an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many items it refused, and why.
    pub refused: u64,
    pub why: String,
}

/// Why an export came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The collector refused all of it, and would again.
    Refused(String),
    /// It may work later: no connection, no answer, no room.
    Away(String),
}

impl Failure {
    fn at(self, place: &str) -> Self {
        let told = |why: String| format!("collector {place}: {why}");
        match self {
            Self::Refused(why) => Self::Refused(told(why)),
            Self::Away(why) => Self::Away(told(why)),
        }
    }
}

/// A way to a collector. Nothing is connected before the first export.
#[derive(Debug, Clone)]
pub struct Client {
    /// Host and port, for people.
    place: String,
    channel: Channel,
    path: &'static str,
    headers: MetadataMap,
    compression: Option<Compression>,
    timeout: Duration,
}

/// The gRPC methods.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

impl Client {
    /// Prepares the way to a target. To be called on the runtime that exports.
    ///
    /// # Errors
    /// An address, certificate or header that can't be used, in one line.
    pub fn new(target: &Target, path: &'static str) -> Result<Self, String> {
        let endpoint = endpoint(target)?;
        let place = endpoint.uri().authority().map_or("", http::uri::Authority::as_str);
        Ok(Self {
            // Without a name and password, should somebody have written some.
            place: place.rsplit('@').next().unwrap_or_default().to_owned(),
            channel: endpoint.connect_lazy(),
            path,
            headers: metadata(target)?,
            compression: target.compression,
            timeout: target.timeout,
        })
    }

    /// Sends one encoded request; waits for the answer for the target's timeout at most.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn export(&self, request: Bytes) -> Result<Taken, Failure> {
        let answer = tokio::time::timeout(self.timeout, self.send(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::Away("no answer".to_owned())));
        let answer = answer.map_err(|failure| failure.at(&self.place))?;
        let success = answer.partial_success.unwrap_or_default();
        let refused = u64::try_from(success.rejected_spans).unwrap_or(0);
        Ok(Taken { refused, why: success.error_message })
    }

    async fn send(&self, body: Bytes) -> Result<ExportTraceServiceResponse, Failure> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client = match self.compression {
            None => client,
            Some(Compression::Gzip) => client.send_compressed(CompressionEncoding::Gzip),
            Some(Compression::Zstd) => client.send_compressed(CompressionEncoding::Zstd),
        };
        client.ready().await.map_err(|error| Failure::Away(told(&error)))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = self.headers.clone();
        let path = PathAndQuery::from_static(self.path);
        let answer = client.unary(request, path, Encoded).await;
        answer.map(tonic::Response::into_inner).map_err(|status| failure(&status))
    }
}

/// Which answers are worth another attempt, by OTLP's specification.
fn failure(status: &Status) -> Failure {
    let is_away = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    );
    let cause = std::error::Error::source(status).map(told);
    let why = match (cause, status.message()) {
        (Some(cause), _) => cause,
        (None, "") => status.code().description().to_owned(),
        (None, message) => message.to_owned(),
    };
    let code = status.code();
    // Connecting fails as `Unavailable`, or as `Unknown` where TLS does.
    if is_away || std::error::Error::source(status).is_some() {
        Failure::Away(why)
    } else {
        Failure::Refused(format!("it refuses ({code:?}): {why}"))
    }
}

/// An error with its causes, in one line, without what is said twice.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !told.contains(&more) {
            told = format!("{told}: {more}");
        }
        cause = error.source();
    }
    told.chars().take(300).collect()
}

fn endpoint(target: &Target) -> Result<Endpoint, String> {
    let written = &target.endpoint;
    let url = if written.contains("://") {
        written.clone()
    } else {
        format!("{}://{written}", if target.is_insecure { "http" } else { "https" })
    };
    let unusable = |why: String| format!("the OTLP endpoint {written:?} can't be used: {why}");
    let endpoint = Endpoint::from_shared(url).map_err(|_| unusable("it is not a URL".into()))?;
    let endpoint = endpoint.connect_timeout(target.timeout).user_agent("payment-monitor");
    let endpoint = endpoint.map_err(|error| unusable(told(&error)))?;
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint.tls_config(tls(target)?).map_err(|error| unusable(told(&error))),
        _ => Err(unusable("it begins with neither http:// nor https://".into())),
    }
}

fn tls(target: &Target) -> Result<ClientTlsConfig, String> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| {
            format!("the OTLP certificate or key {} can't be read: {error}", path.display())
        })
    };
    let mut tls = ClientTlsConfig::new();
    tls = match &target.certificate {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
        None => tls.with_native_roots(),
    };
    match (&target.client_certificate, &target.client_key) {
        (Some(certificate), Some(key)) => {
            Ok(tls.identity(Identity::from_pem(read(certificate)?, read(key)?)))
        }
        (None, None) => Ok(tls),
        _ => Err("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY go together".to_owned()),
    }
}

fn metadata(target: &Target) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (key, value) in &target.headers {
        let name = AsciiMetadataKey::from_bytes(key.as_bytes());
        let value = AsciiMetadataValue::try_from(value.expose_secret());
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(format!("the OTLP header {key:?} can't be sent: it is not plain ASCII"));
        };
        value.set_sensitive(true);
        metadata.insert(name, value);
    }
    Ok(metadata)
}

/// gRPC's framing around a request that is encoded already. The answers of all three signals
/// have the same form: how many were refused, and why.
#[derive(Debug, Clone, Copy)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let answer = ExportTraceServiceResponse::decode(bytes);
        answer.map(Some).map_err(|_| Status::internal("an answer that is not OTLP"))
    }
}
