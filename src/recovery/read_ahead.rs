//! A thread that is one generation ahead of redo: it loads and verifies the next log, finds the pages that its records
//! will want, asks the system for all of them at once, and verifies them while redo applies the log before.
//!
//! ```text
//! read ahead   | log 8, its pages | log 9, its pages | …
//! redo                            | apply log 8      | apply log 9 | …
//! ```
//!
//! What it finds wrong with a page it keeps to itself: redo meets the same when it wants the page.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{DBTIME_NIL, LogRecord};
use crate::format::{PageSize, Verified, VerifiedPage};
use crate::io::{File, FileSystem};
use crate::store::log_reader::{LoadWhenWanted, LogFile, LogLoader, LogPlace, RecordCursor};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// The most bytes of pages that are read ahead for one log.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of pages that are read by one call; a multiple of every page size.
const BYTES_AT_ONCE: usize = 256 << 10;

/// What redo and the thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The files in which the pages of each `dbid` are now.
    files: Mutex<BTreeMap<u8, PageFile>>,
    /// Pages that were read and not yet taken.
    pages: Mutex<Vec<(u8, PageAhead)>>,
}

/// What was found where a page should be.
#[derive(Debug)]
pub(super) enum PageAhead {
    /// The page.
    Verified(VerifiedPage),
    /// All zero: never written.
    Blank(u32),
}

/// The file of an attached database.
#[derive(Debug, Clone)]
pub(super) struct PageFile {
    /// The file.
    pub(super) file: Arc<dyn File>,
    /// Its page size.
    pub(super) page_size: PageSize,
    /// Its last page.
    pub(super) last: u32,
}

/// Gives the logs to a reader in their order, as the thread has loaded them.
#[derive(Debug)]
pub(super) struct ReadAhead {
    logs: Receiver<JetResult<LogFile>>,
    shared: Arc<Shared>,
}

impl Shared {
    /// Says where pages are from now on.
    pub(super) fn set_files(&self, files: BTreeMap<u8, PageFile>) {
        *self.files.lock() = files;
    }

    /// The pages that were read since the last call.
    pub(super) fn take_pages(&self) -> Vec<(u8, PageAhead)> {
        std::mem::take(&mut *self.pages.lock())
    }
}

impl ReadAhead {
    /// Starts the thread; it ends with the last log, or when this is dropped.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        fs: &'scope dyn FileSystem,
        logs: Vec<LogPlace>,
    ) -> ReadAhead {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = sync_channel(1);
        let of_thread = Arc::clone(&shared);
        scope.spawn(move || run(fs, &logs, &of_thread, &sender));
        ReadAhead {
            logs: receiver,
            shared,
        }
    }

    /// What redo and the thread share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

impl LogLoader for ReadAhead {
    fn load(&mut self, place: &LogPlace, _: Vec<u8>) -> JetResult<LogFile> {
        self.logs.recv().unwrap_or_else(|_| {
            let what = "was not read ahead";
            Err(JetError::rule(JetErr::InternalError, what).in_file(&place.path))
        })
    }
}

fn run(fs: &dyn FileSystem, logs: &[LogPlace], shared: &Shared, sender: &SyncSender<JetResult<LogFile>>) {
    let mut loader = LoadWhenWanted(fs);
    let mut seen = HashSet::new();
    for place in logs {
        let log = loader.load(place, Vec::new());
        if let Ok(log) = &log {
            read_pages(log, shared, &mut seen);
        }
        if sender.send(log).is_err() {
            return;
        }
    }
}

/// Reads the pages that the records of a log will want, as far as their files are known and they were not read before.
fn read_pages(log: &LogFile, shared: &Shared, seen: &mut HashSet<(u8, u32)>) {
    let files = shared.files.lock().clone();
    if files.is_empty() {
        return;
    }
    for (dbid, file) in &files {
        let wanted = wanted_pages(log, *dbid, file, seen);
        let runs = runs(&wanted, file.page_size);
        for run in &runs {
            let len = len_of(run, file.page_size) as u64;
            file.file.will_need(file.page_size.offset_of(*run.start()), len);
        }
        let mut pages = Vec::with_capacity(wanted.len());
        for run in runs {
            read_run(file, run, &mut |page| pages.push((*dbid, page)));
        }
        shared.pages.lock().append(&mut pages);
    }
}

fn wanted_pages(log: &LogFile, dbid: u8, file: &PageFile, seen: &mut HashSet<(u8, u32)>) -> BTreeSet<u32> {
    let most = MOST_BYTES / file.page_size.bytes();
    let mut wanted = BTreeSet::new();
    let mut cursor = RecordCursor::new();
    while wanted.len() < most {
        let Ok(Some(logged)) = cursor.next_record(log) else {
            break;
        };
        for_each_page(&logged.record, dbid, &mut |pgno| {
            if (1..=file.last).contains(&pgno) && seen.insert((dbid, pgno)) {
                wanted.insert(pgno);
            }
        });
    }
    wanted
}

/// The existing pages of database `dbid` that a record changes.
fn for_each_page(record: &LogRecord<'_>, dbid: u8, take: &mut dyn FnMut(u32)) {
    let Some(operation) = record
        .page_operation()
        .filter(|operation| operation.database == dbid)
    else {
        return;
    };
    match record {
        // They make their pages from nothing.
        LogRecord::CreateMultipleExtentFdp(_) | LogRecord::CreateSingleExtentFdp(_) => return,
        LogRecord::Split(split) => take(split.page_right),
        LogRecord::Merge(merge) => {
            take(merge.page_left);
            take(merge.page_right);
        }
        LogRecord::EmptyTree(empty) => empty.emptied.iter().for_each(|entry| take(entry.page)),
        _ => {}
    }
    if operation.dbtime != DBTIME_NIL {
        take(operation.page);
    }
}

/// Neighbours together, as many as are read by one call.
fn runs(pages: &BTreeSet<u32>, page_size: PageSize) -> Vec<RangeInclusive<u32>> {
    let most = u32::try_from(BYTES_AT_ONCE / page_size.bytes()).unwrap_or(1);
    let mut runs: Vec<RangeInclusive<u32>> = Vec::new();
    for pgno in pages {
        match runs.last_mut() {
            Some(run) if run.end().checked_add(1) == Some(*pgno) && pgno - run.start() < most => {
                *run = *run.start()..=*pgno;
            }
            _ => runs.push(*pgno..=*pgno),
        }
    }
    runs
}

/// Bytes of the pages of a run.
fn len_of(run: &RangeInclusive<u32>, page_size: PageSize) -> usize {
    run.clone().count() * page_size.bytes()
}

/// Reads pages that lie one after the other. What cannot be read, or is damaged, redo will meet itself.
fn read_run(file: &PageFile, run: RangeInclusive<u32>, take: &mut dyn FnMut(PageAhead)) {
    let page_size = file.page_size;
    let mut bytes = vec![0; len_of(&run, page_size)];
    let offset = page_size.offset_of(*run.start());
    if file.file.read_exact_at(&mut bytes, offset).is_err() {
        return;
    }
    for (bytes, pgno) in bytes.chunks_exact(page_size.bytes()).zip(run) {
        match VerifiedPage::verify(bytes.to_vec(), page_size, pgno) {
            Ok(Verified::Good(page)) => take(PageAhead::Verified(page)),
            Ok(Verified::Uninitialised) => take(PageAhead::Blank(pgno)),
            _ => {}
        }
    }
}
