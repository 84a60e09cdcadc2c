//! The lines of work, and how fast a store does them.

use crate::crash;
use crate::store::{Kind, Row, Settings, Store};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Instant;

/// A line of the table.
pub struct Line {
    pub work: &'static str,
    pub unit: &'static str,
    /// Whether more is better.
    pub is_rate: bool,
}

/// What is measured.
pub const LINES: [Line; 8] = [
    rate("durable commits of one row, 1 thread", "commits/s"),
    rate("durable commits of one row, 8 threads", "commits/s"),
    rate("batch insertion in key order, 1,000 rows a commit", "rows/s"),
    rate("batch insertion in random order, 1,000 rows a commit", "rows/s"),
    rate("random point reads, warm", "rows/s"),
    rate("scan in key order, warm", "rows/s"),
    amount("open after a crash, 64 MB of log", "ms"),
    amount("database file, for each row put in key order", "bytes"),
];
/// Rows of a transaction.
pub const BATCH: u64 = 1000;

const fn rate(work: &'static str, unit: &'static str) -> Line {
    Line {
        work,
        unit,
        is_rate: true,
    }
}

const fn amount(work: &'static str, unit: &'static str) -> Line {
    Line {
        work,
        unit,
        is_rate: false,
    }
}

/// Does every line of work with one store, in new directories below `directory`.
pub fn measure(kind: Kind, directory: &Path, rows: u64, commits: u64) -> Result<Vec<f64>> {
    let place = |name: &str| -> Result<_> {
        let place = directory.join(name);
        std::fs::create_dir_all(&place)?;
        Ok(place)
    };
    let open = |place: &Path| (kind.open)(place, Settings::default());
    let mut measured = Vec::new();
    for threads in [1, 8] {
        let store = open(&place(&format!("commits-{threads}"))?)?;
        measured.push(commit(&*store, threads, commits)?);
        store.close()?;
    }
    let numbers: Vec<u64> = (0..rows).collect();
    let ordered = place("ordered")?;
    let store = open(&ordered)?;
    measured.push(insert(&*store, &numbers)?);
    store.close()?;
    let size = std::fs::metadata(ordered.join(kind.file))?.len();
    let mut shuffled = numbers;
    shuffled.shuffle(&mut SmallRng::seed_from_u64(7));
    let store = open(&place("random")?)?;
    measured.push(insert(&*store, &shuffled)?);
    measured.push(point_reads(&*store, rows)?);
    measured.push(scan(&*store, rows)?);
    store.close()?;
    measured.push(crash::open_after(kind, &place("crash")?, rows)?);
    measured.push(size as f64 / rows as f64);
    Ok(measured)
}

fn commit(store: &dyn Store, threads: u64, commits: u64) -> Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    store.write(&mut |writer| {
                        (0..commits / threads).try_for_each(|number| {
                            writer.put_all(&mut std::iter::once(row(number * threads + thread)))
                        })
                    })
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("a writer panicked")?;
        }
        Ok(())
    })?;
    Ok((commits / threads * threads) as f64 / begun.elapsed().as_secs_f64())
}

fn insert(store: &dyn Store, numbers: &[u64]) -> Result<f64> {
    let begun = Instant::now();
    store.write(&mut |writer| {
        let mut batches = numbers.chunks(BATCH as usize);
        batches.try_for_each(|batch| writer.put_all(&mut batch.iter().copied().map(row)))
    })?;
    Ok(numbers.len() as f64 / begun.elapsed().as_secs_f64())
}

fn point_reads(store: &dyn Store, rows: u64) -> Result<f64> {
    let mut random = SmallRng::seed_from_u64(8);
    let keys: Vec<[u8; 16]> = (0..rows.min(500_000))
        .map(|_| key(random.random_range(0..rows)))
        .collect();
    store.get_all(&mut keys.iter().copied())?;
    let begun = Instant::now();
    let found = store.get_all(&mut keys.iter().copied())?;
    let took = begun.elapsed();
    ensure!(found == keys.len() as u64, "{found} rows of {}", keys.len());
    Ok(found as f64 / took.as_secs_f64())
}

fn scan(store: &dyn Store, rows: u64) -> Result<f64> {
    store.scan()?;
    let begun = Instant::now();
    let bytes = store.scan()?;
    let took = begun.elapsed();
    ensure!(bytes == rows * 150, "a scan saw {bytes} bytes of {rows} rows");
    Ok(rows as f64 / took.as_secs_f64())
}

/// Bytes of all files in a directory.
pub fn bytes_of(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// A row; the same for the same number.
pub fn row(number: u64) -> Row {
    let mut value = [0; 150];
    SmallRng::seed_from_u64(number).fill(&mut value[..]);
    (key(number), value)
}

/// Sixteen bytes that are ordered as the numbers are.
pub fn key(number: u64) -> [u8; 16] {
    let mut key = *b"customer00000000";
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}
