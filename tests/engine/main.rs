//! The native engine, proved by simulation through its public API: seeded work of four sessions on a disk in memory that
//! loses its power, fails, or gets full; a model says what must be there afterwards.
//!
//! * `model`: what databases should hold; `disk`: the machine; `world`, `attempts`, `changes`: seeded work, and what is promised of it;
//! * `recovered`: what a start after a crash must find;
//! * `power_cuts`, `failures`, `limits`: what may go wrong;
//! * `isolation`, `snapshots`: interleavings of transactions against a model of snapshot isolation; `stress`: threads on a real disk.
//!
//! What fails prints how to have it again: `JETFS_SEED` and `JETFS_CUT` choose one run, `JETFS_FULL=1` (which
//! `scripts/test.sh --full` sets) makes all of them.
//!
//! The engine has no lock-free algorithm: its atomics are counters, flags that are set once, and a number that one lock
//! guards where its order matters. What threads do to each other is the subject of `stress`; there is nothing for loom or
//! shuttle to explore.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod attempts;
mod changes;
mod disk;
mod failures;
mod isolation;
mod limits;
mod model;
mod power_cuts;
mod recovered;
#[path = "../support/skipped.rs"]
#[allow(dead_code, reason = "nothing is skipped here")]
mod skipped;
mod snapshots;
mod stress;
mod world;

use std::path::{Path, PathBuf};

/// Cargo's `target` directory.
fn target_dir() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap().to_path_buf()
}

/// Whether everything is wanted instead of a seeded part of it.
fn full() -> bool {
    std::env::var_os("JETFS_FULL").is_some_and(|value| value == "1")
}

/// A number from the environment.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
