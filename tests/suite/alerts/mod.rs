//! Alerts: the schedule that the dead man's rules go by, and every rule that asks PostgreSQL, with
//! the query that is shipped: when it fires, when it is silent, how it resolves.

mod everyday;
mod ledger;
mod payments;
mod runbook;
mod runs;
mod schedule;
#[allow(dead_code, reason = "shared with tests/alerts, which needs other parts")]
mod shipped;

use crate::harness::{Charge, Ledger, Listing, request};
use payment_monitor::postgres::HOST;
use payment_monitor::run::{Report, Request};
use payment_monitor::store::Database;
use secrecy::SecretString;
use shipped::Rule;
use sqlx::{AssertSqlSafe, Column as _, Executor as _, PgConnection, Row as _, SqlSafeStr as _};
use sqlx::{TypeInfo as _, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

type Labels = BTreeMap<String, String>;

/// What Grafana makes of a query's answer: an instance for each row.
struct Instance {
    labels: Labels,
    value: f64,
}

/// What fires of a rule now, as a login of `payment_monitor_reader` sees it.
async fn firing(ledger: &mut Ledger, uid: &str) -> Vec<Instance> {
    let rule = shipped::rule(uid);
    let mut reader = reader(ledger).await;
    let mut instances = instances(&mut reader, &rule).await;
    instances.retain(|instance| instance.value > 0.0);
    instances
}

/// One instance fires, with these labels; gives its value.
async fn fires(ledger: &mut Ledger, uid: &str, labels: &[(&str, &str)]) -> f64 {
    let found = firing(ledger, uid).await;
    let has = |instance: &&Instance| {
        labels.iter().all(|(name, value)| instance.labels.get(*name).is_some_and(|v| v == value))
    };
    let all: Vec<_> = found.iter().map(|instance| &instance.labels).collect();
    let mut matching = found.iter().filter(has);
    let one = matching.next().unwrap_or_else(|| panic!("{uid} {labels:?}: {all:?}"));
    assert!(matching.next().is_none(), "{uid} {labels:?}: {all:?}");
    one.value
}

async fn is_silent(ledger: &mut Ledger, uid: &str) {
    let found = firing(ledger, uid).await;
    let all: Vec<_> = found.iter().map(|instance| &instance.labels).collect();
    assert!(all.is_empty(), "{uid}: {all:?}");
}

/// A connection of a login that may read the views, and nothing else.
async fn reader(ledger: &mut Ledger) -> PgConnection {
    let (name, password) = (ledger.name().to_owned(), ledger.server().password().to_owned());
    let login = format!("reader_of_{name}");
    let known = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{login}'");
    if ledger.number(&known).await == 0 {
        let create = format!(
            "CREATE ROLE {login} LOGIN PASSWORD '{password}' IN ROLE payment_monitor_reader"
        );
        ledger.sql(&create).await;
    }
    let port = ledger.server().port();
    let url = format!("postgres://{login}:{password}@{HOST}:{port}/{name}");
    Database::new(&SecretString::from(url)).unwrap().named("grafana").connect().await.unwrap()
}

async fn instances(reader: &mut PgConnection, rule: &Rule) -> Vec<Instance> {
    let sql = rule.query("A");
    let rows = reader.fetch_all(AssertSqlSafe(sql.to_owned()).into_sql_str()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", rule.uid));
    let instances: Vec<Instance> = rows.iter().map(instance).collect();
    let sets: BTreeSet<&Labels> = instances.iter().map(|instance| &instance.labels).collect();
    assert_eq!(sets.len(), instances.len(), "{}: label sets must differ", rule.uid);
    instances
}

fn instance(row: &PgRow) -> Instance {
    let mut found = Instance { labels: Labels::new(), value: f64::NAN };
    for column in row.columns() {
        let (name, at) = (column.name(), column.ordinal());
        match column.type_info().name() {
            "TEXT" => drop(found.labels.insert(name.to_owned(), row.get(at))),
            "INT4" => found.value = f64::from(row.get::<i32, _>(at)),
            #[expect(clippy::cast_precision_loss, reason = "counts are small")]
            "INT8" => found.value = row.get::<i64, _>(at) as f64,
            "FLOAT8" => found.value = row.get(at),
            other => panic!("{name} is of type {other}"),
        }
    }
    found
}

/// The names and types of a query's columns.
async fn columns(reader: &mut PgConnection, sql: &str) -> Vec<(String, String)> {
    use sqlx::Statement as _;
    let statement = reader.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await.unwrap();
    let columns = statement.columns().iter();
    columns.map(|c| (c.name().to_owned(), c.type_info().name().to_owned())).collect()
}

/// Charges `ch_1` to `ch_n`, a minute apart.
fn charges(n: i64) -> Vec<Charge> {
    (1..=n).map(|n| Charge::new(&format!("ch_{n}"), n)).collect()
}

/// A statement without payments and subscriptions; an empty file would not be one.
fn nothing() -> Listing {
    Listing::default().and(&serde_json::json!({
        "id": "cus_1", "object": "customer", "created": 1_700_000_000, "livemode": true,
        "metadata": { "user_id": "1" },
    }))
}

/// A run on a listing that is proven complete.
async fn run(ledger: &Ledger, listing: &Listing, change: impl FnOnce(&mut Request)) -> Report {
    let folder = TempDir::new().unwrap();
    let mut request = request(&listing.write(folder.path()));
    change(&mut request);
    ledger.run(request).await
}

/// A run that succeeds.
async fn succeed(ledger: &Ledger, listing: &Listing) -> Report {
    let report = run(ledger, listing, |_| ()).await;
    assert_eq!(report.summary.error, None);
    report
}

/// A run that fails, because a record is malformed.
async fn fail(ledger: &Ledger) -> Report {
    run(ledger, &Listing::of(charges(1)).line("{"), |request| request.statement.strict = true).await
}

/// Everything in the record happened so much earlier.
async fn age(ledger: &mut Ledger, by: &str) {
    let older = format!(
        "SET session_replication_role = replica;
        UPDATE payment_monitor_jobs SET started_at = started_at - interval '{by}';
        UPDATE payment_monitor_findings SET found_at = found_at - interval '{by}';
        UPDATE payment_monitor_discrepancies SET first_seen_at = first_seen_at - interval '{by}';
        SET session_replication_role = origin"
    );
    ledger.sql(&older).await;
}
