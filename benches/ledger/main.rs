//! What the job costs, as ratios and bounds measured in one run; prints Markdown tables.
//!
//! It starts a private PostgreSQL, measures the real program as a child process, and leaves
//! nothing behind. docs/benchmarks.md says what was measured where, and how to read it.

mod collector;
mod compare;
mod failures;
mod import;
mod job;
mod ledger;
mod perform;
mod rescue;
mod rules;
#[path = "../../tests/suite/harness/score.rs"]
mod score;
mod statement;
mod telemetry;

use clap::{Parser, ValueEnum};
use ledger::Company;

/// Measures the job against pgbench, against its bounds, and by the size of its input.
#[derive(Debug, Parser)]
#[command(name = "ledger")]
struct Arguments {
    /// Small sizes only: shows that everything works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Compare 5,000,000 rows as well (10 GB in the temporary folder), replay the trace of a large
    /// run, and rescue one that did everything in vain
    #[arg(long)]
    large: bool,
    /// Measure these parts only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// How often job and pgbench alternate
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Perform,
    Compare,
    Import,
    Rescue,
    Telemetry,
    Failures,
    Rules,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let is_wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut company = Company::start().await?;
    println!("{}, shared by server and clients.\n", company.described().await?);
    if is_wanted(Part::Perform) {
        perform::measure(&mut company, &perform::Sizes::of(&arguments)).await?;
    }
    if is_wanted(Part::Compare) {
        compare::measure(&mut company, &compare::sizes(&arguments)).await?;
    }
    if is_wanted(Part::Import) {
        import::measure(&mut company, if arguments.quick { 1_000 } else { 100_000 }).await?;
    }
    if is_wanted(Part::Rescue) {
        let operations = if arguments.quick { 10_000 } else { 1_000_000 };
        rescue::measure(&mut company, operations, arguments.large).await?;
    }
    if is_wanted(Part::Telemetry) {
        telemetry::measure(&mut company, &arguments).await?;
    }
    if is_wanted(Part::Failures) {
        let payments = match (arguments.quick, arguments.large) {
            (true, _) => 100_000,
            (_, false) => 1_000_000,
            (_, true) => 10_000_000,
        };
        failures::measure(&mut company, payments).await?;
    }
    if is_wanted(Part::Rules) {
        rules::measure(&mut company, &arguments).await?;
    }
    company.stop().await
}
