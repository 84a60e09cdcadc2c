//! From what a replay comes to, to what is written.

use super::RecoveredLogs;
use super::{ChangedPages, Durability, LockedSet, RecoveredCheckpoint, RecoveredDatabase, RecoveredSet};
use crate::error::{JetError, JetResult};
use crate::format::{AttachList, Checkpoint, DatabaseHeader, DbState, LogHeader, LogPosition, LogTime};
use crate::io::{Clock, FileSystem};
use crate::recovery::{self, InstanceFiles, LogTail, Replayed, Start};
use crate::store::log_writer::LogWrites;
use crate::store::{FrozenOverlay, read_checkpoint};
use std::path::{Path, PathBuf};

/// A replay that can be written.
#[derive(Debug)]
pub struct Writable {
    databases: Vec<WritableDatabase>,
    logs: RecoveredLogs,
    checkpoint: Option<RecoveredCheckpoint>,
}

#[derive(Debug)]
struct WritableDatabase {
    path: PathBuf,
    is_created: bool,
    pages: FrozenOverlay,
    dirty: DatabaseHeader,
    clean: DatabaseHeader,
}

impl Writable {
    /// Takes a replay's result: databases that do not change are left out. Nothing is written.
    ///
    /// # Errors
    /// A temporary file cannot be read or written.
    pub fn new(
        fs: &dyn FileSystem,
        files: &InstanceFiles,
        start: &Start,
        replayed: Replayed,
    ) -> JetResult<Self> {
        let last = (start.last.generation, start.last.create_time);
        let databases = replayed
            .databases
            .into_iter()
            .filter(recovery::Recovered::changes);
        let databases = databases.map(|database| WritableDatabase::new(database, last));
        let databases = databases.collect::<JetResult<Vec<_>>>()?;
        let (logs, checkpoint) = match replayed.tail {
            None => {
                let logs = RecoveredLogs {
                    last,
                    ..RecoveredLogs::default()
                };
                (logs, None)
            }
            Some(tail) => {
                let checkpoint = checkpoint(fs, files, &tail.header, tail.quit)?;
                (logs_of(tail, last), Some(checkpoint))
            }
        };
        Ok(Writable {
            databases,
            logs,
            checkpoint,
        })
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.checkpoint.is_none()
    }

    /// Bytes of pages that change.
    pub fn page_bytes(&self) -> u64 {
        let databases = self.databases.iter();
        let bytes = databases.map(|database| database.pages.count() * database.pages.page_size().bytes_u64());
        bytes.sum()
    }

    /// Bytes of pages and logs that are written; the journal of the pages is not counted.
    pub fn byte_count(&self) -> u64 {
        self.page_bytes() + self.logs.byte_count()
    }

    /// The pages of every database that changes, as they will be.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &FrozenOverlay> {
        self.databases.iter().map(|database| &database.pages)
    }

    /// Names of the logs and the checkpoint that are written.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        let writes = [&self.logs.undo, &self.logs.shut_down, &self.logs.quit];
        let logs = writes
            .into_iter()
            .flat_map(LogWrites::names)
            .map(Path::to_path_buf);
        let checkpoint = self.checkpoint.iter().map(|checkpoint| checkpoint.path.clone());
        logs.chain(checkpoint).collect()
    }

    /// Writes it, as [`LockedSet::write`] does.
    ///
    /// # Errors
    /// Those of [`LockedSet::write`].
    pub fn write(
        self,
        set: &mut LockedSet<'_>,
        durability: Durability,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> JetResult<()> {
        let databases = self.databases.iter().map(|database| RecoveredDatabase {
            path: database.path.clone(),
            is_created: database.is_created,
            page_last: database.pages.last_page(),
            pages: &database.pages,
            header: database.dirty.clone(),
            clean_header: database.clean.clone(),
        });
        let recovered = RecoveredSet {
            databases: databases.collect(),
            logs: self.logs,
            checkpoint: self.checkpoint,
        };
        set.write(&recovered, durability, clock, progress)
    }
}

impl WritableDatabase {
    fn new(database: recovery::Recovered, last: (u32, LogTime)) -> JetResult<Self> {
        let dirty = match database.original.as_deref() {
            Some(original) if original.state.needs_recovery() => original.clone(),
            original => attached(original, &database.header, last),
        };
        Ok(WritableDatabase {
            path: database.path,
            is_created: database.original.is_none(),
            pages: database.overlay.freeze()?,
            dirty,
            clean: *database.header,
        })
    }
}

impl ChangedPages for FrozenOverlay {
    fn count(&self) -> u64 {
        self.changed().filter(|pgno| *pgno <= self.last_page()).count() as u64
    }

    fn for_each(&self, take: &mut dyn FnMut(u32, &[u8]) -> JetResult<()>) -> JetResult<()> {
        let mut page = vec![0; self.page_size().bytes()];
        for pgno in self.changed().filter(|pgno| *pgno <= self.last_page()) {
            self.read_page(pgno, &mut page)?;
            take(pgno, &page)?;
        }
        Ok(())
    }
}

/// The header of a database that the logs attach and whose file does not know it yet: what the engine had written when
/// it attached it (log-and-recovery.md section 5.5).
fn attached(
    original: Option<&DatabaseHeader>,
    clean: &DatabaseHeader,
    (generation, time): (u32, LogTime),
) -> DatabaseHeader {
    let mut header = clean.clone();
    header.state = DbState::DirtyShutdown;
    (header.consistent, header.consistent_time) = original.map_or_else(Default::default, |original| {
        (original.consistent, original.consistent_time)
    });
    (header.detach, header.detach_time) = Default::default();
    header.generation_min_required = clean.attach.generation;
    header.generation_min_consistent = clean.attach.generation;
    header.generation_max_required = generation;
    header.generation_max_committed = generation;
    header.generation_max_create_time = time;
    header
}

fn logs_of(tail: LogTail, last: (u32, LogTime)) -> RecoveredLogs {
    RecoveredLogs {
        last: tail.undo.last_generation().unwrap_or(last),
        undo: tail.undo,
        shut_down: tail.shut_down,
        quit: tail.end,
    }
}

/// The checkpoint at the end of a recovery, with what the old one says about backups.
fn checkpoint(
    fs: &dyn FileSystem,
    files: &InstanceFiles,
    log: &LogHeader,
    quit: LogPosition,
) -> JetResult<RecoveredCheckpoint> {
    let path = match &files.checkpoint {
        Some(path) => path.clone(),
        None => files.system.join(format!("{}.{}", files.base, extension(files))),
    };
    let new = || Checkpoint::new(quit, log.signature, log.dbms_param.clone());
    let mut checkpoint = match read_checkpoint(fs, &path)? {
        Some(Ok(old)) if old.log_signature == log.signature => old,
        _ => new().map_err(|error| JetError::format(error).in_file(&path))?,
    };
    (checkpoint.checkpoint, checkpoint.database_consistency) = (quit, quit);
    checkpoint.attach_list = AttachList::default();
    checkpoint.flags &= !1;
    Ok(RecoveredCheckpoint { path, checkpoint })
}

/// `chk` beside logs that end in `log`, else `jcp` (section 1.1).
fn extension(files: &InstanceFiles) -> &'static str {
    let is_old = |path: &PathBuf| {
        path.extension()
            .is_some_and(|found| found.eq_ignore_ascii_case("log"))
    };
    match files.logs.values().next() {
        Some(log) if !is_old(&log.path) => "jcp",
        _ => "chk",
    }
}
