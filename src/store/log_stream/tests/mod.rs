//! What is appended is read again, and what was acknowledged survives whatever happens to the disk.

mod failures;
mod power_cuts;
mod reading;
mod threads;

use super::*;
use crate::format::log_record::LogRecordType;
use crate::format::{AttachList, DbmsParam, LogTime, SEGMENT_LEN, Signature};
use crate::io::{FaultFileSystem, FileSystem, MemoryFileSystem, OpenMode, Seeded, SettableClock};
use crate::store::log_reader::{LogPlace, LogReader};
use crate::store::log_writer::{LogAppender, LogDigits, LogNaming};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

const SLOTS: u16 = 16;
const DIRECTORY: &str = "/l";

/// Remembers the generations that were begun.
#[derive(Debug, Default)]
struct Begun {
    generations: Mutex<Vec<u32>>,
    /// Refuses this one.
    refuses: Option<u32>,
}

impl LogObserver for Begun {
    fn generation_begun(&self, generation: u32, created: LogTime) -> JetResult<()> {
        assert!(created.is_set());
        if self.refuses == Some(generation) {
            return Err(crate::JetError::rule(JetErr::DiskIO, "no header was written"));
        }
        self.generations.lock().push(generation);
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        let checkpoint = LogPosition {
            generation: 1,
            sector: 2,
            byte: 3,
        };
        (checkpoint, AttachList::default())
    }
}

/// A machine and the options of a log on it.
struct Rig {
    memory: MemoryFileSystem,
    fs: FaultFileSystem,
    observer: Arc<Begun>,
    reserve: bool,
    buffer_len: usize,
}

impl Rig {
    fn new() -> Self {
        let memory = MemoryFileSystem::default();
        memory.create_dir_all(Path::new(DIRECTORY)).unwrap();
        Rig {
            fs: FaultFileSystem::new(Arc::new(memory.clone())),
            memory,
            observer: Arc::default(),
            reserve: false,
            buffer_len: 1 << 20,
        }
    }

    fn options(&self) -> LogStreamOptions {
        LogStreamOptions {
            fs: Arc::new(self.fs.clone()),
            clock: Arc::new(SettableClock::default()),
            naming: naming(),
            file_len: u64::from(SLOTS) * SEGMENT_LEN as u64,
            buffer_len: self.buffer_len,
            observer: self.observer.clone(),
            reserve: self.reserve,
        }
    }

    fn create(&self) -> LogStream {
        LogStream::create(self.options(), header()).unwrap()
    }

    /// Goes on as an instance does after recovery.
    fn reopen(&self) -> JetResult<LogStream> {
        let last = self.load(&self.places().pop().unwrap().path);
        LogStream::continue_after(self.options(), &last)
    }

    fn load(&self, path: &Path) -> LogFile {
        let file = self.fs.open(path, OpenMode::ReadOnly).unwrap();
        LogFile::load(&*file, path).unwrap()
    }

    /// The logs that are there, in order.
    fn places(&self) -> Vec<LogPlace> {
        let mut places = Vec::new();
        for entry in self.fs.list(Path::new(DIRECTORY)).unwrap() {
            let path = Path::new(DIRECTORY).join(entry.name);
            if path != naming().temporary() && path.extension().unwrap() == "log" {
                let generation = self.load(&path).header().generation;
                places.push(LogPlace { path, generation });
            }
        }
        places.sort_by_key(|place| place.generation);
        places
    }

    /// Every record but fill.
    fn records(&self) -> JetResult<Vec<Placed>> {
        let mut reader = LogReader::new(&self.fs, self.places());
        let mut records = Vec::new();
        while let Some(logged) = reader.next_record()? {
            if logged.record.record_type() != LogRecordType(71) {
                records.push((logged.position, logged.bytes.to_vec()));
            }
        }
        Ok(records)
    }
}

type Placed = (LogPosition, Vec<u8>);

fn naming() -> LogNaming {
    LogNaming::new(Path::new(DIRECTORY), "edb", "log", LogDigits::FiveOrEight)
}

fn header() -> LogHeader {
    let signature = Signature {
        random: 0xFEED,
        ..Signature::default()
    };
    let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(1, SLOTS, signature, param).unwrap();
    header.create_time = LogTime::utc(2026, 11, 25, 1, 2, 3, 4);
    header
}

/// A skippable record of `len` bytes in all that says its number.
fn record(number: usize, len: usize) -> Vec<u8> {
    let len = len.max(9);
    let inner = u32::try_from(len - 5).unwrap().to_le_bytes();
    let number = u32::try_from(number).unwrap().to_le_bytes();
    let body: Vec<u8> = number.iter().copied().cycle().take(len - 5).collect();
    [&[82], &inner[..], &body].concat()
}

/// Appends the records as one group; adds them to `all` at the places that the log says.
fn append(log: &LogStream, group: &[Vec<u8>], all: &mut Vec<Placed>) -> JetResult<Appended> {
    let records: Vec<LogRecord<'_>> = group
        .iter()
        .map(|bytes| LogRecord::decode(bytes).unwrap())
        .collect();
    let appended = log.append(&records)?;
    for (number, bytes) in group.iter().enumerate() {
        let position = match number {
            0 => appended.first,
            number if number + 1 == group.len() => appended.last,
            _ => LogPosition::default(),
        };
        all.push((position, bytes.clone()));
    }
    Ok(appended)
}

/// Whether `found` are the first of `expected`, at their places where those are known.
fn is_prefix(found: &[Placed], expected: &[Placed]) -> bool {
    found.len() <= expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.1 == expected.1 && (!expected.0.is_set() || found.0 == expected.0))
}

fn group(random: &mut Seeded, next: &mut usize) -> Vec<Vec<u8>> {
    let most = [30, 400, 3000, 12_000][random.index(4)];
    (0..=random.index(3))
        .map(|_| {
            *next += 1;
            record(*next, 9 + random.index(most))
        })
        .collect()
}
