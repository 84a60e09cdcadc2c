//! The same work done by each store, side by side in one run: durable commits, batch insertion, point reads, scans.
//!
//! Keys have 16 bytes, values 150. Each round does all work with every store in turn, so that what disturbs the machine
//! disturbs all of them; the report has the medians of the rounds.

mod redb_store;
mod sqlite_store;
mod store;
mod work;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use store::Open;

const STORES: [(&str, Open); 2] = [("SQLite", sqlite_store::open), ("redb", redb_store::open)];

/// How much is measured, and where.
struct Plan {
    rows: u64,
    commits: u64,
    rounds: u64,
    directory: PathBuf,
}

fn main() -> Result<()> {
    let plan = Plan::of_arguments()?;
    std::fs::create_dir_all(&plan.directory)?;
    let mut measured: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); STORES.len()]; work::LINES.len()];
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        for (store, (_, open)) in STORES.iter().enumerate() {
            let directory = tempfile::tempdir_in(&plan.directory)?;
            let rates = work::measure(*open, directory.path(), plan.rows, plan.commits)?;
            for (line, rate) in rates.into_iter().enumerate() {
                measured[line][store].push(rate);
            }
        }
    }
    report(&measured);
    Ok(())
}

impl Plan {
    fn of_arguments() -> Result<Plan> {
        let mut plan = Plan {
            rows: 1_000_000,
            commits: 8000,
            rounds: 3,
            directory: std::env::temp_dir(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => plan.rows = value.parse()?,
                "--commits" => plan.commits = value.parse()?,
                "--rounds" => plan.rounds = value.parse()?,
                "--dir" => plan.directory = value.into(),
                other => bail!("unknown argument {other}: --rows N, --commits N, --rounds N, --dir DIR"),
            }
        }
        Ok(plan)
    }
}

/// A table in Markdown: medians, in brackets the lowest and highest.
fn report(measured: &[Vec<Vec<f64>>]) {
    let names: Vec<&str> = STORES.iter().map(|(name, _)| *name).collect();
    println!("| work | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for ((work, unit), stores) in work::LINES.iter().zip(measured) {
        let cells: Vec<String> = stores.iter().map(|rates| cell(rates)).collect();
        println!("| {work} ({unit}) | {} |", cells.join(" | "));
    }
}

fn cell(rates: &[f64]) -> String {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => "-".to_owned(),
        [one] => format!("{one:.0}"),
        [low, .., high] => format!("{:.0} ({low:.0} to {high:.0})", sorted[sorted.len() / 2]),
    }
}
