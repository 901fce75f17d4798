//! Both hosts, PostgreSQL and the collectors themselves, in Prometheus and Loki.

use crate::asking::{Backend, until};
use crate::servers::{DATABASE_HOST, GATEWAY_HOST, JOB_HOST, repository};
use crate::stack::Stack;

/// CPU, memory, load, network, disk, file systems, paging, processes. The utilization of swap is
/// left out: a machine may have none.
const OF_A_HOST: [&str; 18] = [
    "system_cpu_time_seconds_total",
    "system_cpu_utilization_ratio",
    "system_memory_usage_bytes",
    "system_memory_utilization_ratio",
    "system_memory_limit_bytes",
    "system_cpu_load_average_1m",
    "system_cpu_load_average_5m",
    "system_cpu_load_average_15m",
    "system_network_io_bytes_total",
    "system_network_errors_total",
    "system_network_packets_total",
    "system_disk_io_bytes_total",
    "system_disk_operations_total",
    "system_disk_io_time_seconds_total",
    "system_filesystem_usage_bytes",
    "system_filesystem_utilization_ratio",
    "system_paging_operations_total",
    "system_processes_count",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stack: stack/test"]
async fn both_hosts_postgresql_and_the_collectors_are_seen_under_their_own_names() {
    let stack = Stack::start().await;
    let run = stack.run("a", 50).await;
    run.assert_delivered();
    assert_everyone_is_seen(&stack).await;
    let committed = "postgresql_commits_total{postgresql_database_name=\"shop\"} > 50";
    until_some(&stack.prometheus, committed).await;
    // What the backends alone know: that they have dropped something.
    until_some(&stack.prometheus, "tempo_distributor_spans_received_total > 50").await;
    assert_the_refusal_is_in_the_log(&stack).await;
}

/// Every figure of each host, of PostgreSQL and of each collector, under the right host and role.
pub async fn assert_everyone_is_seen(stack: &Stack) {
    for (host, role) in [(JOB_HOST, "job"), (DATABASE_HOST, "database")] {
        for metric in OF_A_HOST {
            let labels = format!("host_name=\"{host}\",payment_monitor_host_role=\"{role}\"");
            until_some(&stack.prometheus, &format!("{metric}{{{labels}}}")).await;
        }
    }
    assert_no_host_twice_or_unnamed(&stack.prometheus).await;
    for metric in declared() {
        let labels =
            format!("host_name=\"{DATABASE_HOST}\",payment_monitor_host_role=\"database\"");
        until_some(&stack.prometheus, &format!("{{__name__=~\"{metric}(_.*)?\",{labels}}}")).await;
    }
    for (host, role) in [(JOB_HOST, "job"), (DATABASE_HOST, "database"), (GATEWAY_HOST, "gateway")]
    {
        let labels = format!("host_name=\"{host}\",payment_monitor_host_role=\"{role}\"");
        until_some(&stack.prometheus, &format!("otelcol_process_uptime_seconds_total{{{labels}}}"))
            .await;
    }
}

async fn until_some(prometheus: &Backend, query: &str) {
    until(query, async || {
        let series = prometheus.series(query).await?;
        if series.is_empty() { Err("no series".to_owned()) } else { Ok(()) }
    })
    .await;
}

async fn assert_no_host_twice_or_unnamed(prometheus: &Backend) {
    let limits = prometheus.value("count(system_memory_limit_bytes)").await;
    assert_eq!(limits, Ok(2.0), "one series a host");
    let per_host = "count by (host_name) (system_cpu_load_average_1m) > 1";
    assert_eq!(prometheus.series(per_host).await.unwrap(), [""; 0]);
    let unnamed = "{__name__=~\"(system|postgresql|otelcol)_.*\",host_name=\"\"}";
    assert_eq!(prometheus.series(unnamed).await.unwrap(), [""; 0]);
}

/// Every metric that the agent's configuration takes from PostgreSQL.
fn declared() -> Vec<String> {
    let config = std::fs::read_to_string(repository("otel/agent-db.yaml")).unwrap();
    let names = config.lines().filter_map(|line| line.trim().strip_prefix("- metric_name: "));
    let names: Vec<String> = names.map(|name| name.replace('.', "_")).collect();
    assert!(names.len() > 20, "{names:?}");
    names
}

/// With what it was about, and without the values that PostgreSQL quotes beside it.
async fn assert_the_refusal_is_in_the_log(stack: &Stack) {
    let query = "{service_name=\"postgresql\",host_name=\"database-host\",\
                 payment_monitor_host_role=\"database\"} | db_response_status_code=\"23514\"";
    let (line, metadata) = until("PostgreSQL's line about the refused operation", async || {
        let lines = stack.loki.lines(query, &ago(3600), &ago(-60)).await?;
        lines.into_iter().next().ok_or_else(|| "no line".to_owned())
    })
    .await;
    assert!(line.contains("no_charge_of_nothing"), "{line}");
    assert_eq!(metadata["db_namespace"], "shop");
    assert_eq!(metadata["severity_text"], "ERROR");
    let all = format!("{line}{metadata}");
    assert!(!all.contains("ch_a_7") && !all.contains("INSERT"), "{all}");
}

/// A moment so many seconds ago, as Loki takes it.
pub fn ago(seconds: i64) -> String {
    (chrono::Utc::now() - chrono::TimeDelta::seconds(seconds)).timestamp().to_string()
}
