//! A live log whose last write was torn is recovered, and goes on.

use super::super::{InstanceFiles, Options, Places, Plan, Replayed};
use crate::error::JetResult;
use crate::format::log_record::{Begin0, Commit0, Levels, LogRecord};
use crate::format::{AttachList, DbmsParam, LogHeader, LogPosition, LogTime, Signature};
use crate::io::{FaultFileSystem, FileSystem, OpenMode, SettableClock, Which, count_up};
use crate::store::SpillDirectory;
use crate::store::log_reader::LogFile;
use crate::store::log_stream::{LogObserver, LogStream, LogStreamOptions};
use crate::store::log_writer::{LogDigits, LogNaming};
use std::path::Path;
use std::sync::Arc;

const SEGMENTS: u16 = 8;

#[derive(Debug)]
struct NoDatabases;

impl LogObserver for NoDatabases {
    fn generation_begun(&self, _generation: u32, _created: LogTime) -> JetResult<()> {
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        (LogPosition::default(), AttachList::default())
    }
}

fn options(fs: &FaultFileSystem) -> LogStreamOptions {
    LogStreamOptions {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(SettableClock::default()),
        naming: LogNaming::new(Path::new("/i"), "edb", "log", LogDigits::FiveOrEight),
        file_len: u64::from(SEGMENTS) * 4096,
        buffer_len: 1 << 20,
        observer: Arc::new(NoDatabases),
        reserve: false,
    }
}

fn create(fs: &FaultFileSystem) -> LogStream {
    fs.create_dir_all(Path::new("/i")).unwrap();
    let signature = Signature {
        random: 5,
        ..Signature::default()
    };
    let param = DbmsParam::new("C:\\", "C:\\", SEGMENTS.into()).unwrap();
    let mut header = LogHeader::new(1, SEGMENTS, signature, param).unwrap();
    header.create_time = LogTime::utc(2026, 11, 25, 12, 0, 0, 0);
    LogStream::create(options(fs), header).unwrap()
}

/// Transactions with writes of several segments; those that were acknowledged.
fn work(log: &LogStream) -> u32 {
    for round in 0..8 {
        for trx in 0..700 {
            let records = [
                LogRecord::Begin0(Begin0 {
                    session: 7,
                    levels: Levels { from: 0, count: 1 },
                    trx: 4 + 4 * trx,
                }),
                LogRecord::Commit0(Commit0 {
                    session: 7,
                    level: 0,
                    trx: 4 + 4 * trx,
                }),
            ];
            if log.append(&records).is_err() {
                return round;
            }
        }
        if log.flush_to(log.end()).is_err() {
            return round;
        }
    }
    8
}

fn recover(fs: &FaultFileSystem) -> Replayed {
    let places = Places {
        logs: "/i".into(),
        ..Places::default()
    };
    let files = InstanceFiles::find(fs, &places).unwrap();
    let spill = SpillDirectory {
        fs: Arc::new(fs.clone()),
        directory: "/i".into(),
    };
    let replayed = Plan::new(fs, &files, Options::new(spill))
        .and_then(|plan| plan.replay(&mut |_| ()))
        .unwrap_or_else(|error| panic!("{}: {error}", fs.last_cut().unwrap()));
    if let Some(tail) = &replayed.tail {
        for writes in [&tail.undo, &tail.shut_down, &tail.end] {
            writes.write(fs).unwrap();
        }
    }
    replayed
}

fn last_log(fs: &FaultFileSystem) -> LogFile {
    let current = Path::new("/i/edb.log");
    LogFile::load(&*fs.open(current, OpenMode::ReadOnly).unwrap(), current).unwrap()
}

#[test]
fn a_log_is_recovered_after_a_power_cut_in_every_operation() {
    let mut torn = 0;
    for seed in 0..12 {
        count_up(|k| {
            let fs = FaultFileSystem::in_memory();
            let log = create(&fs);
            fs.cut_power_at(k, Which::Changing, seed * 100 + k);
            let acknowledged = work(&log);
            let reached = fs.reached();
            if !reached {
                fs.cut_power(seed).unwrap();
            }
            drop(log);
            fs.restart();
            let is_torn = fs.stat(Path::new("/i/edb.log")).is_ok() && last_log(&fs).needs_repair();
            torn += u32::from(is_torn);
            let replayed = recover(&fs);
            assert!(replayed.counts.records >= u64::from(acknowledged) * 2 * 700);
            assert!(replayed.tail.is_some());
            assert!(!last_log(&fs).needs_repair());
            // It has ended well now, and goes on.
            assert!(recover(&fs).tail.is_none());
            let log = LogStream::continue_after(options(&fs), &last_log(&fs)).unwrap();
            assert_eq!(work(&log), 8);
            drop(log);
            recover(&fs);
            reached
        });
    }
    assert!(torn > 10, "only {torn} torn writes");
}
