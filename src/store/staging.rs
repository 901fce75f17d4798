//! The staging tables: the statement goes in by COPY, and is proven to be whole before use.
//!
//! Every row's digest is computed twice: here, of what was written, and by the database, of
//! what it holds. Count and XOR of both must agree.

use super::copy::Rows;
use crate::domain::run::RunId;
use crate::domain::{StatementPayment, StatementSubscription};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

/// How COPY takes payments.
pub const COPY_PAYMENTS: &str = "COPY payment_monitor_staged_payments (job_id, position, \
    provider_payment_id, provider_customer_id, status, amount_minor, amount_captured_minor, \
    amount_refunded_minor, disputed, currency, failure_code, failure_message, \
    payment_method_fingerprint, created_at) FROM STDIN";
/// How COPY takes subscriptions.
pub const COPY_SUBSCRIPTIONS: &str = "COPY payment_monitor_staged_subscriptions (job_id, \
    position, provider_subscription_id, provider_customer_id, plan, status, current_period_end, \
    created_at) FROM STDIN";
/// How COPY takes customers.
pub const COPY_CUSTOMERS: &str = "COPY payment_monitor_staged_customers (job_id, position, \
    provider_customer_id, user_id) FROM STDIN";

/// Count and digest of the rows of one staging table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    pub rows: i64,
    pub digest: i64,
}

impl Proof {
    fn add(&mut self, digest: i64) {
        self.rows += 1;
        self.digest ^= digest;
    }
}

/// Writes the staged rows of one table, and proves them.
#[derive(Debug, Default)]
pub struct Stage {
    pub rows: Rows,
    pub proof: Proof,
}

impl Stage {
    pub fn payment(&mut self, run: RunId, p: &StatementPayment) {
        let mut digest = RowDigest::default();
        digest
            .text(Some(&p.provider_payment_id))
            .text(p.provider_customer_id.as_staged())
            .text(Some(&p.status))
            .integer(Some(p.amount_minor))
            .integer(p.amount_captured_minor)
            .integer(p.amount_refunded_minor)
            .text(p.disputed.map(|disputed| if disputed { "true" } else { "false" }))
            .text(Some(p.currency.as_str()))
            .text(p.failure_code.as_staged())
            .text(p.failure_message.as_deref())
            .text(p.payment_method_fingerprint.as_deref())
            .time(Some(p.created_at));
        self.rows
            .uuid(run.0)
            .integer(self.proof.rows)
            .text(&p.provider_payment_id)
            .text_or_null(p.provider_customer_id.as_staged())
            .text(&p.status)
            .integer(p.amount_minor)
            .integer_or_null(p.amount_captured_minor)
            .integer_or_null(p.amount_refunded_minor)
            .boolean_or_null(p.disputed)
            .text(p.currency.as_str())
            .text_or_null(p.failure_code.as_staged())
            .text_or_null(p.failure_message.as_deref())
            .text_or_null(p.payment_method_fingerprint.as_deref())
            .time(p.created_at)
            .end();
        self.proof.add(digest.finish());
    }

    pub fn subscription(&mut self, run: RunId, s: &StatementSubscription) {
        let mut digest = RowDigest::default();
        digest
            .text(Some(&s.provider_subscription_id))
            .text(s.provider_customer_id.as_staged())
            .text(Some(&s.plan))
            .text(Some(&s.status))
            .time(s.current_period_end)
            .time(Some(s.created_at));
        self.rows
            .uuid(run.0)
            .integer(self.proof.rows)
            .text(&s.provider_subscription_id)
            .text_or_null(s.provider_customer_id.as_staged())
            .text(&s.plan)
            .text(&s.status)
            .time_or_null(s.current_period_end)
            .time(s.created_at)
            .end();
        self.proof.add(digest.finish());
    }

    pub fn customer(&mut self, run: RunId, provider_customer_id: &str, user_id: Option<i64>) {
        let mut digest = RowDigest::default();
        digest.text(Some(provider_customer_id)).integer(user_id);
        self.rows
            .uuid(run.0)
            .integer(self.proof.rows)
            .text(provider_customer_id)
            .integer_or_null(user_id)
            .end();
        self.proof.add(digest.finish());
    }
}

/// The SQL function `payment_monitor_digest`, computed here.
#[derive(Default)]
struct RowDigest {
    hash: Sha256,
    is_continued: bool,
}

impl RowDigest {
    fn text(&mut self, field: Option<&str>) -> &mut Self {
        if self.is_continued {
            self.hash.update(b"\x1f");
        }
        self.is_continued = true;
        self.hash.update(field.unwrap_or("\x1e"));
        self
    }

    fn integer(&mut self, field: Option<i64>) -> &mut Self {
        self.text(field.map(|value| value.to_string()).as_deref())
    }

    fn time(&mut self, field: Option<DateTime<Utc>>) -> &mut Self {
        self.integer(field.map(|time| time.timestamp_micros()))
    }

    fn finish(self) -> i64 {
        let hash = self.hash.finalize();
        i64::from_be_bytes(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// Empties the staging tables; false where the session does not hold the run lock (any more):
/// then somebody else's statement may be in them.
pub async fn empty(connection: &mut PgConnection, lock_holder: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT payment_monitor_empty_staging($1) AS "emptied!""#, lock_holder)
        .fetch_one(connection)
        .await
}

/// Count and digest of what the three tables hold for a run: payments, subscriptions,
/// customers.
pub async fn prove(connection: &mut PgConnection, run: RunId) -> sqlx::Result<[Proof; 3]> {
    let payments = sqlx::query_as!(
        Proof,
        r#"SELECT count(*) AS "rows!", coalesce(bit_xor(payment_monitor_digest(
            provider_payment_id, provider_customer_id, status, amount_minor::text,
            amount_captured_minor::text, amount_refunded_minor::text, disputed::text, currency,
            failure_code, failure_message, payment_method_fingerprint,
            payment_monitor_micros(created_at))), 0) AS "digest!"
        FROM payment_monitor_staged_payments WHERE job_id = $1"#,
        run.0
    )
    .fetch_one(&mut *connection)
    .await?;
    let subscriptions = sqlx::query_as!(
        Proof,
        r#"SELECT count(*) AS "rows!", coalesce(bit_xor(payment_monitor_digest(
            provider_subscription_id, provider_customer_id, plan, status,
            payment_monitor_micros(current_period_end),
            payment_monitor_micros(created_at))), 0) AS "digest!"
        FROM payment_monitor_staged_subscriptions WHERE job_id = $1"#,
        run.0
    )
    .fetch_one(&mut *connection)
    .await?;
    let customers = sqlx::query_as!(
        Proof,
        r#"SELECT count(*) AS "rows!", coalesce(bit_xor(payment_monitor_digest(
            provider_customer_id, user_id::text)), 0) AS "digest!"
        FROM payment_monitor_staged_customers WHERE job_id = $1"#,
        run.0
    )
    .fetch_one(connection)
    .await?;
    Ok([payments, subscriptions, customers])
}
