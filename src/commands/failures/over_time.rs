//! Failures step by step, all of them or those with one code.

use super::{Found, rate, reading, time};
use crate::cli::FailuresArgs;
use crate::commands::render::failures::{self as render, Asked, OverTime, Previous};
use crate::domain::Stretch;
use crate::store::failures::{self as stored, CodeStep, Counts, Step};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

pub async fn over_time(
    connection: &mut PgConnection,
    args: &FailuresArgs,
    stretch: Stretch,
) -> anyhow::Result<Found<OverTime>> {
    let mut steps = stored::steps(connection, stretch, args.per).await.map_err(reading())?;
    let before = stretch.before();
    let mut previous = stored::totals(connection, before).await.map_err(reading())?;
    let mut codes = None;
    if let Some(code) = &args.code {
        let with = stored::code_steps(connection, stretch, args.per).await.map_err(reading())?;
        narrow(&mut steps, &with, code);
        let with_before =
            stored::code_steps(connection, before, args.per).await.map_err(reading())?;
        previous = only(previous, with_before.iter().filter(|step| step.failure_code == *code));
        let there_are: BTreeSet<String> = with.into_iter().map(|step| step.failure_code).collect();
        codes = Some(there_are.into_iter().collect());
    }
    let previous = (previous.attempts > 0).then_some(Previous {
        since: before.since,
        until: before.until,
        totals: previous,
    });
    let document = OverTime {
        asked: Asked { since: stretch.since, until: stretch.until, per: args.per },
        code: args.code.clone(),
        codes,
        totals: steps.iter().map(|step| step.counts).sum(),
        previous,
        steps,
    };
    Ok(Found {
        document,
        head: &[
            "at",
            "attempts",
            "failures",
            "failure_rate",
            "payments",
            "failed_payments",
            "payment_failure_rate",
        ],
        lines: |told| told.steps.iter().map(line).collect(),
        text: |told, printer| render::over_time(told, printer.width(), printer.palette()),
    })
}

/// Leaves of each step's failures those with one code; what was attempted stays.
fn narrow(steps: &mut [Step], with: &[CodeStep], code: &str) {
    let with = with.iter().filter(|step| step.failure_code == code);
    let with: BTreeMap<DateTime<Utc>, &CodeStep> = with.map(|step| (step.at, step)).collect();
    for step in steps {
        step.counts = only(step.counts, with.get(&step.at).copied());
    }
}

fn only<'a>(all: Counts, with: impl IntoIterator<Item = &'a CodeStep>) -> Counts {
    let none = Counts { failures: 0, failed_payments: 0, ..all };
    with.into_iter().fold(none, |counts, step| Counts {
        failures: counts.failures + step.failures,
        failed_payments: counts.failed_payments + step.failed_payments,
        ..counts
    })
}

fn line(step: &Step) -> Vec<String> {
    let counts = step.counts;
    vec![
        time(step.at),
        counts.attempts.to_string(),
        counts.failures.to_string(),
        rate(counts.failure_rate()),
        counts.payments.to_string(),
        counts.failed_payments.to_string(),
        rate(counts.payment_failure_rate()),
    ]
}
