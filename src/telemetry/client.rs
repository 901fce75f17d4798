//! The way to a collector by OTLP/gRPC: where, with which certificates, headers and compression,
//! and what an export came to. The exporters are OpenTelemetry's own (`exporters`).

use super::settings::{Compression, Target};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithTonicConfig};
use secrecy::ExposeSecret as _;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

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

/// Gives an exporter's builder the way to a target, one attempt for each export, and gives the
/// collector's host and port, for people. Nothing is connected before the first export. To be
/// called on the runtime that exports.
///
/// # Errors
/// An address, certificate or header that can't be used, in one line.
pub(super) fn configure<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    target: &Target,
) -> Result<(B, String), String> {
    let endpoint = endpoint(target)?;
    let place = place_of(&endpoint);
    let mut builder = builder
        .with_channel(endpoint.connect_lazy())
        .with_metadata(metadata(target)?)
        .with_timeout(target.timeout)
        .with_retry_policy(RetryPolicy::disabled());
    builder = match target.compression {
        None => builder,
        Some(Compression::Gzip) => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
        Some(Compression::Zstd) => builder.with_compression(opentelemetry_otlp::Compression::Zstd),
    };
    Ok((builder, place))
}

/// A collector's host and port, for people.
///
/// # Errors
/// As [`configure`].
pub(super) fn place(target: &Target) -> Result<String, String> {
    Ok(place_of(&endpoint(target)?))
}

fn place_of(endpoint: &Endpoint) -> String {
    let place = endpoint.uri().authority().map_or("", http::uri::Authority::as_str);
    // Without a name and password, should somebody have written some.
    place.rsplit('@').next().unwrap_or_default().to_owned()
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
