//! What telemetry costs: the same import with and without a real collector, in turns; with the
//! server on cores of its own, as it is meant, and with all of them on the same cores; with a
//! database whose commits wait for the disk, as a company's do, and with one whose don't. Beside
//! the time stands what CPU time the job and the collector took.

use crate::Arguments;
use crate::collector::Agent;
use crate::job::{self, Cores, grouped, megabytes};
use crate::ledger::{Company, add_users};
use crate::statement;
use anyhow::ensure;
use std::path::Path;
use std::time::Duration;

const EMPTY: &str = "bench_telemetry_empty";
const TURN: &str = "bench_telemetry";

/// Where the database's host ends and the job's begins.
struct Place {
    server: Cores,
    job: Cores,
    told: String,
}

impl Place {
    /// Two hosts, where there are cores for two, and one.
    fn all() -> anyhow::Result<Vec<Self>> {
        let cores = std::thread::available_parallelism()?.get();
        let shared = Self {
            server: Cores::default(),
            job: Cores::default(),
            told: "shared by all".to_owned(),
        };
        if cores < 2 {
            return Ok(vec![shared]);
        }
        let (server, job) =
            (format!("0-{}", cores / 2 - 1), format!("{}-{}", cores / 2, cores - 1));
        let told = format!("the server on {server}, job and collector on {job}");
        let apart = Self { server: Cores(Some(server)), job: Cores(Some(job)), told };
        Ok(vec![apart, shared])
    }
}

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
    let charges = if arguments.quick { 1_000 } else { 20_000 };
    let mut ledger = company.empty(EMPTY).await?;
    add_users(&mut ledger, charges).await?;
    drop(ledger);
    let path = statement::write(company.folder(), charges, u64::MAX)?;
    for place in Place::all()? {
        let Some(agent) = Agent::start(company.folder(), &place.job)? else { break };
        company.keep_on(&place.server).await?;
        for is_durable in [true, false] {
            company.set_durable(is_durable).await?;
            println!("{}, {}.\n", company.described().await?, place.told);
            let at = (&agent, &place.job);
            rounds(company, at, &path, charges, arguments.rounds).await?.print(charges);
        }
    }
    company.keep_on(&Cores::default()).await?;
    statement::remove(&path)?;
    company.drop(EMPTY).await
}

async fn rounds(
    company: &mut Company,
    (agent, cores): (&Agent, &Cores),
    path: &Path,
    charges: u64,
    count: u32,
) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds::default();
    for _ in 0..count {
        let start = agent.cpu_time()?.as_secs_f64();
        let without = turn(company, path, cores, None).await?;
        let before = agent.cpu_time()?.as_secs_f64();
        rounds.idle_collector_cpu.push(before - start);
        let with = turn(company, path, cores, Some(&agent.endpoint)).await?;
        rounds.collector_cpu.push(agent.cpu_time()?.as_secs_f64() - before);
        ensure!(with.report["telemetry"]["traces"]["dropped"] == 0, "{}", with.report);
        for done in [&without, &with] {
            ensure!(done.operations("applied") == charges, "{}", done.report);
        }
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
    cores: &Cores,
    endpoint: Option<&str>,
) -> anyhow::Result<job::Finished> {
    drop(company.copy(EMPTY, TURN).await?);
    let arguments = ["run", "--max-changes", "none", "--statement", &path.to_string_lossy()];
    let variables: Vec<_> =
        endpoint.map(|endpoint| ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)).into_iter().collect();
    let done = job::run_with(&company.url(TURN), &arguments, &variables, cores, 0)?;
    company.drop(TURN).await?;
    Ok(done)
}
