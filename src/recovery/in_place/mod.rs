//! Writes what a recovery computed into the set that it was computed from, so that a power cut at any moment leaves a
//! set that another recovery finishes (log-and-recovery.md sections 5.2 to 5.4 and 6.8).
//!
//! ```text
//! 0  lock        databases and checkpoint; finish what an interrupted recovery had begun to write
//! 1  logs        RecoveryUndo2 … Rollback                    durable before any page that they tell of
//! 2  headers     dirty, requiring the logs up to there       new databases: just created
//! 3  pages       into a journal, then into the database, then the journal goes
//! 4  logs        ShutDownMark                                the databases are what it says
//! 5  headers     clean
//! 6  logs        RecoveryQuit2
//! 7  checkpoint  at RecoveryQuit2
//! ```
//!
//! Each line is durable before the next begins. Until 5 another recovery begins anew: it finds the records that undid
//! and the pages that have them. After 5 the databases need no log any more.

mod batch_journal;
mod database;
#[cfg(test)]
mod genuine_tests;
mod page_journal;
mod page_runs;
mod replayed;
#[cfg(test)]
mod tests;

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Checkpoint, DatabaseHeader, LogTime, Signature};
use crate::io::{Clock, File, FileSystem, OpenMode};
use crate::store::log_writer::LogWrites;
use crate::store::{open_exclusively, read_database_header_page, write_checkpoint, write_checkpoint_to};
pub(crate) use batch_journal::{BatchJournal, StampedPage, write_in_place};
use page_journal::PageJournal;
pub(super) use page_journal::is_journal;
pub use replayed::Writable;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What a recovery computed.
#[derive(Debug)]
pub struct RecoveredSet<'a> {
    /// The databases that change.
    pub databases: Vec<RecoveredDatabase<'a>>,
    /// The logs that grow.
    pub logs: RecoveredLogs,
    /// The checkpoint, if it moves.
    pub checkpoint: Option<RecoveredCheckpoint>,
}

/// The checkpoint at the end of a recovery.
#[derive(Debug)]
pub struct RecoveredCheckpoint {
    /// Where it is, or will be.
    pub path: PathBuf,
    /// At `RecoveryQuit2`, with no databases attached.
    pub checkpoint: Checkpoint,
}

/// A database that changes.
#[derive(Debug)]
pub struct RecoveredDatabase<'a> {
    /// Its file.
    pub path: PathBuf,
    /// Whether the logs created it: there is no file, or one whose creation was not finished.
    pub is_created: bool,
    /// The last page that the file has when all is done.
    pub page_last: u32,
    /// The pages that change.
    pub pages: &'a dyn ChangedPages,
    /// Its header as redo left it: dirty. The generations that it requires are raised here.
    pub header: DatabaseHeader,
    /// Its header when all is done.
    pub clean_header: DatabaseHeader,
}

/// Pages that change, as they will be.
pub trait ChangedPages: std::fmt::Debug {
    /// How many there are.
    fn count(&self) -> u64;

    /// Gives each of them to `take`: its number, ascending, and its bytes with their checksums.
    ///
    /// # Errors
    /// Those of `take`, and of wherever the pages are kept.
    fn for_each(&self, take: &mut dyn FnMut(u32, &[u8]) -> JetResult<()>) -> JetResult<()>;
}

/// The logs that grow, in three parts.
#[derive(Debug, Default)]
pub struct RecoveredLogs {
    /// Up to the last `Rollback`.
    pub undo: LogWrites,
    /// Generation and creation time of the last log once those are written, or of the last log that was there.
    pub last: (u32, LogTime),
    /// `ShutDownMark`.
    pub shut_down: LogWrites,
    /// `RecoveryQuit2`.
    pub quit: LogWrites,
}

/// Who else can see the files while they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// They are all that the user has: a power cut may come at any moment.
    InPlace,
    /// They are a copy, which is worth nothing before it is complete: pages need no journal.
    Copy,
}

impl RecoveredSet<'_> {
    /// Bytes of pages and logs that will be written, the journal of the pages not counted.
    pub fn byte_count(&self) -> u64 {
        let of_pages = self.databases.iter().map(RecoveredDatabase::byte_count);
        self.logs.byte_count() + of_pages.sum::<u64>()
    }
}

impl RecoveredLogs {
    fn byte_count(&self) -> u64 {
        let logs = [&self.undo, &self.shut_down, &self.quit];
        logs.map(LogWrites::byte_count).iter().sum()
    }
}

impl RecoveredDatabase<'_> {
    fn byte_count(&self) -> u64 {
        let page = self.header.page_size.bytes() as u64;
        self.pages.count().saturating_mul(page)
    }
}

/// A set that nobody else may open. Taken before recovery reads it, and kept until the result is written.
#[derive(Debug)]
pub struct LockedSet<'f> {
    fs: &'f dyn FileSystem,
    files: BTreeMap<PathBuf, Arc<dyn File>>,
}

impl<'f> LockedSet<'f> {
    /// Locks databases and checkpoints; those that do not exist are passed over.
    ///
    /// # Errors
    /// One is in use (`JET_errDatabaseInUse`) or cannot be opened for writing.
    pub fn lock<'p>(fs: &'f dyn FileSystem, paths: impl IntoIterator<Item = &'p Path>) -> JetResult<Self> {
        let mut files = BTreeMap::new();
        for path in paths {
            match fs.stat(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => {
                    files.insert(path.to_path_buf(), open_exclusively(fs, path)?);
                }
            }
        }
        Ok(LockedSet { fs, files })
    }

    /// Adds a file that the caller has opened and locked already.
    pub(crate) fn add(&mut self, path: &Path, file: Arc<dyn File>) {
        self.files.insert(path.to_path_buf(), file);
    }

    /// Finishes the writing of pages that a power cut had interrupted; before that, recovery must not read the
    /// databases, since some of their pages may be torn. Returns the databases that it concerned.
    ///
    /// # Errors
    /// What the system says; a journal that is damaged (`JET_errDatabaseCorrupted`).
    pub fn finish_interrupted(&self) -> JetResult<Vec<PathBuf>> {
        let mut finished = Vec::new();
        for (path, file) in &self.files {
            if self.finish(path, &**file).map_err(|error| error.in_file(path))? {
                finished.push(path.clone());
            }
        }
        Ok(finished)
    }

    /// Whether pages of this database may be torn, because a recovery or a running engine was interrupted while it wrote
    /// them: their journal lies beside it, and they are not all as it has them.
    pub fn is_interrupted(fs: &dyn FileSystem, database: &Path) -> bool {
        let is_needed = || {
            let Some(journal) = PageJournal::find(fs, database)? else {
                return Ok(false);
            };
            let opened = fs.open(database, OpenMode::ReadOnly);
            journal.is_needed(&*opened.map_err(|error| JetError::io("open", error))?)
        };
        is_needed().unwrap_or_else(|_: JetError| fs.stat(&Self::journal_of(database)).is_ok())
    }

    /// Where a recovery keeps the pages of this database while it writes them.
    pub fn journal_of(database: &Path) -> PathBuf {
        page_journal::path_of(database)
    }

    fn finish(&self, path: &Path, file: &dyn File) -> JetResult<bool> {
        let Some(journal) = PageJournal::find(self.fs, path)? else {
            page_journal::remove_incomplete(self.fs, path)?;
            return Ok(false);
        };
        // A file that replaced the database since then is not concerned; nor is one that has no header yet.
        let header = read_database_header_page(file).unwrap_or_default();
        let belongs = journal.belongs_to(&header)?;
        if belongs {
            journal.apply(file, &mut |_| ())?;
        }
        journal.remove(self.fs)?;
        Ok(belongs)
    }

    /// Writes the result of a recovery. `progress` gets the bytes of pages that were written, bit by bit.
    ///
    /// # Errors
    /// What the system says (`JET_errDiskFull`), or a result that contradicts itself (`JET_errInternalError`). The
    /// set can be recovered again.
    pub fn write(
        &mut self,
        recovered: &RecoveredSet<'_>,
        durability: Durability,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> JetResult<()> {
        for database in &recovered.databases {
            database.check().map_err(|error| error.in_file(&database.path))?;
        }
        let (fs, logs) = (self.fs, &recovered.logs);
        logs.undo.write(fs)?;
        self.each(recovered, |set, database| {
            let file = set.file_of(database)?;
            database.prepare(&*file, logs.last, flush_signature(clock))
        })?;
        self.each(recovered, |set, database| {
            let file = set.file_of(database)?;
            database.write_pages(fs, &*file, durability, progress)
        })?;
        logs.shut_down.write(fs)?;
        self.each(recovered, |set, database| {
            let file = set.file_of(database)?;
            database.finish(&*file)
        })?;
        logs.quit.write(fs)?;
        self.write_checkpoint(recovered)
    }

    fn each(
        &mut self,
        recovered: &RecoveredSet<'_>,
        mut step: impl FnMut(&mut Self, &RecoveredDatabase<'_>) -> JetResult<()>,
    ) -> JetResult<()> {
        for database in &recovered.databases {
            step(self, database).map_err(|error| error.in_file(&database.path))?;
        }
        Ok(())
    }

    /// The open file of a database; a new one is created and locked.
    fn file_of(&mut self, database: &RecoveredDatabase<'_>) -> JetResult<Arc<dyn File>> {
        if let Some(file) = self.files.get(&database.path) {
            return Ok(Arc::clone(file));
        }
        let file = database.open(self.fs)?;
        self.files.insert(database.path.clone(), Arc::clone(&file));
        Ok(file)
    }

    fn write_checkpoint(&self, recovered: &RecoveredSet<'_>) -> JetResult<()> {
        let Some(RecoveredCheckpoint { path, checkpoint }) = &recovered.checkpoint else {
            return Ok(());
        };
        match self.files.get(path) {
            Some(file) => write_checkpoint_to(&**file, checkpoint),
            None => write_checkpoint(self.fs, path, checkpoint),
        }
        .map_err(|error| error.in_file(path))
    }
}

/// A new `signDbHdrFlush`, by which the header that a journal belongs to is told from every other one.
fn flush_signature(clock: &dyn Clock) -> Signature {
    let now = clock.now();
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Signature {
        random: since_1970.subsec_nanos() ^ std::process::id().rotate_left(16),
        create: LogTime::from(now),
        computer: [0; 16],
    }
}

fn contradiction(what: &'static str) -> JetError {
    JetError::rule(JetErr::InternalError, what)
}
