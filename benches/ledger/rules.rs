//! How well the rules of suspicious activity find what is planted in generated companies.

use crate::Arguments;
use crate::job::grouped;
use crate::ledger::Company;
use crate::score::{OfRule, score};
use chrono::{DateTime, Utc};
use payment_monitor::demo::{self, PATTERNS};
use payment_monitor::store::seed;
use std::collections::BTreeMap;

const DATABASE: &str = "bench_rules";

pub async fn measure(company: &mut Company, arguments: &Arguments) -> anyhow::Result<()> {
    let companies = if arguments.quick { 2 } else { 30 };
    let (mut rules, mut ordinary, mut false_users) = (BTreeMap::new(), 0, 0);
    for seed in 1..=companies {
        let mut ledger = company.empty(DATABASE).await?;
        // Another time of the day and day of the week each time.
        let now: DateTime<Utc> = "2026-03-04T15:06:07Z".parse()?;
        let now = now + chrono::Duration::minutes(1_597 * i64::try_from(seed)?);
        let demo = demo::generate(seed, now);
        seed::load(&mut ledger, &demo.company).await?;
        let score = score(&mut ledger, &demo, now).await;
        for (rule, of_rule) in score.rules {
            rules.entry(rule).or_insert_with(Vec::new).push(of_rule);
        }
        ordinary += score.ordinary;
        false_users += score.false_users;
        drop(ledger);
        company.drop(DATABASE).await?;
    }
    println!("## What the rules find in {companies} generated companies\n");
    println!("| rule | planted | found | findings | of them wrong | recall | precision |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for rule in PATTERNS {
        row(rule, &rules[rule]);
    }
    let share = percent(false_users, ordinary);
    let (flagged, users) = (grouped(false_users), grouped(ordinary));
    println!("\nOrdinary users with a finding: {flagged} of {users} ({share}).\n");
    Ok(())
}

fn row(rule: &str, companies: &[OfRule]) {
    let planted = companies.len() as u64;
    let found = companies.iter().filter(|company| company.recalled).count() as u64;
    let right: u64 = companies.iter().map(|company| company.right).sum();
    let wrong = companies.iter().map(|company| company.wrong.len() as u64).sum::<u64>();
    let (recall, precision) = (percent(found, planted), percent(right, right + wrong));
    let all = right + wrong;
    println!("| {rule} | {planted} | {found} | {all} | {wrong} | {recall} | {precision} |");
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
