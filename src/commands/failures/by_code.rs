//! Failures by code.

use super::{Found, rate, reading};
use crate::cli::FailuresArgs;
use crate::commands::render::failures::{self as render, Asked, ByCode, Code, CodeCount};
use crate::domain::Stretch;
use crate::store::failures::{self as stored, CodeStep, Counts, Step};
use sqlx::PgConnection;
use std::collections::BTreeMap;

pub async fn by_code(
    connection: &mut PgConnection,
    args: &FailuresArgs,
    stretch: Stretch,
) -> anyhow::Result<Found<ByCode>> {
    let steps = stored::steps(connection, stretch, args.per).await.map_err(reading())?;
    let with = stored::code_steps(connection, stretch, args.per).await.map_err(reading())?;
    let totals = steps.iter().map(|step| step.counts).sum();
    let mut codes = codes(&steps, &with, totals);
    let total_codes = codes.len();
    codes.truncate(usize::try_from(args.limit()).unwrap_or(usize::MAX));
    let asked = Asked { since: stretch.since, until: stretch.until, per: args.per };
    Ok(Found {
        document: ByCode { asked, totals, total_codes, codes },
        head: &["failure_code", "failures", "failed_payments", "share", "failure_rate"],
        lines: |told| told.codes.iter().map(line).collect(),
        text: |told, printer| render::by_code(told, printer.width(), printer.palette()),
    })
}

/// Each code over all steps, the most frequent first.
fn codes(steps: &[Step], with: &[CodeStep], totals: Counts) -> Vec<Code> {
    let mut by_code: BTreeMap<&str, Vec<&CodeStep>> = BTreeMap::new();
    for step in with {
        by_code.entry(&step.failure_code).or_default().push(step);
    }
    let mut codes: Vec<Code> = by_code
        .into_iter()
        .map(|(code, with)| {
            let failures = with.iter().map(|step| step.failures).sum();
            let mut with_any = with.iter().peekable();
            let at_step = |step: &Step| CodeCount {
                at: step.at,
                failures: with_any.next_if(|with| with.at == step.at).map_or(0, |w| w.failures),
            };
            Code {
                failure_code: code.to_owned(),
                failures,
                failed_payments: with.iter().map(|step| step.failed_payments).sum(),
                share: stored::rate(failures, totals.failures),
                failure_rate: stored::rate(failures, totals.attempts),
                steps: steps.iter().map(at_step).collect(),
            }
        })
        .collect();
    codes.sort_by_key(|code| std::cmp::Reverse(code.failures));
    codes
}

fn line(code: &Code) -> Vec<String> {
    vec![
        code.failure_code.clone(),
        code.failures.to_string(),
        code.failed_payments.to_string(),
        rate(code.share),
        rate(code.failure_rate),
    ]
}
