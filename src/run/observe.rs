//! What telemetry is told of a run: its spans, its metrics, and one log line per noteworthy
//! thing, which reads well alone.

use super::begin::{Environment, Run};
use super::clock::Clock;
use super::error::RunError;
use super::operation::Performed;
use super::report::Report;
use crate::domain::Assessment;
use crate::domain::operation::{Action, Operation, Outcome};
use crate::domain::run::{Phase, RunId, Status, Summary};
use crate::exit;
use crate::store::{schedule, telemetry};
use crate::telemetry::metrics::LedgerTotals;
use crate::telemetry::spans::{self, Ending, OperationEnd};
use crate::telemetry::{Describe as _, LiveSpan, OperationSpan, Place, Traced};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Results by action and outcome.
type Results = BTreeMap<(Action, Outcome), u64>;

/// A run is on record: its root span and its counters begin.
pub fn began(run: &mut Run) {
    let telemetry = &run.environment.telemetry;
    let (id, parent, start) = (run.id, run.parent, run.clock.started_at());
    telemetry.begin_run(id);
    run.root = LiveSpan::begin(telemetry, || {
        let mut root: Traced = spans::root(id, parent, start);
        if let Some(caller) = telemetry.caller() {
            root.link(caller, Vec::new());
        }
        root
    });
    if let Some(metrics) = telemetry.metrics() {
        metrics.begin();
    }
    let _in_root = run.root.enter();
    tracing::info!(
        payment_monitor.run.id = %id,
        host = %run.environment.host,
        version = %run.environment.version,
        "run {id} began"
    );
}

/// A run could not begin, and is in no record: telemetry alone tells of it.
pub fn not_begun(
    environment: &Environment,
    (id, parent): (RunId, Option<RunId>),
    clock: &Clock,
    why: &str,
) {
    environment.telemetry.begin_run(id);
    let root =
        LiveSpan::begin(&environment.telemetry, || spans::root(id, parent, clock.started_at()));
    root.note(|root| spans::end_root(root, Status::Failed, exit::FAILED, Some(why)));
    root.end(clock.now());
    let _in_root = root.enter();
    tracing::error!(payment_monitor.run.id = %id, "run {id} could not begin: {why}");
}

/// The span of a phase that begins now.
pub fn phase(run: &Run, name: &'static str) -> LiveSpan {
    if !run.is_recorded {
        return LiveSpan::default(); // a dry run leaves nothing
    }
    LiveSpan::begin(&run.environment.telemetry, || spans::phase(run.id, name, run.clock.now()))
}

/// When a phase ended, as the record has it.
pub fn end_of(clock: &Clock, phase: &Phase) -> DateTime<Utc> {
    let end = Duration::from_micros(phase.offset_us.saturating_add(phase.duration_us));
    clock.started_at() + chrono::TimeDelta::from_std(end).unwrap_or_default()
}

/// The span of an operation that begins now.
pub fn operation(run: &Run, place: &Place, op: &Arc<Operation>, began: Instant) -> OperationSpan {
    OperationSpan::begin(&run.environment.telemetry, began, || {
        let start = run.clock.now();
        OperationEnd {
            common: Arc::clone(&run.operations),
            parent: place.parent,
            operation: Arc::clone(op),
            start,
            end: start,
            ending: None,
        }
    })
}

/// An operation came to its end: its span, its metrics, and a line if it was in vain.
pub fn performed(run: &Run, span: OperationSpan, op: &Operation, done: &Performed, took: Duration) {
    let Performed { outcome, attempts, ref error } = *done;
    if let Some(metrics) = run.environment.telemetry.metrics() {
        metrics.operation((op.action, op.subject), outcome, took);
    }
    if outcome != Outcome::Applied {
        let why = error.as_deref().unwrap_or("the row had changed since the plan");
        let _in_span = span.enter();
        tracing::warn!(
            payment_monitor.run.id = %run.id,
            payment_monitor.operation.id = %op.id,
            payment_monitor.operation.outcome = %outcome,
            payment_monitor.provider.id = %op.provider_id,
            "operation {} ({} {}) {}: {why}",
            op.id,
            op.span_name(),
            op.provider_id,
            if outcome == Outcome::Failed { "failed" } else { "conflicted" },
        );
    }
    span.end(Ending::Performed { outcome, attempts, error: error.clone() }, run.clock.now());
}

/// An attempt at an operation was in vain, and there is time for another.
pub fn retrying(run: &Run, span: &OperationSpan, op: &Operation, why: &str) {
    let _in_span = span.enter();
    if let Some(metrics) = run.environment.telemetry.metrics() {
        metrics.retried();
    }
    tracing::warn!(
        payment_monitor.run.id = %run.id,
        payment_monitor.operation.id = %op.id,
        "operation {} is tried again: {why}",
        op.id
    );
}

/// A connection is given up, and another one will be opened.
pub fn reconnecting(run: &Run) {
    if let Some(metrics) = run.environment.telemetry.metrics() {
        metrics.reconnected();
    }
}

/// An operation came to no end; nothing was changed.
pub fn unperformed(run: &Run, span: OperationSpan, why: &str) {
    span.end(Ending::Unperformed(why.to_owned()), run.clock.now());
}

/// A run that was found dead has been ended.
pub fn rescued(run: RunId) {
    tracing::warn!(
        payment_monitor.run.id = %run,
        "run {run} was ended: its process had died"
    );
}

/// The payments were looked at: a line for each rule with something new, in totals, and for each
/// that could not be evaluated.
pub fn assessed(run: &Run, assessment: &Assessment) {
    for rule in assessment.rules.iter().filter(|rule| rule.news() > 0) {
        tracing::warn!(
            payment_monitor.run.id = %run.id,
            payment_monitor.rule.name = rule.rule,
            payment_monitor.rule.severity = rule.severity,
            found = rule.news(),
            "suspicious activity: rule {} ({}) has {} new findings",
            rule.rule,
            rule.severity,
            rule.news()
        );
    }
    for (rule, why) in assessment.unevaluated() {
        tracing::error!(
            payment_monitor.run.id = %run.id,
            payment_monitor.rule.name = rule,
            "rule {rule} could not be evaluated: {why}"
        );
    }
    for why in &assessment.errors {
        tracing::error!(payment_monitor.run.id = %run.id, "the look at the payments: {why}");
    }
}

/// A run ended: its root span, and a line that says how.
pub fn ended(run: &Run, report: &Report) {
    let summary = &report.summary;
    let (status, error) = (summary.status, summary.error.as_deref());
    run.root.note(|root| spans::end_root(root, status, report.exit_code(), error));
    let counts = summary.operations;
    let _in_root = run.root.enter();
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                payment_monitor.run.id = %run.id,
                payment_monitor.run.status = %status,
                duration_ms = summary.duration_ms,
                planned = counts.planned,
                applied = counts.applied,
                failed = counts.failed,
                conflict = counts.conflict,
                not_done = counts.not_done,
                "run {} {status}: {} of {} operations applied, {} failed, {} conflicted, {} not \
                 done{}",
                run.id,
                counts.applied,
                counts.planned,
                counts.failed,
                counts.conflict,
                counts.not_done,
                error.map(|why| format!(" ({why})")).unwrap_or_default(),
            )
        };
    }
    match status {
        Status::Failed => tell!(error),
        Status::Interrupted | Status::Held => tell!(warn),
        _ => tell!(info),
    }
    run.root.end(run.clock.now());
}

/// A run did not take place.
pub fn skipped(environment: &Environment, id: RunId, summary: &Summary) {
    environment.telemetry.begin_run(id);
    if let Some(metrics) = environment.telemetry.metrics() {
        metrics.begin();
        metrics.end(summary, &Results::new(), 0.0);
    }
    tracing::warn!(
        payment_monitor.run.id = %id,
        payment_monitor.run.status = %summary.status,
        "run {id} was skipped: another run was going on"
    );
}

/// Tells the metrics how a run ended and how it left the ledger. That this can't be read is
/// worth a line, and no more.
pub async fn measure(run: &Run, summary: &Summary) {
    let Some(metrics) = run.environment.telemetry.metrics() else { return };
    let totals = async {
        let mut connection = run.database.connect().await?;
        let reading = || RunError::query("reading the totals for metrics");
        let results = telemetry::results(&mut connection, run.id).await.map_err(reading())?;
        let totals = ledger_totals(&mut connection, run.clock.now()).await.map_err(reading())?;
        Ok::<_, RunError>((results, totals))
    };
    let now = seconds(run.clock.now());
    match totals.await {
        Ok((results, totals)) => {
            metrics.end(summary, &results, now);
            metrics.ledger(&totals);
        }
        Err(error) => {
            metrics.end(summary, &Results::new(), now);
            let why = error.told();
            tracing::warn!(payment_monitor.run.id = %run.id, "metrics lack the totals: {why}");
        }
    }
}

async fn ledger_totals(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<LedgerTotals> {
    let payments_by_status = telemetry::payments_by_status(connection).await?;
    let failures_by_code = telemetry::failures_by_code(connection).await?;
    let (open_by_kind, oldest) = telemetry::open_discrepancies(connection).await?;
    let last_success = telemetry::last_success(connection).await?.map(seconds);
    let expected_within = schedule::expected_within(connection).await?;
    let age = oldest.and_then(|oldest| (now - oldest).to_std().ok()).unwrap_or_default();
    Ok(LedgerTotals {
        payments_by_status,
        failures_by_code,
        open_by_kind,
        oldest_open_seconds: age.as_secs_f64(),
        last_success,
        expected_within,
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit a double")]
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1_000.0
}
