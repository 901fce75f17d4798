//! What telemetry costs: the same import with and without a real collector, in turns; with a
//! database whose commits wait for the disk, as a company's do, and with one whose don't, where the
//! cores are all that there is to wait for. Beside the time stands what CPU time the job and the
//! collector took, because they share the cores with the server.

use crate::Arguments;
use crate::collector::Agent;
use crate::job::{self, grouped, megabytes};
use crate::ledger::{Company, add_users};
use crate::statement;
use anyhow::ensure;
use std::path::Path;
use std::time::Duration;

const EMPTY: &str = "bench_telemetry_empty";
const TURN: &str = "bench_telemetry";

/// What was measured, a figure (in seconds) per round.
#[derive(Default)]
struct Rounds {
    plain: Vec<f64>,
    traced: Vec<f64>,
    plain_cpu: Vec<f64>,
    traced_cpu: Vec<f64>,
    idle_collector_cpu: Vec<f64>,
    collector_cpu: Vec<f64>,
    memory_max: u64,
}

pub async fn measure(company: &mut Company, arguments: &Arguments) -> anyhow::Result<()> {
    println!("## The same import with and without a collector\n");
    let Some(agent) = Agent::start(company.folder())? else { return Ok(()) };
    let charges = if arguments.quick { 1_000 } else { 20_000 };
    let mut ledger = company.empty(EMPTY).await?;
    add_users(&mut ledger, charges).await?;
    drop(ledger);
    let path = statement::write(company.folder(), charges, u64::MAX)?;
    for is_durable in [true, false] {
        company.set_durable(is_durable).await?;
        println!("{}\n", company.described().await?);
        let rounds = rounds(company, &agent, &path, charges, arguments.rounds).await?;
        rounds.print(charges);
    }
    statement::remove(&path)?;
    company.drop(EMPTY).await
}

async fn rounds(
    company: &mut Company,
    agent: &Agent,
    path: &Path,
    charges: u64,
    count: u32,
) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds::default();
    for _ in 0..count {
        let start = agent.cpu_time()?.as_secs_f64();
        let without = turn(company, path, charges, None).await?;
        let before = agent.cpu_time()?.as_secs_f64();
        rounds.idle_collector_cpu.push(before - start);
        let with = turn(company, path, charges, Some(&agent.endpoint)).await?;
        rounds.collector_cpu.push(agent.cpu_time()?.as_secs_f64() - before);
        ensure!(with.report["telemetry"]["traces"]["dropped"] == 0, "{}", with.report);
        let seconds = |times: [Duration; 2]| times.map(|time| time.as_secs_f64());
        let [plain, traced] = seconds([without.time, with.time]);
        let [plain_cpu, traced_cpu] = seconds([without.cpu, with.cpu]);
        rounds.plain.push(plain);
        rounds.traced.push(traced);
        rounds.plain_cpu.push(plain_cpu);
        rounds.traced_cpu.push(traced_cpu);
        rounds.memory_max = rounds.memory_max.max(with.memory_max);
    }
    Ok(rounds)
}

impl Rounds {
    fn print(&self, charges: u64) {
        let memory = megabytes(self.memory_max);
        println!("{} charges; peak memory with a collector: {memory}.\n", grouped(charges));
        println!("| | without, s | with, s | ratios, with / without | median |");
        println!("|---|---:|---:|---:|---:|");
        row("time", &self.plain, &self.traced);
        row("the job's CPU time", &self.plain_cpu, &self.traced_cpu);
        let (idle, busy) = (listed(&self.idle_collector_cpu), listed(&self.collector_cpu));
        println!("| the collector's CPU time | {idle} | {busy} | | |\n");
    }
}

fn row(what: &str, without: &[f64], with: &[f64]) {
    let mut ratios: Vec<f64> =
        with.iter().zip(without).map(|(with, without)| with / without).collect();
    print!("| {what} | {} | {} | {} | ", listed(without), listed(with), listed(&ratios));
    ratios.sort_by(f64::total_cmp);
    println!("**{:.2}** |", ratios[ratios.len() / 2]);
}

fn listed(figures: &[f64]) -> String {
    figures.iter().map(|figure| format!("{figure:.2}")).collect::<Vec<_>>().join(", ")
}

async fn turn(
    company: &mut Company,
    path: &Path,
    charges: u64,
    endpoint: Option<&str>,
) -> anyhow::Result<job::Finished> {
    drop(company.copy(EMPTY, TURN).await?);
    let arguments = ["run", "--max-changes", "none", "--statement", &path.to_string_lossy()];
    let variables: Vec<_> =
        endpoint.map(|endpoint| ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)).into_iter().collect();
    let done = job::run_with(&company.url(TURN), &arguments, &variables, 0)?;
    ensure!(done.operations("applied") == charges, "{}", done.report);
    company.drop(TURN).await?;
    Ok(done)
}
