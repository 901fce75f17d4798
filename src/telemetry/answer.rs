//! What a collector answers to an export. OpenTelemetry's exporters give an error without its
//! reason, and only log a partial success: so their events are listened to, while they export.

use super::client::{Failure, Taken};
use opentelemetry_sdk::error::OTelSdkResult;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The target of the exporters' events.
const TARGET: &str = "opentelemetry-otlp";
/// Codes after which another attempt makes sense, by OTLP's specification; a collector that has
/// no room says so by `ResourceExhausted`.
const AWAY: [&str; 7] = [
    "Cancelled",
    "DeadlineExceeded",
    "Aborted",
    "OutOfRange",
    "Unavailable",
    "DataLoss",
    "ResourceExhausted",
];
/// How much of a reason is told.
const WHY_MAX: usize = 300;

/// What one export said of its answer.
#[derive(Debug, Default)]
struct Heard {
    rejected: u64,
    rejected_why: String,
    code: String,
    message: String,
}

/// Listens to the exports of one exporter, of which there is one at a time.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    place: String,
    timeout: Duration,
    heard: Arc<Mutex<Heard>>,
    dispatch: Dispatch,
}

impl Listener {
    pub fn new(place: String, timeout: Duration) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let ear = Ear(Arc::clone(&heard));
        let ear = ear.with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(ear));
        Self { place, timeout, heard, dispatch }
    }

    /// Waits for an export, for the target's timeout at most, and tells what came of it.
    pub async fn hear(
        &self,
        export: impl Future<Output = OTelSdkResult>,
    ) -> Result<Taken, Failure> {
        *self.heard() = Heard::default();
        let export = export.with_subscriber(self.dispatch.clone());
        let told = |why: String| {
            let why = format!("collector {}: {why}", self.place);
            why.chars().take(WHY_MAX).collect::<String>()
        };
        match tokio::time::timeout(self.timeout, export).await {
            Err(_) => Err(Failure::Away(told("no answer".to_owned()))),
            Ok(Ok(())) => {
                let heard = std::mem::take(&mut *self.heard());
                Ok(Taken { refused: heard.rejected, why: heard.rejected_why })
            }
            Ok(Err(error)) => {
                let heard = std::mem::take(&mut *self.heard());
                Err(heard.failure(&error.to_string(), told))
            }
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// What an error means. The exporter's text has the causes after the code; a failure with
    /// causes is the connection's, whatever its code.
    fn failure(self, error: &str, told: impl Fn(String) -> String) -> Failure {
        let causes = error.split_once(&format!("gRPC code: {}: ", self.code));
        let causes = causes.map(|(_, causes)| causes.to_owned()).filter(|_| !self.code.is_empty());
        let is_away = AWAY.contains(&self.code.as_str()) || self.code.is_empty();
        match causes {
            Some(causes) => Failure::Away(told(causes)),
            None if self.code.is_empty() => Failure::Away(told(error.to_owned())),
            None if is_away && self.message.is_empty() => Failure::Away(told(self.code)),
            None if is_away => Failure::Away(told(self.message)),
            None => Failure::Refused(told(format!("it refuses ({}): {}", self.code, self.message))),
        }
    }
}

/// Takes note of what the exporters' events say.
struct Ear(Arc<Mutex<Heard>>);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The fields of the events `...PartialSuccess` and `...ExportFailed`.
impl Visit for Heard {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name().starts_with("rejected_") {
            self.rejected = u64::try_from(value).unwrap_or(0);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "error_message" => value.clone_into(&mut self.rejected_why),
            "grpc_code" => value.clone_into(&mut self.code),
            "grpc_message" => value.clone_into(&mut self.message),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, format!("{value:?}").trim_matches('"'));
    }
}
