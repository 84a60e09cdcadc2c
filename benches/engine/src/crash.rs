//! A store whose process dies, and how long it takes until it is open again.

use crate::store::{Kind, Settings};
use crate::work::{self, BATCH, Watch};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Rows that make about 64 MB of log, for who has one.
const ROWS: u64 = 300_000;

/// Milliseconds until a store is open and has read a row, after a process died that had put rows in key order and
/// written no checkpoint.
pub fn open_after(kind: Kind, directory: &Path, rows: u64, watch: Watch) -> Result<f64> {
    let rows = rows.min(ROWS);
    let died = Command::new(std::env::current_exe()?)
        .args(["--die", kind.name, &rows.to_string()])
        .arg(directory)
        .status()
        .context("cannot start the process that dies")?;
    ensure!(died.success(), "the process that was to die failed: {died}");
    let log = work::bytes_of(directory)? - std::fs::metadata(directory.join(kind.file))?.len();
    eprintln!(
        "  {}: {} MiB beside the database after a crash",
        kind.name,
        log >> 20
    );
    let ((store, found), took) = watch.time(|| {
        let store = (kind.open)(directory, Settings::default())?;
        let found = store.get_all(&mut std::iter::once(work::key(rows - 1)))?;
        Ok((store, found))
    })?;
    ensure!(found == 1, "a row that was committed is missing");
    store.close()?;
    Ok(took * 1000.0)
}

/// The process that dies.
pub fn die(kind: Kind, directory: &Path, rows: u64) -> Result<()> {
    let settings = Settings {
        checkpoint: 1 << 40,
        ..Settings::default()
    };
    let store = (kind.open)(directory, settings)?;
    let store = Box::leak(store);
    let numbers: Vec<u64> = (0..rows).collect();
    store.write(&mut |writer| {
        for batch in numbers.chunks(BATCH as usize) {
            writer.put_all(&mut batch.iter().copied().map(work::row))?;
        }
        // Nobody gets to close anything.
        std::process::exit(0)
    })
}
