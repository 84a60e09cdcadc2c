//! How fast logs are read, verified and decoded: `cargo run --release --example log_speed -- DIR [ROUNDS]`.
//!
//! The logs of DIR are read from the page cache ROUNDS times (default 20), by one thread.

#![allow(clippy::print_stdout, reason = "that is what it is for")]

use jetfs::JetResult;
use jetfs::io::RealFileSystem;
use jetfs::source::at_rest::{AtRestPaths, Inventory};
use jetfs::store::log_reader::{LogPlace, LogReader};
use std::hint::black_box;
use std::time::Instant;

fn main() -> JetResult<()> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".into());
    let rounds: u32 = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(20);
    let paths = AtRestPaths {
        sources: vec![directory.into()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths)?;
    let Some(sequence) = inventory.sequences.first() else {
        println!("no logs");
        return Ok(());
    };
    let places: Vec<LogPlace> = sequence
        .logs
        .iter()
        .filter_map(|log| {
            let path = log.entry.file.path.clone();
            log.generation().map(|generation| LogPlace { path, generation })
        })
        .collect();
    let bytes: u64 = sequence.logs.iter().map(|log| log.entry.stat.len).sum();
    let started = Instant::now();
    let mut records = 0_u64;
    for _ in 0..rounds {
        let mut reader = LogReader::new(&RealFileSystem, places.iter().cloned());
        while let Some(logged) = reader.next_record()? {
            black_box(logged.record.page_operation());
            records += 1;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let bytes = bytes * u64::from(rounds);
    println!(
        "{} logs, {rounds} rounds: {:.0} MB/s, {:.2} million records/s",
        places.len(),
        bytes as f64 / 1e6 / seconds,
        records as f64 / 1e6 / seconds
    );
    Ok(())
}
