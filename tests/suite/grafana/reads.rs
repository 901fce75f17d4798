//! How much PostgreSQL reads of a long record for what is asked of it: what is found, and not what
//! there is.

use super::boards::{Board, targets};
use super::look::{Look, asked, values};
use super::panels::range;
use crate::harness::Ledger;
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// 10 runs of 2,000 operations on the same payments; every 500th is an insert that was refused.
const RECORD: &str = "
    SET session_replication_role = replica;
    INSERT INTO users (id, created_at) SELECT n, '2024-01-01' FROM generate_series(1, 2000) n;
    INSERT INTO payments (id, user_id, provider_payment_id, status, amount_minor, currency,
        created_at, updated_at)
    SELECT n, n, 'ch_' || n, 'succeeded', 900, 'USD', now(), now() FROM generate_series(1, 2000) n
    WHERE n % 500 > 0;
    CREATE TEMP TABLE made AS SELECT run, k, at, payment_monitor_id_at(at) AS job,
        overlay(payment_monitor_id_at(at)::text PLACING '7000-8000-' || lpad(to_hex(k), 12, '0')
            FROM 15)::uuid AS id
    FROM generate_series(1, 10) run, generate_series(1, 2000) k,
        LATERAL (SELECT date_trunc('month', now(), 'UTC') + run * interval '1 second' AS at) a;
    INSERT INTO payment_monitor_jobs (id, started_at, duration, execution_status, host, version,
        operations_planned, total_results, results_applied, results_failed, results_update)
    SELECT DISTINCT job, at, interval '1 second', 'succeeded', 'host', '1', 2000, 2000, 1996, 4,
        2000 FROM made;
    INSERT INTO payment_monitor_operations (id, job_id, kind, subject, action, target_id,
        provider_id, previous_state, new_state, description)
    SELECT id, job, 'state', 'payment', 'update', k, 'ch_' || k, '{}', '{}', 'state' FROM made;
    INSERT INTO payment_monitor_results (id, job_id, user_id, payment_id, occurred_at,
        description, previous_state, new_state, action, outcome, error)
    SELECT id, job, k, CASE WHEN k % 500 > 0 THEN k END, now(), 'state', '{}',
        CASE WHEN k % 500 > 0 THEN '{}'::jsonb END, 'update',
        CASE WHEN k % 500 > 0 THEN 'applied' ELSE 'failed' END,
        CASE WHEN k % 500 > 0 THEN NULL ELSE '23514' END FROM made;
    SET session_replication_role = origin;
    VACUUM ANALYZE payments;
    VACUUM ANALYZE payment_monitor_operations;
    VACUUM ANALYZE payment_monitor_results";

async fn record() -> (Ledger, String) {
    let mut ledger = Ledger::empty().await;
    for statement in RECORD.split(";\n") {
        ledger.sql(statement).await;
    }
    let run = ledger.text("SELECT run_id FROM run_summary ORDER BY run_id LIMIT 1").await;
    (ledger, run)
}

/// The nodes of what PostgreSQL did for a panel.
async fn nodes(ledger: &mut Ledger, board: &str, title: &str, look: &Look) -> Vec<Value> {
    let board = Board::named(board);
    let values = values(&mut ledger.admin, &board, look, &range()).await.unwrap();
    let query = asked(&targets(board.panel(title))[0], &values, &range()).unwrap();
    let explain = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}");
    let plan: Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut ledger.admin).await.unwrap();
    let mut nodes = vec![plan[0]["Plan"].clone()];
    let mut at = 0;
    while at < nodes.len() {
        let below = nodes[at]["Plans"].as_array().cloned().unwrap_or_default();
        nodes.extend(below);
        at += 1;
    }
    nodes
}

/// Rows that a node gave, or read in vain.
fn rows(node: &Value) -> u64 {
    let number = |key: &str| node[key].as_f64().unwrap_or_default();
    let each = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let all = (each.map(number).iter().sum::<f64>() * number("Actual Loops")) as u64;
    all
}

/// Rows of plan and results that were read.
fn read(nodes: &[Value]) -> u64 {
    let is_record = |node: &&Value| {
        let relation = node["Relation Name"].as_str().unwrap_or_default();
        relation.starts_with("payment_monitor_results")
            || relation.starts_with("payment_monitor_operations")
    };
    nodes.iter().filter(is_record).map(rows).sum()
}

#[tokio::test]
async fn a_search_of_the_audit_trail_reads_what_it_finds() {
    let (mut ledger, run) = record().await;
    let looks = [
        ("payment", "ch_7", 10),
        ("payment", "7", 10),
        ("payment", "ch_500", 10), // has no row: it was never inserted
        ("payment", "ch_0", 0),
        ("subscription", "sub_7", 0),
        ("subscription", "7", 0),
        ("user", "7", 10),
        ("run", &run.to_uppercase(), 2_000),
        ("run", "------------------------------------", 0),
    ];
    for (name, value, found) in looks {
        let look = Look::at(&[(name, value)]);
        for title in [
            "Results found",
            "Of these failed",
            "Users concerned",
            "When was something changed?",
            "What was done, newest first",
            "What happened to this one, from the beginning",
        ] {
            let nodes = nodes(&mut ledger, "audit-trail", title, &look).await;
            let (read, limit) = (read(&nodes), 4 * found + 600);
            assert!(read <= limit, "{title}: {read} rows for {name} {value}: {nodes:#?}");
        }
        let title = "What happened to this one, from the beginning";
        let nodes = nodes(&mut ledger, "audit-trail", title, &look).await;
        assert_eq!(rows(&nodes[0]), found.min(1_000), "{name} {value}");
    }
}

#[tokio::test]
async fn the_operations_of_a_large_run_are_chosen_before_they_are_numbered() {
    let (mut ledger, run) = record().await;
    let look = Look::at(&[("run", &run)]);
    for (title, listed) in [
        ("Failed and in conflict: nothing was changed", 4),
        ("Completed: the row before and after", 1_000),
        ("Never done: no effect was left", 0),
    ] {
        let nodes = nodes(&mut ledger, "run", title, &look).await;
        assert_eq!(rows(&nodes[0]), listed, "{title}");
        let numbered = nodes.iter().filter(|node| node["Node Type"] == "WindowAgg").map(rows).max();
        assert!(numbered.unwrap() <= listed, "{title}: {numbered:?}: {nodes:#?}");
        // Of a run that has done everything nothing is looked for.
        assert!(listed > 0 || read(&nodes) == 0, "{title}: {nodes:#?}");
    }
}
