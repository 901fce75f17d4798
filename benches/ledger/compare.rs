//! Statement records per second through fetch and compare, and the memory that it takes.

use crate::Arguments;
use crate::job::{self, grouped, megabytes, per_second};
use crate::ledger::{Company, fill};
use crate::statement;

const DATABASE: &str = "bench_compare";
/// One row in so many differs.
const DIFFERS_EVERY: u64 = 1_000;

pub fn sizes(arguments: &Arguments) -> Vec<u64> {
    let mut sizes = vec![10_000];
    if !arguments.quick {
        sizes.extend([100_000, 1_000_000]);
    }
    if arguments.large {
        sizes.push(5_000_000);
    }
    sizes
}

pub async fn measure(company: &mut Company, sizes: &[u64]) -> anyhow::Result<()> {
    println!("## Fetch and compare: one record in 1,000 differs\n");
    println!("| rows on both sides | fetch | compare | records/s | whole run | peak memory |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for rows in sizes {
        one(company, *rows).await?;
    }
    println!();
    Ok(())
}

async fn one(company: &mut Company, rows: u64) -> anyhow::Result<()> {
    let mut ledger = company.empty(DATABASE).await?;
    fill(&mut ledger, rows).await?;
    let path = statement::write(company.folder(), rows, DIFFERS_EVERY)?;
    let arguments = ["run", "--statement", &path.to_string_lossy()];
    let done = job::run(&company.url(DATABASE), &arguments, 0)?;
    anyhow::ensure!(done.operations("applied") == rows / DIFFERS_EVERY, "{}", done.report);
    let (fetch, compare) = (done.phase("fetch")?, done.phase("compare")?);
    println!(
        "| {} | {:.2} s | {:.2} s | {} | {:.2} s | {} |",
        grouped(rows),
        fetch.as_secs_f64(),
        compare.as_secs_f64(),
        grouped(per_second(rows, fetch + compare)),
        done.time.as_secs_f64(),
        megabytes(done.memory_max),
    );
    statement::remove(&path)?;
    drop(ledger);
    company.drop(DATABASE).await
}
