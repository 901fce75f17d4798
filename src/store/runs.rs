//! The views on runs: what `runs` and `show` tell.

use crate::domain::run::{Counts, Phase, RunId, Summary};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

struct Row {
    run_id: Uuid,
    parent_id: Option<Uuid>,
    started_at: DateTime<Utc>,
    duration: Option<PgInterval>,
    execution_status: String,
    needs_rescue: Option<bool>,
    operations_planned: i64,
    results_applied: i64,
    results_failed: i64,
    results_conflict: i64,
    not_done: i64,
    still_open: i64,
    withheld_deletes: i64,
    discrepancies: Option<Json<BTreeMap<String, u64>>>,
    left_alone: Option<Json<BTreeMap<String, u64>>>,
    statement: Option<serde_json::Value>,
    phases: Option<Json<Vec<Phase>>>,
    error: Option<String>,
    host: String,
    version: String,
}

impl Row {
    fn summary(self) -> Summary {
        let run = RunId(self.run_id);
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let micros = self.duration.map(|d| d.microseconds + i64::from(d.days) * 86_400_000_000);
        Summary {
            run_id: run.to_string(),
            trace_id: run.trace_id(),
            parent_id: self.parent_id.map(|id| id.to_string()),
            status: self.execution_status.parse().expect("a CHECK allows no other status"),
            needs_rescue: self.needs_rescue,
            error: self.error,
            started_at: self.started_at,
            duration_ms: micros.map(|micros| count(micros / 1000)),
            host: self.host,
            version: self.version,
            statement: self.statement,
            discrepancies: self.discrepancies.map(|Json(map)| map).unwrap_or_default(),
            left: self.left_alone.map(|Json(map)| map).unwrap_or_default(),
            operations: Counts {
                planned: count(self.operations_planned),
                applied: count(self.results_applied),
                failed: count(self.results_failed),
                conflict: count(self.results_conflict),
                not_done: count(self.not_done),
                open: count(self.still_open),
            },
            withheld_deletes: count(self.withheld_deletes),
            phases: self.phases.map(|Json(phases)| phases).unwrap_or_default(),
            assessment: None,
            telemetry: None,
        }
    }
}

/// The runs that began last, newest first.
pub async fn latest(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Summary>> {
    let rows = select(connection, None, limit).await?;
    Ok(rows.into_iter().map(Row::summary).collect())
}

/// One run's summary. Of a run that has not ended its totals are counted as of now.
pub async fn get(connection: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Summary>> {
    Ok(select(connection, Some(run.0), 1).await?.pop().map(Row::summary))
}

async fn select(
    connection: &mut PgConnection,
    run: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"SELECT run_id AS "run_id!", parent_id, started_at AS "started_at!", duration,
            execution_status AS "execution_status!", needs_rescue,
            operations_planned AS "operations_planned!",
            results_applied AS "results_applied!", results_failed AS "results_failed!",
            results_conflict AS "results_conflict!", not_done AS "not_done!",
            still_open AS "still_open!", withheld_deletes AS "withheld_deletes!",
            discrepancies AS "discrepancies: Json<BTreeMap<String, u64>>",
            left_alone AS "left_alone: Json<BTreeMap<String, u64>>", statement,
            phases AS "phases: Json<Vec<Phase>>", error, host AS "host!", version AS "version!"
        FROM run_summary WHERE $1::uuid IS NULL OR run_id = $1
        ORDER BY run_id DESC LIMIT $2"#,
        run,
        limit
    )
    .fetch_all(connection)
    .await
}

/// The run that began last; skipped ones did not begin.
pub async fn newest(connection: &mut PgConnection) -> sqlx::Result<Option<RunId>> {
    sqlx::query_scalar!(
        r#"SELECT run_id AS "run_id!" FROM run_summary
        WHERE execution_status <> 'skipped' ORDER BY run_id DESC LIMIT 1"#
    )
    .fetch_optional(connection)
    .await
    .map(|id| id.map(RunId))
}

/// A planned operation and its fate. Its JSON keys are a public interface (docs/json.md).
#[derive(Debug, serde::Serialize)]
pub struct OperationStory {
    pub operation_id: Uuid,
    pub span_id: String,
    pub kind: String,
    pub subject: String,
    pub action: String,
    pub provider_id: String,
    pub user_id: Option<i64>,
    pub description: String,
    /// `applied`, `failed`, `conflict`, `not_done`, `held`, or `open` while the run goes on.
    pub fate: String,
    pub occurred_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
    pub previous_state: Option<serde_json::Value>,
    pub new_state: Option<serde_json::Value>,
}

/// The operations of a run that met one fate, in the order of the plan. What is rare is looked up
/// first: else the whole plan would be read for it.
pub async fn operations(
    connection: &mut PgConnection,
    run: RunId,
    fate: &str,
    limit: i64,
) -> sqlx::Result<Vec<OperationStory>> {
    let rare = match fate {
        "failed" | "conflict" => Some(unapplied(connection, run, fate, limit).await?),
        "not_done" | "open" => Some(without_result(connection, run, limit).await?),
        _ => None,
    };
    sqlx::query_as!(
        OperationStory,
        r#"SELECT operation_id AS "operation_id!", span_id AS "span_id!", kind AS "kind!",
            subject AS "subject!", action AS "action!", provider_id AS "provider_id!", user_id,
            description AS "description!", fate AS "fate!", occurred_at, error,
            coalesce(previous_state, planned_previous_state) AS previous_state,
            coalesce(new_state, planned_new_state) AS new_state
        FROM run_operations
        WHERE run_id = $1 AND fate = $2 AND ($4::uuid[] IS NULL OR operation_id = ANY ($4))
        ORDER BY operation_id LIMIT $3"#,
        run.0,
        fate,
        limit,
        rare.as_deref()
    )
    .fetch_all(connection)
    .await
}

async fn without_result(
    connection: &mut PgConnection,
    run: RunId,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM payment_monitor_operations o
        WHERE job_id = $1 AND id > $1 AND NOT EXISTS (SELECT FROM payment_monitor_results r
            WHERE r.job_id = $1 AND r.id > $1 AND r.id = o.id)
        ORDER BY id LIMIT $2",
        run.0,
        limit
    )
    .fetch_all(connection)
    .await
}

async fn unapplied(
    connection: &mut PgConnection,
    run: RunId,
    outcome: &str,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM payment_monitor_results
        WHERE job_id = $1 AND outcome <> 'applied' AND outcome = $2 ORDER BY id LIMIT $3",
        run.0,
        outcome,
        limit
    )
    .fetch_all(connection)
    .await
}
