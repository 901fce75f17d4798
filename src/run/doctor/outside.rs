//! What lies outside the database: the collector and the statement.

use super::super::error::RunError;
use super::{Finding, Unsound};
use crate::statement::{Facts, Listing, Options, Statement, StatementError};
use crate::telemetry::{self, Settings};
use chrono::{DateTime, TimeDelta, Utc};
use std::ops::ControlFlow;

/// A statement of at most so many bytes on disk is read to its end, of others the first record.
const WHOLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Do the collectors take what they are sent?
pub(super) async fn collector(settings: &Settings) -> Finding {
    if !settings.is_enabled() {
        let why = "no endpoint is configured (OTEL_EXPORTER_OTLP_ENDPOINT): nothing is exported";
        return Err(Unsound::NotChecked(why.to_owned()));
    }
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for probe in telemetry::probe(settings).await {
        match probe.outcome {
            Ok(place) => taken.push(format!("{} by {place}", probe.signal)),
            Err(why) => wrong.push(format!("{}: {why}", probe.signal)),
        }
    }
    if wrong.is_empty() {
        let told = [vec![format!("taken are {}", taken.join(", "))], settings.warnings.clone()];
        return Ok(told.concat().join("; "));
    }
    Err(Unsound::Wrong(format!(
        "{}; runs go on without it: start the collector, or correct the OTEL_EXPORTER_OTLP_* \
         variables",
        wrong.join("; ")
    )))
}

/// Can the statement be read, is it one, and is it known to be complete?
pub(super) async fn statement(
    options: Option<Options>,
    now: DateTime<Utc>,
    clock_skew: TimeDelta,
) -> Finding {
    let Some(options) = options else {
        return Err(Unsound::NotChecked("none is given (--statement)".to_owned()));
    };
    let wrong = |error: RunError| Unsound::Wrong(error.told());
    let reading = tokio::task::spawn_blocking(move || read(options));
    let (facts, bytes) = match reading.await {
        Ok(read) => read.map_err(|error| wrong(error.into()))?,
        Err(broken) => return Err(wrong(broken.into())),
    };
    if facts.as_of > now + clock_skew {
        return Err(wrong(RunError::Future { as_of: facts.as_of, now }));
    }
    let as_of = facts.as_of.format("%Y-%m-%d %H:%M:%S UTC");
    if bytes > WHOLE_BYTES_MAX {
        return Ok(format!(
            "of {as_of}; its first record is readable, and with {} MB it was not read further",
            bytes / 1_000_000
        ));
    }
    let mut told = vec![
        format!("of {as_of}"),
        listing(facts.payments, "payments", &facts.payments_listing),
        listing(facts.subscriptions, "subscriptions", &facts.subscriptions_listing),
    ];
    if facts.malformed > 0 {
        told.push(format!("{} malformed records", facts.malformed));
    }
    Ok(told.join("; "))
}

fn read(options: Options) -> Result<(Facts, u64), StatementError> {
    let statement = Statement::open(options)?;
    let bytes = statement.bytes();
    let facts = statement.read(&mut |_| {
        if bytes > WHOLE_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((facts, bytes))
}

fn listing(count: u64, noun: &str, listing: &Listing) -> String {
    match listing {
        Listing::NotCovered => format!("no {noun}"),
        Listing::Proven { by } => format!("{count} {noun}, proven complete by {by}"),
        Listing::Unproven { why } => {
            format!("{count} {noun}, not proven complete ({why}), so none is removed")
        }
    }
}
