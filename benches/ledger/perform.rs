//! Audited operations per second, against pgbench with the same statement.
//!
//! Both change the same rows of copies of the same ledger, as the same login, at the same
//! concurrency, and take turns. pgbench takes the statement's text from `.sqlx/` and its
//! parameters from the very plan that the job stored when it was made to hold it; it reads
//! them in blocks, as the job reads its plan, and plans each statement once per connection.

use crate::Arguments;
use crate::job::{self, grouped, per_second};
use crate::ledger::{Company, WRITER, fill, sql, text};
use crate::statement;
use anyhow::{Context as _, ensure};
use sqlx::PgConnection;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use uuid::Uuid;

const LEDGER: &str = "bench_perform";
const HELD: &str = "bench_held";
const TURN: &str = "bench_turn";
/// One row in so many differs.
const DIFFERS_EVERY: u64 = 5;
/// How many operations pgbench does with the parameters that it reads at a time.
const BLOCK: u64 = 10;

/// How much is measured.
pub struct Sizes {
    operations: u64,
    rounds: u32,
    concurrencies: Vec<u64>,
}

impl Sizes {
    pub fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self { operations: 2_000, rounds: 1, concurrencies: vec![1, 8] };
        }
        Self { operations: 20_000, rounds: arguments.rounds, concurrencies: vec![1, 8, 32] }
    }
}

struct Setup {
    path: PathBuf,
    script: PathBuf,
    run: Uuid,
    operations: u64,
}

pub async fn measure(company: &mut Company, sizes: &Sizes) -> anyhow::Result<()> {
    if !company.server().bin_dir().join("pgbench").exists() {
        println!("## Operations against pgbench\n\nNot measured: there is no pgbench here.\n");
        return Ok(());
    }
    let setup = prepare(company, sizes.operations).await?;
    println!("## {} audited operations against pgbench\n", grouped(sizes.operations));
    println!("| connections | job, operations/s | pgbench, operations/s | ratios | median |");
    println!("|---:|---:|---:|---:|---:|");
    for concurrency in &sizes.concurrencies {
        let mut rounds = Vec::new();
        for _ in 0..sizes.rounds {
            let job = turn_of_the_job(company, &setup, *concurrency).await?;
            let pgbench = turn_of_pgbench(company, &setup, *concurrency).await?;
            rounds.push((job, pgbench));
        }
        print(*concurrency, &rounds);
    }
    println!();
    statement::remove(&setup.path)?;
    company.drop(HELD).await?;
    company.drop(LEDGER).await
}

#[allow(clippy::cast_precision_loss)]
fn print(concurrency: u64, rounds: &[(u64, u64)]) {
    let mut ratios: Vec<f64> =
        rounds.iter().map(|(job, bench)| *job as f64 / *bench as f64).collect();
    ratios.sort_by(f64::total_cmp);
    let listed = |of: fn(&(u64, u64)) -> u64| {
        rounds.iter().map(|round| grouped(of(round))).collect::<Vec<_>>().join(", ")
    };
    let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    println!(
        "| {concurrency} | {} | {} | {} | **{:.2}** |",
        listed(|round| round.0),
        listed(|round| round.1),
        all.join(", "),
        ratios[ratios.len() / 2],
    );
}

/// Makes the ledger, and a copy in which the plan is held and a run is recorded as running.
async fn prepare(company: &mut Company, operations: u64) -> anyhow::Result<Setup> {
    let rows = operations * DIFFERS_EVERY;
    let mut ledger = company.empty(LEDGER).await?;
    fill(&mut ledger, rows).await?;
    drop(ledger);
    let path = statement::write(company.folder(), rows, DIFFERS_EVERY)?;
    let mut held = company.copy(LEDGER, HELD).await?;
    let arguments = ["run", "--max-changes", "0", "--statement", &path.to_string_lossy()];
    let report = job::run(&company.url(HELD), &arguments, 4)?;
    ensure!(report.operations("planned") == operations, "{}", report.report);
    let run = Uuid::now_v7();
    sql(&mut held, &blocks(run)).await?;
    sql(&mut held, "VACUUM ANALYZE").await?;
    let script = company.folder().join("operations.sql");
    std::fs::write(&script, self::script()?)?;
    Ok(Setup { path, script, run, operations })
}

/// The plan's parameters, so many operations to a row.
fn blocks(run: Uuid) -> String {
    let mut columns = String::new();
    for n in 0..BLOCK {
        for column in ["id", "target", "previous", "new", "description"] {
            let _ =
                write!(columns, ", max({column}) FILTER (WHERE n % {BLOCK} = {n}) {column}_{n}");
        }
    }
    format!(
        "CREATE TABLE bench_blocks AS SELECT n / {BLOCK} AS block{columns} FROM (
            SELECT row_number() OVER (ORDER BY id) - 1 AS n, id::text, target_id::text AS target,
                previous_state::text AS previous, new_state::text AS new, description
            FROM payment_monitor_operations) planned GROUP BY 1;
        ALTER TABLE bench_blocks ADD PRIMARY KEY (block);
        CREATE SEQUENCE bench_next MINVALUE 0;
        GRANT SELECT ON bench_blocks TO {WRITER};
        GRANT USAGE ON bench_next TO {WRITER};
        INSERT INTO payment_monitor_jobs (id, started_at, execution_status, host, version)
            VALUES ('{run}', now(), 'running', 'bench', '0')"
    )
}

fn script() -> anyhow::Result<String> {
    let statement = statement_of_the_job()?;
    let next = "SELECT * FROM bench_blocks WHERE block = (SELECT nextval('bench_next')) \\gset\n";
    let mut script = next.to_owned();
    for n in 0..BLOCK {
        let numbered = |name: &str| format!(":{name}_{n}");
        let parameters = [
            ":run".to_owned(),
            numbered("id"),
            numbered("target"),
            numbered("previous"),
            numbered("new"),
            ":known_until".to_owned(),
            ":now".to_owned(),
            numbered("description"),
            ":action".to_owned(),
        ];
        let mut text = statement.clone();
        for (index, parameter) in parameters.iter().enumerate().rev() {
            text = text.replace(&format!("${}", index + 1), parameter);
        }
        script.push_str(&text);
        script.push_str(";\n");
    }
    Ok(script)
}

/// The text as the job sends it: sqlx keeps it for building without a database.
fn statement_of_the_job() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    for entry in std::fs::read_dir(&folder)? {
        let query = std::fs::read_to_string(entry?.path())?;
        let query: serde_json::Value = serde_json::from_str(&query)?;
        let text = query["query"].as_str().unwrap_or_default();
        if text.contains("UPDATE ledger_payments") && text.contains("payment_monitor_results") {
            return Ok(text.to_owned());
        }
    }
    anyhow::bail!("the statement that updates a payment is not in {}", folder.display())
}

async fn turn_of_the_job(
    company: &mut Company,
    setup: &Setup,
    concurrency: u64,
) -> anyhow::Result<u64> {
    drop(company.copy(LEDGER, TURN).await?);
    let path = setup.path.to_string_lossy();
    let concurrency = concurrency.to_string();
    let arguments = ["run", "--max-changes", "none", "--concurrency", &concurrency];
    let arguments = [&arguments[..], &["--statement", &path]].concat();
    let done = job::run(&company.url(TURN), &arguments, 0)?;
    ensure!(done.operations("applied") == setup.operations, "{}", done.report);
    company.drop(TURN).await?;
    Ok(per_second(setup.operations, done.phase("perform")?))
}

async fn turn_of_pgbench(
    company: &mut Company,
    setup: &Setup,
    concurrency: u64,
) -> anyhow::Result<u64> {
    let mut turn = company.copy(HELD, TURN).await?;
    let rate = pgbench(company, setup, concurrency)?;
    require_applied(&mut turn, setup.operations / BLOCK / concurrency * BLOCK * concurrency)
        .await?;
    drop(turn);
    company.drop(TURN).await?;
    Ok(rate)
}

async fn require_applied(ledger: &mut PgConnection, operations: u64) -> anyhow::Result<()> {
    let count = "SELECT count(*) FROM payment_monitor_results WHERE outcome = 'applied'";
    let applied = text(ledger, count).await?;
    ensure!(applied == operations.to_string(), "pgbench applied {applied} of {operations}");
    Ok(())
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn pgbench(company: &Company, setup: &Setup, concurrency: u64) -> anyhow::Result<u64> {
    let server = company.server();
    let transactions = setup.operations / BLOCK / concurrency;
    let output = Command::new(server.bin_dir().join("pgbench"))
        .args(["--no-vacuum", "--protocol", "prepared", "--host", server.host()])
        .args(["--port", &server.port().to_string(), "--username", WRITER])
        .args(["--client", &concurrency.to_string(), "--jobs", &concurrency.min(2).to_string()])
        .args(["--transactions", &transactions.to_string(), "--define"])
        .arg(format!("run={}", setup.run))
        .args(["--define", "known_until=2025-06-01T00:00:00Z", "--define", "action=update"])
        .args(["--define", "now=2026-01-01T00:00:00Z", "--file"])
        .arg(&setup.script)
        .arg(TURN)
        .env("PGPASSWORD", server.password())
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench ended with {}: {complaint}", output.status);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    let rate: f64 = rate.with_context(|| format!("no rate in: {text}"))?.parse()?;
    Ok((rate * BLOCK as f64).round() as u64)
}
