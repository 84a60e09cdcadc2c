//! The same work done by each store, side by side in one run: durable commits, batch insertion, point reads, scans,
//! opening after a crash, backing up.
//!
//! Keys have 16 bytes, values 150. Each round does all work with every store in turn, so that what disturbs the machine
//! disturbs all of them; the report has the medians of the rounds, and of the ratios in a round.

mod backup;
mod crash;
mod jetfs_store;
mod redb_store;
mod sqlite_store;
mod store;
mod work;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use store::Kind;
use work::{Amount, Line, Part, Watch};

/// The first one is compared with the others.
const STORES: [Kind; 3] = [jetfs_store::JETFS, sqlite_store::SQLITE, redb_store::REDB];

/// How much is measured, and where.
struct Plan {
    amount: Amount,
    rounds: u64,
    directory: PathBuf,
    /// Only the store with this name.
    only: Option<String>,
}

/// What was measured, by line, store and round.
type Measured = Vec<Vec<Vec<f64>>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [die, name, rows, directory] = arguments.as_slice()
        && die == "--die"
    {
        return crash::die(kind(name)?, directory.as_ref(), rows.parse()?);
    }
    let plan = Plan::of_arguments(arguments)?;
    std::fs::create_dir_all(&plan.directory)?;
    let stores: Vec<Kind> = match &plan.only {
        Some(name) => vec![kind(name)?],
        None => STORES.to_vec(),
    };
    let mut measured: Measured = vec![vec![Vec::new(); stores.len()]; work::LINES.len()];
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        for (store, kind) in stores.iter().enumerate() {
            let directory = tempfile::tempdir_in(&plan.directory)?;
            let rates = work::measure(*kind, directory.path(), plan.amount)?;
            for (line, rate) in rates.into_iter().enumerate() {
                measured[line][store].push(rate);
            }
        }
    }
    report(&stores, &measured);
    Ok(())
}

fn kind(name: &str) -> Result<Kind> {
    let found = STORES.into_iter().find(|kind| kind.name == name);
    found.with_context(|| format!("no store is named {name}"))
}

impl Plan {
    fn of_arguments(arguments: Vec<String>) -> Result<Plan> {
        let mut plan = Plan {
            amount: Amount {
                rows: 1_000_000,
                commits: 8000,
                watch: Watch::Wall,
                part: None,
            },
            rounds: 3,
            directory: std::env::temp_dir(),
            only: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            if name == "--processor-time" {
                plan.amount.watch = Watch::Processor;
                continue;
            }
            let value = arguments
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => plan.amount.rows = value.parse()?,
                "--commits" => plan.amount.commits = value.parse()?,
                "--rounds" => plan.rounds = value.parse()?,
                "--dir" => plan.directory = value.into(),
                "--only" => plan.only = Some(value),
                "--part" => {
                    let part = Part::of(&value);
                    plan.amount.part = Some(part.with_context(|| format!("there is no part {value}"))?);
                }
                other => {
                    bail!(
                        "unknown argument {other}: --rows N, --commits N, --rounds N, --dir DIR, --only STORE, \
                         --part commits|ordered|random|crash|backup, --processor-time"
                    )
                }
            }
        }
        Ok(plan)
    }
}

/// A table in Markdown: medians, in brackets the lowest and highest; and how many times as good the first store is as
/// each of the others.
fn report(stores: &[Kind], measured: &Measured) {
    let mut heads: Vec<String> = stores.iter().map(|store| store.name.to_owned()).collect();
    let others = stores.iter().skip(1);
    heads.extend(others.map(|other| format!("{} : {}", stores[0].name, other.name)));
    println!("| work | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(heads.len()));
    for (line, by_store) in work::LINES.iter().zip(measured) {
        if by_store.iter().flatten().any(|value| value.is_nan()) {
            continue;
        }
        let mut cells: Vec<String> = by_store.iter().map(|values| cell(values)).collect();
        let others = by_store.iter().skip(1);
        cells.extend(others.map(|other| ratio(line, &by_store[0], other)));
        println!("| {} ({}) | {} |", line.work, line.unit, cells.join(" | "));
    }
}

fn cell(values: &[f64]) -> String {
    match sorted(values).as_slice() {
        [] => "-".to_owned(),
        [one] => number(*one),
        [low, .., high] => format!(
            "{} ({} to {})",
            number(median(values)),
            number(*low),
            number(*high)
        ),
    }
}

fn ratio(line: &Line, first: &[f64], other: &[f64]) -> String {
    let of_round = |(first, other): (&f64, &f64)| {
        if line.is_rate {
            first / other
        } else {
            other / first
        }
    };
    let ratios: Vec<f64> = first.iter().zip(other).map(of_round).collect();
    format!("{:.2}", median(&ratios))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// With commas.
fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
