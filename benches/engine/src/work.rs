//! The lines of work, and how fast a store does them.

use crate::backup;
use crate::crash;
use crate::store::{Kind, Row, Settings, Store};
use anyhow::{Result, ensure};
use nix::time::{ClockId, clock_gettime};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A line of the table.
pub struct Line {
    pub work: &'static str,
    pub unit: &'static str,
    /// Whether more is better.
    pub is_rate: bool,
}

/// What is measured.
pub const LINES: [Line; 10] = [
    rate("durable commits of one row, 1 thread", "commits/s"),
    rate("durable commits of one row, 8 threads", "commits/s"),
    rate("batch insertion in key order, 1,000 rows a commit", "rows/s"),
    rate("batch insertion in random order, 1,000 rows a commit", "rows/s"),
    rate("random point reads, warm", "rows/s"),
    rate("scan in key order, warm", "rows/s"),
    rate("full backup while 4 threads commit", "rows/s"),
    rate("commits of 4 threads meanwhile, of those without a backup", "%"),
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

/// How much is done.
#[derive(Clone, Copy)]
pub struct Amount {
    pub rows: u64,
    pub commits: u64,
    pub watch: Watch,
    /// All of it, or one part: who looks for what costs time wants nothing else in the profile.
    pub part: Option<Part>,
}

/// Lines of work that are done with the same rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Commits,
    Ordered,
    /// The reads too.
    Random,
    Crash,
    Backup,
}

impl Part {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "commits" => Part::Commits,
            "ordered" => Part::Ordered,
            "random" => Part::Random,
            "crash" => Part::Crash,
            "backup" => Part::Backup,
            _ => return None,
        })
    }
}

/// By which time it is measured.
#[derive(Clone, Copy)]
pub enum Watch {
    /// That of the clock on the wall.
    Wall,
    /// That which the processors spent on this process: for work on the engine beside other work.
    Processor,
}

impl Watch {
    /// Seconds since some time.
    fn seconds(self) -> f64 {
        let now = match self {
            Watch::Wall => clock_gettime(ClockId::CLOCK_MONOTONIC),
            Watch::Processor => clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID),
        };
        Duration::from(now.expect("there is no such clock")).as_secs_f64()
    }

    /// Seconds that `work` takes.
    pub fn time<T>(self, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
        let begun = self.seconds();
        let done = work()?;
        Ok((done, self.seconds() - begun))
    }
}

/// Does every line of work with one store, in new directories below `directory`. NaN: this was not wanted.
pub fn measure(kind: Kind, directory: &Path, amount: Amount) -> Result<[f64; LINES.len()]> {
    let mut measured = [f64::NAN; LINES.len()];
    let [
        commits,
        commits_8,
        ordered,
        random,
        reads,
        scanned,
        backed_up,
        meanwhile,
        crashed,
        size,
    ] = &mut measured;
    let is_wanted = |part| amount.part.is_none_or(|wanted| wanted == part);
    if is_wanted(Part::Commits) {
        *commits = commit(kind, directory, 1, amount)?;
        *commits_8 = commit(kind, directory, 8, amount)?;
    }
    let mut numbers: Vec<u64> = (0..amount.rows).collect();
    if is_wanted(Part::Ordered) {
        let place = new_place(directory, "ordered")?;
        let store = (kind.open)(&place, Settings::default())?;
        *ordered = insert(&*store, &numbers, amount.watch)?;
        store.close()?;
        *size = std::fs::metadata(place.join(kind.file))?.len() as f64 / amount.rows as f64;
    }
    if is_wanted(Part::Random) {
        numbers.shuffle(&mut SmallRng::seed_from_u64(7));
        let store = (kind.open)(&new_place(directory, "random")?, Settings::default())?;
        *random = insert(&*store, &numbers, amount.watch)?;
        *reads = point_reads(&*store, amount.rows, amount.watch)?;
        *scanned = scan(&*store, amount.rows, amount.watch)?;
        store.close()?;
    }
    if is_wanted(Part::Backup) {
        let numbers: Vec<u64> = (0..amount.rows).collect();
        let store = (kind.open)(&new_place(directory, "backed-up")?, Settings::default())?;
        insert(&*store, &numbers, amount.watch)?;
        let done = backup::measure(&*store, amount.rows, &new_place(directory, "backup")?)?;
        (*backed_up, *meanwhile) = (done.rows, done.commits);
        store.close()?;
    }
    if is_wanted(Part::Crash) {
        let place = new_place(directory, "crash")?;
        *crashed = crash::open_after(kind, &place, amount.rows, amount.watch)?;
    }
    Ok(measured)
}

fn new_place(directory: &Path, name: &str) -> Result<PathBuf> {
    let place = directory.join(name);
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

fn commit(kind: Kind, directory: &Path, threads: u64, amount: Amount) -> Result<f64> {
    let place = new_place(directory, &format!("commits-{threads}"))?;
    let store = (kind.open)(&place, Settings::default())?;
    let each = amount.commits / threads;
    let from_thread = |thread: u64| {
        store.write(&mut |writer| {
            (0..each)
                .try_for_each(|number| writer.put_all(&mut std::iter::once(row(number * threads + thread))))
        })
    };
    let ((), took) = amount.watch.time(|| {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || from_thread(thread)))
                .collect();
            let mut ends = workers.into_iter().map(|worker| worker.join());
            ends.try_for_each(|ended| ended.expect("a writer panicked"))
        })
    })?;
    store.close()?;
    Ok((each * threads) as f64 / took)
}

fn insert(store: &dyn Store, numbers: &[u64], watch: Watch) -> Result<f64> {
    let ((), took) = watch.time(|| {
        store.write(&mut |writer| {
            let mut batches = numbers.chunks(BATCH as usize);
            batches.try_for_each(|batch| writer.put_all(&mut batch.iter().copied().map(row)))
        })
    })?;
    Ok(numbers.len() as f64 / took)
}

fn point_reads(store: &dyn Store, rows: u64, watch: Watch) -> Result<f64> {
    let mut random = SmallRng::seed_from_u64(8);
    let keys: Vec<[u8; 16]> = (0..rows.min(500_000))
        .map(|_| key(random.random_range(0..rows)))
        .collect();
    store.get_all(&mut keys.iter().copied())?;
    let (found, took) = watch.time(|| store.get_all(&mut keys.iter().copied()))?;
    ensure!(found == keys.len() as u64, "{found} rows of {}", keys.len());
    Ok(found as f64 / took)
}

fn scan(store: &dyn Store, rows: u64, watch: Watch) -> Result<f64> {
    store.scan()?;
    let (bytes, took) = watch.time(|| store.scan())?;
    ensure!(bytes == rows * 150, "a scan saw {bytes} bytes of {rows} rows");
    Ok(rows as f64 / took)
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
