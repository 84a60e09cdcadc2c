//! Every parser survives damaged and hostile bytes: no panic, no endless loop, memory bounded by the input.
//!
//! Genuine structures (where the samples are there) and structures of our own encoders are mutated and parsed for
//! `JETFS_FUZZ_SECONDS` (default 10) in all, from `JETFS_SEED` (default: the clock; printed). A failure prints the
//! seed, the parser and the place of the bytes that caused it. `JETFS_FUZZ_PARSER` chooses parsers by name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_wrap,
    reason = "a test"
)]

mod allocator;
mod corpus;
mod databases;
mod log_files;
mod log_records;
mod mutate;
mod parsers;
#[path = "../support/random_tables.rs"]
mod random_tables;

use jetfs::io::Seeded;
use parsers::Parser;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A parser that works longer than this on one input hangs.
const HANG: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_bytes_make_a_parser_panic_hang_or_outgrow_its_input() {
    let seconds = number("JETFS_FUZZ_SECONDS").unwrap_or(10);
    let seed = number("JETFS_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs()
    });
    println!("JETFS_SEED={seed} JETFS_FUZZ_SECONDS={seconds}");
    let samples = corpus::Samples::find();
    let chosen = std::env::var("JETFS_FUZZ_PARSER").unwrap_or_default();
    let mut parsers = parsers::all(&samples);
    parsers.retain(|parser| parser.name.contains(&chosen));
    let share = Duration::from_secs(seconds) / u32::try_from(parsers.len()).unwrap().max(1);
    let watchdog = Watchdog::start();
    for parser in &parsers {
        let runs = run(parser, seed, share, &watchdog);
        println!(
            "{:24} {:5} inputs, {runs:8} runs",
            parser.name,
            parser.inputs.len()
        );
    }
}

/// The unchanged inputs first, then mutated ones until the time is up; at least one of each.
fn run(parser: &Parser, seed: u64, share: Duration, watchdog: &Watchdog) -> u64 {
    assert!(!parser.inputs.is_empty(), "{} has no inputs", parser.name);
    let started = Instant::now();
    let mut random = Seeded::new(seed);
    let mut runs = 0;
    for input in &parser.inputs {
        attempt(parser, input, seed, watchdog);
    }
    while runs < 100 || started.elapsed() < share {
        let mut input = parser.inputs[random.index(parser.inputs.len())].clone();
        (parser.mutate)(&mut input, &parser.inputs, &mut random);
        if let Some(stamp) = parser.stamp.filter(|_| !random.one_in(4)) {
            stamp(&mut input);
        }
        attempt(parser, &input, seed, watchdog);
        runs += 1;
    }
    runs
}

fn attempt(parser: &Parser, input: &[u8], seed: u64, watchdog: &Watchdog) {
    watchdog.begin();
    let before = allocator::start_measuring();
    let result = catch_unwind(AssertUnwindSafe(|| (parser.parse)(input)));
    let peak = allocator::peak_since(before);
    watchdog.end();
    let allowed = parser.memory_most + parser.memory_factor * input.len();
    if result.is_ok() && peak <= allowed {
        return;
    }
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", parser.name));
    std::fs::write(&kept, input).unwrap();
    panic!(
        "{}: {} (JETFS_SEED={seed}, {} bytes of input kept in {})",
        parser.name,
        match result {
            Ok(()) => format!("took {peak} bytes of memory, where {allowed} are allowed"),
            Err(_) => "panicked".to_owned(),
        },
        input.len(),
        kept.display()
    );
}

/// Ends the process when a parser does not come back: nothing else can stop an endless loop.
struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    fn start() -> Self {
        let begun = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&begun);
        std::thread::spawn(move || {
            let mut last = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let current = watched.load(Ordering::Relaxed);
                if current != last.0 {
                    last = (current, Instant::now());
                } else if current % 2 == 1 && last.1.elapsed() > HANG {
                    eprintln!("a parser hangs: see the seed and the last line above");
                    std::process::abort();
                }
            }
        });
        Watchdog(begun)
    }

    /// The count is odd while a parser works.
    fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
