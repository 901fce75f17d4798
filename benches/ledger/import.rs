//! The first run of all: everything in the statement is new.

use crate::job::{self, grouped, megabytes, per_second};
use crate::ledger::{Company, add_users};
use crate::statement;

const DATABASE: &str = "bench_import";

pub async fn measure(company: &mut Company, charges: u64) -> anyhow::Result<()> {
    let mut ledger = company.empty(DATABASE).await?;
    add_users(&mut ledger, charges).await?;
    let path = statement::write(company.folder(), charges, u64::MAX)?;
    let path_text = path.to_string_lossy();
    let arguments = ["run", "--max-changes", "none", "--statement", &path_text];
    let done = job::run(&company.url(DATABASE), &arguments, 0)?;
    anyhow::ensure!(done.operations("applied") == charges, "{}", done.report);
    println!("## Initial import into an empty ledger, concurrency 8\n");
    println!("| charges | whole run | operations/s end to end | perform alone | peak memory |");
    println!("|---:|---:|---:|---:|---:|");
    println!(
        "| {} | {:.1} s | {} | {}/s | {} |\n",
        grouped(charges),
        done.time.as_secs_f64(),
        grouped(per_second(charges, done.time)),
        grouped(per_second(charges, done.phase("perform")?)),
        megabytes(done.memory_max),
    );
    statement::remove(&path)?;
    drop(ledger);
    company.drop(DATABASE).await
}
