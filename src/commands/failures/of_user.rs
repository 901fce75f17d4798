//! One user's payments, and what runs did to each.

use super::{Found, reading, time};
use crate::cli::FailuresArgs;
use crate::commands::render::user::{self as render, OfUser, Told};
use crate::domain::{Moment, Stretch};
use crate::run::RunError;
use crate::store::failures::{self as stored, Counts};
use crate::store::payments::{self, Event, Made, Payment};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use std::collections::BTreeMap;

pub async fn of_user(
    connection: &mut PgConnection,
    args: &FailuresArgs,
    user: i64,
    now: DateTime<Utc>,
) -> anyhow::Result<Found<OfUser>> {
    let Some(made) = payments::made_by(connection, user).await.map_err(reading())? else {
        return Err(RunError::Refused(format!("there is no user {user} in the ledger")).into());
    };
    let document = match stretch(args, made, now)? {
        Some(stretch) => tell(connection, user, stretch, args.limit()).await?,
        None => OfUser { user_id: user, ..OfUser::default() },
    };
    Ok(Found {
        document,
        head: &[
            "payment_id",
            "provider_payment_id",
            "created_at",
            "status",
            "amount_minor",
            "currency",
            "failure_code",
            "payment_method_fingerprint",
            "retried_at",
            "removed_at",
        ],
        lines: |told| told.payments.iter().map(|told| line(&told.payment)).collect(),
        text: |told, printer| render::of_user(told, printer.width(), printer.palette()),
    })
}

/// What was asked for; else from the user's first payment to now, or to the last one where that
/// is said to be of the future. None where the user has no payments.
fn stretch(
    args: &FailuresArgs,
    made: Made,
    now: DateTime<Utc>,
) -> Result<Option<Stretch>, RunError> {
    let is_told = args.since.is_some() || args.until.is_some();
    let (first, last) = match (made.first, made.last) {
        (Some(first), Some(last)) => (first, last),
        _ if is_told => (now, now),
        _ => return Ok(None),
    };
    // A stretch ends before its end.
    let end = Moment::At(now.max(last + TimeDelta::microseconds(1)));
    let stretch = Stretch::from(now, args.since, first, args.until.or(Some(end)));
    Ok(Some(stretch?))
}

async fn tell(
    connection: &mut PgConnection,
    user: i64,
    stretch: Stretch,
    limit: i64,
) -> anyhow::Result<OfUser> {
    let (totals, total_payments) =
        payments::totals_of(connection, user, stretch).await.map_err(reading())?;
    let everybody: Counts = stored::totals(connection, stretch).await.map_err(reading())?;
    let listed = payments::of(connection, user, stretch, limit).await.map_err(reading())?;
    let ids: Vec<i64> = listed.iter().map(|payment| payment.payment_id).collect();
    let history = payments::history(connection, &ids).await.map_err(reading())?;
    Ok(OfUser {
        user_id: user,
        since: Some(stretch.since),
        until: Some(stretch.until),
        totals,
        everybody,
        total_payments,
        payments: with_history(listed, history),
    })
}

fn with_history(payments: Vec<Payment>, events: Vec<Event>) -> Vec<Told> {
    let mut by_payment: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
    for event in events {
        by_payment.entry(event.payment_id).or_default().push(event);
    }
    let told = payments.into_iter().map(|payment| {
        let history = by_payment.remove(&payment.payment_id).unwrap_or_default();
        Told { payment, history }
    });
    told.collect()
}

fn line(payment: &Payment) -> Vec<String> {
    vec![
        payment.payment_id.to_string(),
        payment.provider_payment_id.clone(),
        time(payment.created_at),
        payment.status.clone(),
        payment.amount_minor.to_string(),
        payment.currency.clone(),
        payment.failure_code.clone().unwrap_or_default(),
        payment.payment_method_fingerprint.clone().unwrap_or_default(),
        payment.retried_at.map(time).unwrap_or_default(),
        payment.removed_at.map(time).unwrap_or_default(),
    ]
}
