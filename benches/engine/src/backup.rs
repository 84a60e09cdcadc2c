//! A full backup of a store while others write to it: how long it takes, and what it costs them.

use crate::store::Store;
use crate::work;
use anyhow::Result;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// Threads that commit one row after the other.
const WRITERS: u64 = 4;
/// How long they are watched without a backup.
const QUIET: Duration = Duration::from_secs(2);

/// What a backup came to.
pub struct Measured {
    /// Rows of the store that were backed up in a second.
    pub rows: f64,
    /// Commits meanwhile, in percent of those without a backup.
    pub commits: f64,
}

/// Backs up a store of `rows` rows into `to`, which is on the same disk.
pub fn measure(store: &dyn Store, rows: u64, to: &Path) -> Result<Measured> {
    let (stop, commits) = (AtomicBool::new(false), AtomicU64::new(0));
    scope(|scope| {
        let (stop, commits) = (&stop, &commits);
        let writers: Vec<_> = (0..WRITERS)
            .map(|thread| {
                let first = rows + thread;
                scope.spawn(move || write_until(store, first, stop, commits))
            })
            .collect();
        let measured = watch(store, rows, to, commits);
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().expect("a writer panicked")?;
        }
        measured
    })
}

fn watch(store: &dyn Store, rows: u64, to: &Path, commits: &AtomicU64) -> Result<Measured> {
    let rate = |work: &mut dyn FnMut() -> Result<()>| {
        let (begun, before) = (Instant::now(), commits.load(Ordering::Relaxed));
        work()?;
        let seconds = begun.elapsed().as_secs_f64();
        let count = commits.load(Ordering::Relaxed) - before;
        anyhow::Ok((count as f64 / seconds, seconds))
    };
    // Every thread has begun.
    sleep(QUIET / 4);
    let (without, _) = rate(&mut || {
        sleep(QUIET);
        Ok(())
    })?;
    let (meanwhile, seconds) = rate(&mut || store.back_up(to))?;
    Ok(Measured {
        rows: rows as f64 / seconds,
        commits: 100.0 * meanwhile / without,
    })
}

fn write_until(store: &dyn Store, first: u64, stop: &AtomicBool, commits: &AtomicU64) -> Result<()> {
    store.write(&mut |writer| {
        let mut numbers = (first..).step_by(WRITERS as usize);
        while !stop.load(Ordering::Relaxed) {
            let Some(number) = numbers.next() else { break };
            writer.put_all(&mut std::iter::once(work::row(number)))?;
            commits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}
