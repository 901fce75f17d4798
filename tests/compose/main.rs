//! docker-compose.yml as it runs: what the engine says of its containers, and what PostgreSQL,
//! Tempo, Loki and Prometheus say of the runs in them. `stack/compose` starts it, and runs this.
//! It changes nothing that is asserted elsewhere, and starts nothing itself.

// What is asked of a stack in other tests, too.
#[allow(dead_code)]
#[path = "../stack/asking.rs"]
mod asking;
mod containers;

use asking::{Backend, PATIENCE, until};
use containers::{Container, all, container};
use payment_monitor::telemetry::names;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _};

/// Not started, because there is nothing to make its image from.
const LEFT_OUT: &str = "grafana";
/// Those that end when they have done their work, each with success.
const ONE_SHOTS: [&str; 4] = ["queues", "migrate", "schedule", "job-at-start"];
/// Those that can't be asked, because their image holds nothing to ask with.
const UNASKED: [&str; 3] = ["agent-job", "agent-db", "gateway"];

#[test]
#[ignore = "needs the containers: stack/compose"]
fn every_container_is_well_or_has_done_its_work() {
    let containers = all();
    assert_eq!(containers.len(), 14 - 1, "{LEFT_OUT} is left out: {containers:?}");
    for container in &containers {
        let state = container.state();
        if ONE_SHOTS.contains(&container.service.as_str()) {
            assert_eq!(state, "exited 0", "{}", container.service);
        } else if UNASKED.contains(&container.service.as_str()) {
            assert_eq!(state, "running", "{}", container.service);
        } else {
            assert_eq!(state, "running healthy", "{}", container.service);
        }
        assert_eq!(container.document["RestartCount"], 0, "{}", container.service);
    }
}

#[test]
#[ignore = "needs the containers: stack/compose"]
fn no_container_may_do_what_it_needs_not() {
    for container in all() {
        let name = &container.service;
        let (host, config) = (&container.document["HostConfig"], &container.document["Config"]);
        let user = config["User"].as_str().unwrap();
        assert!(!["", "0", "root"].contains(&user.split(':').next().unwrap()), "{name}: {user}");
        assert_eq!(host["ReadonlyRootfs"], true, "{name}");
        assert_eq!(host["Privileged"], false, "{name}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{name}");
        assert!(host["CapAdd"].is_null(), "{name}: {}", host["CapAdd"]);
        assert!(host["SecurityOpt"].to_string().contains("no-new-privileges"), "{name}");
        assert!(host["Memory"].as_u64().unwrap() > 0, "{name}: no limit");
        assert_eq!(host["LogConfig"]["Config"]["max-size"], "10m", "{name}");
        let bindings = host["PortBindings"].as_object();
        assert!(bindings.is_none_or(serde_json::Map::is_empty), "{name} publishes {bindings:?}");
    }
}

#[tokio::test]
#[ignore = "needs the containers: stack/compose"]
async fn runs_start_at_once_and_then_by_cron_and_correct_what_the_simulator_lets_drift() {
    let mut ledger = ledger().await;
    let first = text(&mut ledger, "SELECT id FROM payment_monitor_jobs ORDER BY id LIMIT 1").await;
    let query = "SELECT results_applied > 0 FROM run_summary WHERE run_id =";
    assert_eq!(text(&mut ledger, &format!("{query} '{first}'")).await, "true", "the first run");
    let seen = text(&mut ledger, "SELECT count(*) FROM payment_monitor_jobs").await;
    let seen: u64 = seen.parse().unwrap();
    // Another two, which only cron can have started, and what they found in a company that lives.
    let query = "SELECT count(*) FILTER (WHERE results_applied > 0) > 1 AND count(*) >= {} FROM \
                 run_summary WHERE host = 'job-host' AND execution_status <> 'running'";
    let query = query.replace("{}", &(seen + 2).to_string());
    awaited(&mut ledger, &query).await;
    let allowed = "SELECT expected_within = '3 minutes'::interval FROM run_schedule";
    assert_eq!(text(&mut ledger, allowed).await, "true");
}

#[tokio::test]
#[ignore = "needs the containers: stack/compose"]
async fn a_runs_trace_and_logs_arrive_and_the_load_of_the_databases_host_is_recorded() {
    let mut ledger = ledger().await;
    let first = text(&mut ledger, "SELECT id FROM payment_monitor_jobs ORDER BY id LIMIT 1").await;
    let trace = first.replace('-', "");
    let tempo = Backend::at(&container("tempo").address(3200));
    let results = format!("SELECT count(*) FROM payment_monitor_results WHERE job_id = '{first}'");
    let results: usize = text(&mut ledger, &results).await.parse().unwrap();
    until("a span for every result of the first run", async || {
        let spans = tempo.spans(&trace).await?;
        let operations = spans.iter().filter(|s| s.attribute(names::OPERATION_ID).is_some());
        let role = spans.first().and_then(|s| s.resource_attribute("payment_monitor.host.role"));
        asking::equal(&(operations.count(), role.as_deref()), &(results, Some("job")))
    })
    .await;
    let loki = Backend::at(&container("loki").address(3100));
    let lines = format!("{{service_name=\"payment-monitor\"}} | trace_id=\"{trace}\"");
    until("the lines of the first run", async || lines_of(&loki, &lines).await).await;
    let load = "SELECT count(*) > 0 FROM run_events \
                WHERE kind = 'database_host' AND details ->> 'note' IS NULL";
    awaited(&mut ledger, load).await;
}

#[tokio::test]
#[ignore = "needs the containers: stack/compose"]
async fn both_hosts_and_postgresql_are_measured_and_its_log_is_read() {
    let prometheus = Backend::at(&container("prometheus").address(9090));
    for query in [
        "system_cpu_utilization_ratio{payment_monitor_host_role=\"job\",host_name=\"job-host\"}",
        "system_cpu_utilization_ratio{payment_monitor_host_role=\"database\"}",
        "system_filesystem_utilization_ratio{payment_monitor_host_role=\"database\"}",
        "postgresql_wal_written_bytes_total{host_name=\"database-host\"}",
        "otelcol_process_uptime_seconds_total{payment_monitor_host_role=\"gateway\"}",
        "up{job=\"backends\"} == 1",
    ] {
        until(query, async || {
            let series = prometheus.series(query).await?;
            if series.is_empty() { Err("no series".to_owned()) } else { Ok(()) }
        })
        .await;
    }
    let mut ledger = ledger().await;
    let refused = sqlx::raw_sql("SELECT 1 FROM no_such_table").execute(&mut ledger).await;
    assert!(refused.is_err());
    let loki = Backend::at(&container("loki").address(3100));
    let lines = "{service_name=\"postgresql\",host_name=\"database-host\"} |= \"no_such_table\"";
    until("a line of PostgreSQL's", async || lines_of(&loki, lines).await).await;
}

async fn lines_of(loki: &Backend, query: &str) -> Result<(), String> {
    let now = chrono::Utc::now().timestamp();
    let [since, until] = [now - 3600, now + 60].map(|time| time.to_string());
    let lines = loki.lines(query, &since, &until).await?;
    if lines.is_empty() { Err("no line".to_owned()) } else { Ok(()) }
}

/// As the superuser of .env.example.
async fn ledger() -> PgConnection {
    let Container { document, .. } = &container("postgres");
    let variables = document["Config"]["Env"].as_array().unwrap();
    let password = variables.iter().find_map(|v| v.as_str()?.strip_prefix("POSTGRES_PASSWORD="));
    let address = container("postgres").address(5432);
    let (host, _) = address.split_once(':').unwrap();
    let options = PgConnectOptions::new().host(host).database("shop").username("postgres");
    options.password(password.unwrap()).connect().await.unwrap()
}

async fn text(ledger: &mut PgConnection, query: &str) -> String {
    let query = AssertSqlSafe(format!("SELECT ({query})::text"));
    sqlx::query(query).fetch_one(ledger).await.unwrap().get(0)
}

/// Until a query says true.
async fn awaited(ledger: &mut PgConnection, query: &str) {
    let started = std::time::Instant::now();
    while text(ledger, query).await != "true" {
        assert!(started.elapsed() < PATIENCE, "still not: {query}");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
