//! The way to a collector: TLS, mTLS, tokens, compression; and what is said where it fails.

use super::collector::{Behaviour, Collector};
use super::trace::program;
use crate::harness::{Charge, Ledger, Listing};
use crate::harness::{Output, Program};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// A certificate authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for localhost that is valid until a year's first day, and its key.
    fn issue(&self, until: i32) -> (String, String) {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// How a server shows itself; `with_clients` where it wants to know who asks.
    fn server(&self, until: i32, with_clients: bool) -> ServerTlsConfig {
        let (certificate, key) = self.issue(until);
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        if with_clients { tls.client_ca_root(Certificate::from_pem(self.pem())) } else { tls }
    }
}

async fn run(program: &Program) -> Output {
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    program.run_statement(&path, &[]).await
}

/// One clear line about the loss, the run unaffected, and the loss counted.
fn assert_told(output: &Output, why: &str) {
    assert_eq!(output.code, 0, "{}", output.all());
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains(why), "{}", output.stderr);
    let document = output.json();
    assert_eq!(document["operations"]["applied"], 1);
    for signal in ["traces", "metrics", "logs"] {
        let account = &document["telemetry"][signal];
        let number = |key: &str| account[key].as_u64().unwrap();
        assert_eq!(number("made"), number("refused") + number("dropped"), "{account}");
        assert!(number("made") > 0, "{signal}");
    }
}

async fn ledger() -> Ledger {
    Ledger::with_users(1).await
}

fn over_tls(ledger: &Ledger, collector: &Collector, authority: &Authority) -> Program {
    let url = format!("https://localhost:{}", collector.address.port());
    let program = program(ledger, collector);
    let path = program.write("ca.pem", authority.pem());
    program
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
        .with("OTEL_EXPORTER_OTLP_CERTIFICATE", path.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_with_a_client_certificate_and_zstd_all_arrives() {
    let (ledger, authority) = (ledger().await, Authority::new());
    let tls = authority.server(2999, true);
    let collector = Collector::start_with(Behaviour::Healthy, Some(tls)).await;
    let program = over_tls(&ledger, &collector, &authority);
    let (certificate, key) = authority.issue(2999);
    let certificate = program.write("client.pem", certificate);
    let key = program.write("client.key", key);
    let program = program
        .with("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.to_str().unwrap())
        .with("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.to_str().unwrap())
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
    let output = run(&program).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(output.json()["telemetry"]["traces"]["acknowledged"], collector.spans().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_client_certificate_that_is_asked_for_the_loss_is_told() {
    let (ledger, authority) = (ledger().await, Authority::new());
    let tls = authority.server(2999, true);
    let collector = Collector::start_with(Behaviour::Healthy, Some(tls)).await;
    let output = run(&over_tls(&ledger, &collector, &authority)).await;
    assert_told(&output, "warning: telemetry was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_named() {
    let (ledger, authority) = (ledger().await, Authority::new());
    let tls = authority.server(2001, false);
    let collector = Collector::start_with(Behaviour::Healthy, Some(tls)).await;
    let output = run(&over_tls(&ledger, &collector, &authority)).await;
    assert_told(&output, "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_and_a_wrong_one_is_told_without_being_shown() {
    let ledger = ledger().await;
    let collector = Collector::start(Behaviour::Guarded).await;
    let header = "OTEL_EXPORTER_OTLP_HEADERS";
    let wrong = program(&ledger, &collector).with(header, "Authorization=Bearer%20s3cret");
    let output = run(&wrong).await;
    assert_told(&output, "wrong token");
    assert!(!output.all().contains("s3cret"));
    let right = program(&ledger, &collector)
        .with(header, "Authorization=Bearer%20token")
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let output = run(&right).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_url_and_an_unknown_host_are_one_line_each() {
    for (endpoint, why) in [
        ("not a url", "is not a URL"),
        ("ftp://collector:4317", "neither http:// nor https://"),
        ("http://collector.invalid:4317", "collector.invalid"),
    ] {
        let ledger = ledger().await;
        let collector = Collector::start(Behaviour::Healthy).await;
        let program = program(&ledger, &collector).with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        assert_told(&run(&program).await, why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strictly_a_loss_is_exit_code_1_of_a_run_that_was_fine() {
    let ledger = ledger().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let program = program(&ledger, &collector);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    for (behaviour, strictly, code) in [
        (Behaviour::Refusing, true, 1),
        (Behaviour::Refusing, false, 0),
        (Behaviour::HalfAccepting, true, 1),
        (Behaviour::Healthy, true, 0),
    ] {
        collector.behave(behaviour);
        let more: &[&str] = if strictly { &["--strict-telemetry"] } else { &[] };
        let output = program.run_statement(&path, more).await;
        assert_eq!(output.code, code, "{behaviour:?}: {}", output.all());
        assert_eq!(output.json()["status"], "succeeded");
        assert_eq!(output.stderr.contains("telemetry was lost"), behaviour != Behaviour::Healthy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_one_warning_and_grpc_is_used() {
    let ledger = ledger().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let http = program(&ledger, &collector).with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let output = run(&http).await;
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("http/protobuf is not supported"), "{}", output.stderr);
    assert!(!collector.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cant_be_read_is_one_warning_with_its_variable_and_value() {
    let ledger = ledger().await;
    let collector = Collector::start(Behaviour::Healthy).await;
    let odd = program(&ledger, &collector).with("OTEL_BSP_EXPORT_TIMEOUT", "soon");
    let output = run(&odd).await;
    assert_eq!((output.code, output.stderr.lines().count()), (0, 1), "{}", output.all());
    assert!(output.stderr.contains("OTEL_BSP_EXPORT_TIMEOUT=soon"), "{}", output.stderr);
}
