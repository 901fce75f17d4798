//! `payment_monitor_operations`: the plan, stored whole before any of it is performed.

use super::copy::Rows;
use crate::domain::operation::Operation;
use crate::domain::run::RunId;
use sqlx::PgConnection;
use uuid::Uuid;

/// How COPY takes a plan.
pub const COPY: &str = "COPY payment_monitor_operations (id, job_id, kind, subject, action, \
    target_id, user_id, provider_id, previous_state, new_state, description) FROM STDIN";

/// Adds an operation to the rows of a COPY.
pub fn push(rows: &mut Rows, run: RunId, operation: &Operation) {
    rows.uuid(operation.id)
        .uuid(run.0)
        .text(&operation.kind)
        .text(operation.subject.as_str())
        .text(operation.action.as_str())
        .integer_or_null(operation.target_id)
        .integer_or_null(operation.user_id)
        .text(&operation.provider_id)
        .text_or_null(operation.previous_state.as_deref())
        .text_or_null(operation.new_state.as_deref())
        .text(&operation.description)
        .end();
}

/// Opens the transaction in which a plan is stored. It outlives the borrow of a guard: whoever
/// holds the connection may hand it on before it is decided whether to commit.
pub async fn begin(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("BEGIN").execute(connection).await.map(drop)
}

/// Lets the transaction be idle for as long as the comparison takes, and its last statement note as
/// much as was left.
pub async fn wait_for_comparison(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(&mut *connection)
        .await?;
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(connection).await.map(drop)
}

/// Commits a stored plan.
pub async fn commit(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("COMMIT").execute(connection).await.map(drop)
}

/// An operation as plan and discrepancies store it.
pub(super) struct Row {
    pub id: Uuid,
    pub kind: String,
    pub subject: String,
    pub action: String,
    pub target_id: Option<i64>,
    pub user_id: Option<i64>,
    pub provider_id: String,
    pub previous_state: Option<String>,
    pub new_state: Option<String>,
    pub description: String,
}

impl Row {
    pub fn operation(self) -> Operation {
        Operation {
            id: self.id,
            kind: self.kind,
            subject: self.subject.parse().expect("a CHECK allows no other subject"),
            action: self.action.parse().expect("a CHECK allows no other action"),
            target_id: self.target_id,
            user_id: self.user_id,
            provider_id: self.provider_id,
            previous_state: self.previous_state,
            new_state: self.new_state,
            description: self.description,
        }
    }
}

/// Whether an operation is in the stored plan.
pub async fn is_planned(connection: &mut PgConnection, operation: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM payment_monitor_operations WHERE id = $1) AS "planned!""#,
        operation
    )
    .fetch_one(connection)
    .await
}

/// The next operations of a run's plan, in the order of their ids; `after` is the last one of
/// the batch before.
pub async fn batch(
    connection: &mut PgConnection,
    run: RunId,
    after: Option<Uuid>,
    size: i64,
) -> sqlx::Result<Vec<Operation>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, kind, subject, action, target_id, user_id, provider_id,
            previous_state::text AS previous_state, new_state::text AS new_state, description
        FROM payment_monitor_operations
        WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3"#,
        run.0,
        after.unwrap_or(run.0),
        size
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Row::operation).collect())
}
