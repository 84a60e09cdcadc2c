//! The lines of work, and how fast a store does them.

use crate::store::{Open, Store};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Instant;

/// What is measured, and in which unit.
pub const LINES: [(&str, &str); 7] = [
    ("durable commits of one row, 1 thread", "commits/s"),
    ("durable commits of one row, 8 threads", "commits/s"),
    ("batch insertion in key order, 1,000 rows a commit", "rows/s"),
    ("batch insertion in random order, 1,000 rows a commit", "rows/s"),
    ("random point reads, warm", "reads/s"),
    ("scan in key order", "rows/s"),
    ("bytes of the database file for each row", "bytes"),
];
const BATCH: u64 = 1000;

/// Does every line of work with one store, in new directories below `directory`.
pub fn measure(open: Open, directory: &Path, rows: u64, commits: u64) -> Result<Vec<f64>> {
    let place = |name: &str| -> Result<_> {
        let place = directory.join(name);
        std::fs::create_dir_all(&place)?;
        Ok(place)
    };
    let mut rates = Vec::new();
    for threads in [1, 8] {
        let store = open(&place(&format!("commits-{threads}"))?)?;
        rates.push(commit(&*store, threads, commits)?);
    }
    let numbers: Vec<u64> = (0..rows).collect();
    let ordered = place("ordered")?;
    let store = open(&ordered)?;
    rates.push(insert(&*store, &numbers)?);
    let size = largest_file(&ordered)?;
    drop(store);
    let mut shuffled = numbers;
    shuffled.shuffle(&mut SmallRng::seed_from_u64(7));
    let store = open(&place("random")?)?;
    rates.push(insert(&*store, &shuffled)?);
    rates.push(point_reads(&*store, rows)?);
    rates.push(scan(&*store, rows)?);
    rates.push(size as f64 / rows as f64);
    Ok(rates)
}

fn commit(store: &dyn Store, threads: u64, commits: u64) -> Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || -> Result<()> {
                    let mut writer = store.writer()?;
                    for number in 0..commits / threads {
                        writer.put_all(&mut std::iter::once(row(number * threads + thread)))?;
                    }
                    Ok(())
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
    let mut writer = store.writer()?;
    for batch in numbers.chunks(BATCH as usize) {
        writer.put_all(&mut batch.iter().copied().map(row))?;
    }
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
    ensure!(
        found == keys.len() as u64,
        "{} rows are missing",
        keys.len() as u64 - found
    );
    Ok(found as f64 / begun.elapsed().as_secs_f64())
}

fn scan(store: &dyn Store, rows: u64) -> Result<f64> {
    store.scan()?;
    let begun = Instant::now();
    let bytes = store.scan()?;
    ensure!(bytes == rows * 150, "a scan saw {bytes} bytes of {rows} rows");
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

fn largest_file(directory: &Path) -> Result<u64> {
    let mut largest = 0;
    for entry in std::fs::read_dir(directory)? {
        largest = largest.max(entry?.metadata()?.len());
    }
    Ok(largest)
}

fn row(number: u64) -> ([u8; 16], [u8; 150]) {
    let mut value = [0; 150];
    SmallRng::seed_from_u64(number).fill(&mut value[..]);
    (key(number), value)
}

/// Sixteen bytes that are ordered as the numbers are.
fn key(number: u64) -> [u8; 16] {
    let mut key = *b"customer00000000";
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}
