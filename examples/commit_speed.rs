//! How fast a log takes commits: `cargo run --release --example commit_speed -- DIR [SECONDS]`.
//!
//! Threads append a small transaction and wait until it is durable, in a log in a directory made in DIR; then one
//! thread appends without waiting.

#![allow(clippy::print_stdout, reason = "that is what it is for")]

use jetfs::format::log_record::OperationFlags;
use jetfs::format::log_record::{Begin0, Commit0, Insert, Levels, LogRecord, NodeOperation, PageOperation};
use jetfs::format::{AttachList, DbmsParam, LogHeader, LogPosition, LogTime, Signature};
use jetfs::io::{FileSystem, RealClock, RealFileSystem};
use jetfs::store::log_stream::{LogObserver, LogStream, LogStreamOptions};
use jetfs::store::log_writer::{LogDigits, LogNaming};
use jetfs::{JetError, JetResult};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FILE_LEN: u64 = 5 << 20;

#[derive(Debug)]
struct Nobody;

impl LogObserver for Nobody {
    fn generation_begun(&self, _generation: u32, _created: LogTime) -> JetResult<()> {
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        (LogPosition::default(), AttachList::default())
    }
}

fn main() -> JetResult<()> {
    let mut arguments = std::env::args_os().skip(1);
    let directory: PathBuf = arguments.next().unwrap_or_else(|| ".".into()).into();
    let seconds = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let duration = Duration::from_secs(seconds.unwrap_or(3));
    let directory = directory.join(format!("commit_speed.{}", std::process::id()));
    RealFileSystem
        .create_dir_all(&directory)
        .map_err(|error| JetError::io("create", error))?;
    for (threads, ahead) in [(1, false), (8, false), (8, true)] {
        commits(&directory, threads, ahead, duration)?;
    }
    bulk(&directory, duration)?;
    std::fs::remove_dir_all(&directory).map_err(|error| JetError::io("remove", error))
}

fn log_in(directory: &Path, base: &str) -> JetResult<LogStream> {
    let options = LogStreamOptions {
        fs: Arc::new(RealFileSystem),
        clock: Arc::new(RealClock),
        naming: LogNaming::new(directory, base, "log", LogDigits::FiveOrEight),
        file_len: FILE_LEN,
        buffer_len: 1 << 20,
        observer: Arc::new(Nobody),
        reserve: false,
    };
    let param = DbmsParam::new("C:\\", "C:\\", 1280)?;
    LogStream::create(options, LogHeader::new(1, 1280, Signature::default(), param)?)
}

/// A transaction that inserts one row of 200 bytes.
fn transaction(row: &[u8]) -> [LogRecord<'_>; 3] {
    let levels = Levels { from: 0, count: 1 };
    let page = PageOperation {
        session: 7,
        database: 1,
        page: 100,
        dbtime: 5,
        dbtime_before: 4,
        trx: 4,
        level: 1,
        line: 1,
        flags: OperationFlags::VERSIONED,
    };
    let node = NodeOperation {
        page,
        rceid: 1,
        page_fdp: 50,
        objid: 9,
    };
    [
        LogRecord::Begin0(Begin0 {
            session: 7,
            levels,
            trx: 4,
        }),
        LogRecord::Insert(Insert {
            node,
            prefix_len: 0,
            key: &[1; 8],
            data: row,
        }),
        LogRecord::Commit0(Commit0 {
            session: 7,
            level: 0,
            trx: 4,
        }),
    ]
}

fn commits(directory: &Path, threads: u32, ahead: bool, duration: Duration) -> JetResult<()> {
    let log = log_in(directory, &format!("c{threads}{}", u8::from(ahead)))?;
    let (count, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let row = [7; 192];
                while started.elapsed() < duration {
                    let began = Instant::now();
                    let committed = log
                        .append(&transaction(&row))
                        .and_then(|appended| log.flush_to(appended.end));
                    if committed.is_err() {
                        break;
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    slowest.fetch_max(took, Ordering::Relaxed);
                }
                is_over.store(true, Ordering::Relaxed);
            });
        }
        if ahead {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && log.prepare_next().is_ok() {
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
    });
    let per_second = count.into_inner() as f64 / started.elapsed().as_secs_f64();
    println!(
        "{threads} threads{}: {per_second:.0} commits/s, slowest {:.1} ms, {} generations",
        if ahead { ", next log made ahead" } else { "" },
        slowest.into_inner() as f64 / 1e3,
        log.end().generation
    );
    Ok(())
}

fn bulk(directory: &Path, duration: Duration) -> JetResult<()> {
    let log = log_in(directory, "blk")?;
    let row = [7; 192];
    let started = Instant::now();
    let mut transactions = 0_u64;
    while started.elapsed() < duration {
        for _ in 0..100 {
            log.append(&transaction(&row))?;
        }
        transactions += 100;
    }
    log.flush_to(log.end())?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = u64::from(log.end().generation - 1) * FILE_LEN;
    // What appending alone costs.
    let off = log_in_memory()?;
    let rounds = 200_000_u32;
    let began = Instant::now();
    for _ in 0..rounds {
        off.append(&transaction(&row))?;
    }
    let in_append = began.elapsed();
    println!(
        "1 thread without waiting: {:.1} MB/s, {:.0} transactions/s; append alone, in memory: {:.0} ns",
        bytes as f64 / 1e6 / seconds,
        transactions as f64 / seconds,
        in_append.as_nanos() as f64 / f64::from(rounds)
    );
    Ok(())
}

/// A log in memory, all of which waits.
fn log_in_memory() -> JetResult<LogStream> {
    let fs = jetfs::io::MemoryFileSystem::default();
    fs.create_dir_all(Path::new("/l"))
        .map_err(|error| JetError::io("create", error))?;
    let options = LogStreamOptions {
        fs: Arc::new(fs),
        clock: Arc::new(RealClock),
        naming: LogNaming::new(Path::new("/l"), "edb", "log", LogDigits::FiveOrEight),
        file_len: 255 << 20,
        buffer_len: 128 << 20,
        observer: Arc::new(Nobody),
        reserve: false,
    };
    let param = DbmsParam::new("C:\\", "C:\\", 1280)?;
    LogStream::create(options, LogHeader::new(1, 1280, Signature::default(), param)?)
}
