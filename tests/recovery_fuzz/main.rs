//! Recovery survives logs and databases that somebody made up: records changed behind right checksums, pages of no sense.
//! No panic, no endless loop, memory bounded by the input; an error or a result.
//!
//! `JETFS_FUZZ_SECONDS` (default 10) is shared by the tests, `JETFS_SEED` begins the sequence (default: always the same
//! one, so that a change is judged by what it changes; with `JETFS_FULL=1` the clock; printed). A failure prints the seed of its own run: with it as `JETFS_SEED` it is the first.
#![cfg(test)]

#[allow(dead_code, reason = "parsers_survive uses all of it")]
#[path = "../parsers_survive/allocator.rs"]
mod allocator;
#[path = "../parsers_survive/mutate.rs"]
mod mutate;
mod records;
mod sets;
#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

use parking_lot::{Mutex, MutexGuard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

/// Memory is counted for the whole process: one test at a time, the reading of its samples included.
static ALONE: Mutex<()> = Mutex::new(());

/// Held by the test that runs.
type Alone = MutexGuard<'static, ()>;

/// Where the sequence begins.
const FIRST_SEED: u64 = 1;

/// Tests that share the time.
const TESTS: u32 = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Calls `run` with one seed after the other until the share of the time is up.
fn for_many_seeds(_alone: &Alone, mut run: impl FnMut(u64)) -> u64 {
    let seconds = number("JETFS_FUZZ_SECONDS").unwrap_or(10);
    let first = number("JETFS_SEED").unwrap_or_else(|| {
        if std::env::var_os("JETFS_FULL").is_none() {
            return FIRST_SEED;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs() * 1_000_000
    });
    println!("JETFS_SEED={first} JETFS_FUZZ_SECONDS={seconds}");
    let (started, time) = (Instant::now(), Duration::from_secs(seconds) / TESTS);
    let mut runs = 0;
    while runs < 20 || started.elapsed() < time {
        run(first + runs);
        runs += 1;
    }
    runs
}

/// Runs `parse`; a panic or too much memory fails the test with the seed.
fn survive<T>(what: &str, seed: u64, allowed: usize, parse: impl FnOnce() -> T) -> T {
    let before = allocator::start_measuring();
    let result = catch_unwind(AssertUnwindSafe(parse));
    let peak = allocator::peak_since(before);
    let Ok(result) = result else {
        panic!("{what}: panicked (JETFS_SEED={seed})");
    };
    assert!(
        peak <= allowed,
        "{what}: took {peak} bytes of memory, where {allowed} are allowed (JETFS_SEED={seed})"
    );
    result
}
