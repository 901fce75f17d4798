//! The views on payment failures: what `failures` tells of a stretch of time.

use crate::domain::{Per, Stretch};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use sqlx::PgConnection;

/// How many attempts there were and how many failed; and the same with the attempts at one
/// payment counted as one, at its last. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub attempts: u64,
    pub failures: u64,
    pub payments: u64,
    pub failed_payments: u64,
}

impl Counts {
    /// From 0 to 1; none where nothing was attempted.
    pub fn failure_rate(self) -> Option<f64> {
        rate(self.failures, self.attempts)
    }

    pub fn payment_failure_rate(self) -> Option<f64> {
        rate(self.failed_payments, self.payments)
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, more| Self {
            attempts: sum.attempts + more.attempts,
            failures: sum.failures + more.failures,
            payments: sum.payments + more.payments,
            failed_payments: sum.failed_payments + more.failed_payments,
        })
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Counts", 6)?;
        fields.serialize_field("attempts", &self.attempts)?;
        fields.serialize_field("failures", &self.failures)?;
        fields.serialize_field("failure_rate", &self.failure_rate())?;
        fields.serialize_field("payments", &self.payments)?;
        fields.serialize_field("failed_payments", &self.failed_payments)?;
        fields.serialize_field("payment_failure_rate", &self.payment_failure_rate())?;
        fields.end()
    }
}

/// A share of a whole, from 0 to 1; none of nothing.
#[allow(clippy::cast_precision_loss, reason = "counts of payments lie far below 2^52")]
pub fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An hour, a day or a week, from when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Step {
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The failures of a step with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStep {
    pub at: DateTime<Utc>,
    pub failure_code: String,
    pub failures: u64,
    pub failed_payments: u64,
}

/// What time it is, by the database's clock.
pub async fn now(connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(connection).await
}

/// From the first payment's hour to the present one; none where there are no payments.
pub async fn all_time(connection: &mut PgConnection) -> sqlx::Result<Option<Stretch>> {
    let known =
        sqlx::query!(r#"SELECT first_hour, end_hour AS "until!" FROM payment_monitor_hours_known"#)
            .fetch_one(connection)
            .await?;
    Ok(known.first_hour.map(|since| Stretch { since, until: known.until }))
}

/// The steps of a stretch, oldest first; none is left out after the first payment's.
pub async fn steps(
    connection: &mut PgConnection,
    stretch: Stretch,
    per: Per,
) -> sqlx::Result<Vec<Step>> {
    let rows = sqlx::query!(
        r#"SELECT date_trunc($3, hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "at!",
            sum(attempts)::bigint AS "attempts!", sum(failures)::bigint AS "failures!",
            sum(payments)::bigint AS "payments!",
            sum(failed_payments)::bigint AS "failed_payments!"
        FROM payment_failures_by_hour WHERE hour >= $1 AND hour < $2
        GROUP BY 1 ORDER BY 1"#,
        stretch.since,
        stretch.until,
        per.as_str()
    )
    .fetch_all(connection)
    .await?;
    let counts = |attempts, failures, payments, failed_payments| Counts {
        attempts: count(attempts),
        failures: count(failures),
        payments: count(payments),
        failed_payments: count(failed_payments),
    };
    let steps = rows.into_iter().map(|row| Step {
        at: row.at,
        counts: counts(row.attempts, row.failures, row.payments, row.failed_payments),
    });
    Ok(steps.collect())
}

/// The failures of a stretch by code and step, oldest first; only where there are any.
pub async fn code_steps(
    connection: &mut PgConnection,
    stretch: Stretch,
    per: Per,
) -> sqlx::Result<Vec<CodeStep>> {
    let rows = sqlx::query!(
        r#"SELECT date_trunc($3, hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS "at!",
            failure_code AS "failure_code!", sum(failures)::bigint AS "failures!",
            sum(failed_payments)::bigint AS "failed_payments!"
        FROM payment_failures_by_code_and_hour WHERE hour >= $1 AND hour < $2
        GROUP BY 1, 2 ORDER BY 1, 2"#,
        stretch.since,
        stretch.until,
        per.as_str()
    )
    .fetch_all(connection)
    .await?;
    let steps = rows.into_iter().map(|row| CodeStep {
        at: row.at,
        failure_code: row.failure_code,
        failures: count(row.failures),
        failed_payments: count(row.failed_payments),
    });
    Ok(steps.collect())
}

/// All that was attempted in a stretch.
pub async fn totals(connection: &mut PgConnection, stretch: Stretch) -> sqlx::Result<Counts> {
    let row = sqlx::query!(
        r#"SELECT coalesce(sum(attempts), 0)::bigint AS "attempts!",
            coalesce(sum(failures), 0)::bigint AS "failures!",
            coalesce(sum(payments), 0)::bigint AS "payments!",
            coalesce(sum(failed_payments), 0)::bigint AS "failed_payments!"
        FROM payment_failures_by_hour WHERE hour >= $1 AND hour < $2"#,
        stretch.since,
        stretch.until
    )
    .fetch_one(connection)
    .await?;
    Ok(Counts {
        attempts: count(row.attempts),
        failures: count(row.failures),
        payments: count(row.payments),
        failed_payments: count(row.failed_payments),
    })
}

/// A user's failures. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailingUser {
    pub user_id: i64,
    pub attempts: u64,
    pub failures: u64,
    pub failure_rate: Option<f64>,
    pub failed_payments: u64,
    /// None where no failure of the user's has a code.
    pub most_frequent_failure_code: Option<String>,
    pub last_failure_at: DateTime<Utc>,
}

/// The users with most failures in a stretch.
pub async fn users(
    connection: &mut PgConnection,
    stretch: Stretch,
    limit: i64,
) -> sqlx::Result<Vec<FailingUser>> {
    let rows = sqlx::query!(
        r#"SELECT user_id AS "user_id!", attempts AS "attempts!", failures AS "failures!",
            failed_payments AS "failed_payments!", most_frequent_failure_code,
            last_failure_at AS "last_failure_at!"
        FROM payment_failures_of_users($1, $2)
        ORDER BY failures DESC, user_id LIMIT $3"#,
        stretch.since,
        stretch.until,
        limit
    )
    .fetch_all(connection)
    .await?;
    let users = rows.into_iter().map(|row| FailingUser {
        user_id: row.user_id,
        attempts: count(row.attempts),
        failures: count(row.failures),
        failure_rate: rate(count(row.failures), count(row.attempts)),
        failed_payments: count(row.failed_payments),
        most_frequent_failure_code: row.most_frequent_failure_code,
        last_failure_at: row.last_failure_at,
    });
    Ok(users.collect())
}

/// How many users had a failure in a stretch.
pub async fn count_users(connection: &mut PgConnection, stretch: Stretch) -> sqlx::Result<u64> {
    let users = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT user_id) AS "users!" FROM payment_failures
        WHERE created_at >= $1 AND created_at < $2"#,
        stretch.since,
        stretch.until
    );
    users.fetch_one(connection).await.map(count)
}

/// The attempts in a stretch that belong to no user, and how many of them failed.
pub async fn guests(connection: &mut PgConnection, stretch: Stretch) -> sqlx::Result<(u64, u64)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "attempts!", count(*) FILTER (WHERE status = 'failed') AS "failures!"
        FROM ledger_payments
        WHERE user_id IS NULL AND removed_at IS NULL AND created_at >= $1 AND created_at < $2"#,
        stretch.since,
        stretch.until
    )
    .fetch_one(connection)
    .await?;
    Ok((count(row.attempts), count(row.failures)))
}
