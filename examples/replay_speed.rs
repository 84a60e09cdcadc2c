//! How fast logs are replayed: `cargo run --release --example replay_speed -- DIR [ROUNDS]`.
//!
//! The set in DIR is replayed ROUNDS times (default 10) in memory, without and with reading ahead, by turns. Nothing is
//! written. A set without its databases is replayed from nothing, so that every record is applied.

#![allow(clippy::print_stdout, reason = "that is what it is for")]

use jetfs::JetResult;
use jetfs::io::RealFileSystem;
use jetfs::recovery::{Counts, InstanceFiles, Options, Places, Plan};
use jetfs::store::SpillDirectory;
use std::sync::Arc;
use std::time::Instant;

/// One replay.
struct Run {
    seconds: f64,
    bytes: u64,
    counts: Counts,
}

fn main() -> JetResult<()> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".into());
    let rounds: u32 = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(10);
    let places = Places {
        logs: directory.into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(&RealFileSystem, &places)?;
    let (mut alone, mut ahead) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(replay(&files, false)?);
        ahead.push(replay(&files, true)?);
    }
    print("by one thread", alone);
    print("reading ahead", ahead);
    Ok(())
}

fn replay(files: &InstanceFiles, read_ahead: bool) -> JetResult<Run> {
    let options = Options {
        read_ahead,
        ..Options::new(SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: std::env::temp_dir(),
        })
    };
    let started = Instant::now();
    let mut bytes = 0;
    let plan = Plan::new(&RealFileSystem, files, options)?;
    let replayed = plan.replay(&mut |progress| bytes = progress.log_bytes)?;
    Ok(Run {
        seconds: started.elapsed().as_secs_f64(),
        bytes,
        counts: replayed.counts,
    })
}

/// Prints the median.
fn print(how: &str, mut runs: Vec<Run>) {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let Some(median) = runs.get(runs.len() / 2) else {
        return;
    };
    let Counts {
        records,
        applied,
        newer,
    } = median.counts;
    println!(
        "{how}: {:.4} s, {:.0} MB of log/s, {:.2} million records/s ({records} records, {applied} changes applied, \
         {newer} found done)",
        median.seconds,
        median.bytes as f64 / 1e6 / median.seconds,
        records as f64 / 1e6 / median.seconds
    );
}
