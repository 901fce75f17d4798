//! The users with most failures.

use super::{Found, rate, reading, time};
use crate::cli::FailuresArgs;
use crate::commands::render::failures::{self as render, ByUser, Guests};
use crate::domain::Stretch;
use crate::store::failures::{self as stored, FailingUser};
use sqlx::PgConnection;

pub async fn by_user(
    connection: &mut PgConnection,
    args: &FailuresArgs,
    stretch: Stretch,
) -> anyhow::Result<Found<ByUser>> {
    let users = stored::users(connection, stretch, args.limit()).await.map_err(reading())?;
    let total_users = stored::count_users(connection, stretch).await.map_err(reading())?;
    let (attempts, failures) = stored::guests(connection, stretch).await.map_err(reading())?;
    let failure_rate = stored::rate(failures, attempts);
    let document = ByUser {
        since: stretch.since,
        until: stretch.until,
        total_users,
        users,
        guests: Guests { attempts, failures, failure_rate },
    };
    Ok(Found {
        document,
        head: &[
            "user_id",
            "attempts",
            "failures",
            "failure_rate",
            "failed_payments",
            "most_frequent_failure_code",
            "last_failure_at",
        ],
        lines: |told| told.users.iter().map(line).collect(),
        text: |told, printer| render::by_user(told, printer.width(), printer.palette()),
    })
}

fn line(user: &FailingUser) -> Vec<String> {
    vec![
        user.user_id.to_string(),
        user.attempts.to_string(),
        user.failures.to_string(),
        rate(user.failure_rate),
        user.failed_payments.to_string(),
        user.most_frequent_failure_code.clone().unwrap_or_default(),
        time(user.last_failure_at),
    ]
}
