//! Files at rest as a source of backups: begun as a frozen backup, so that everything is known and nothing changes.

use super::database_pages::DatabasePages;
use super::inventory::{DatabaseEntry, Entry, Inventory, LogEntry};
use crate::backup::{
    BackupFile, BeginGrbit, Ending, FileRole, Findings, LogRange, LogSet, Source, SourceFile,
};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{LogBody, PageSize};
use crate::io::{File, FileSystem, LockKind, OpenMode};
use crate::source::verified::{
    BlockFile, Blocks, LogRanges, LogSegments, Standing, Unjudged, VerifyingFile, WatchedFile,
};
use crate::store::lock_file;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// How files at rest are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtRestOptions {
    /// Hold shared locks on databases and checkpoints, so that no engine opens them meanwhile.
    pub lock: bool,
    /// Deliver damaged pages as they are, instead of refusing them.
    pub allow_damaged: bool,
    /// Let the kernel read verified files by itself: the user vouches that nobody writes to them.
    pub trust_source: bool,
}

impl Default for AtRestOptions {
    fn default() -> Self {
        AtRestOptions {
            lock: true,
            allow_damaged: false,
            trust_source: false,
        }
    }
}

/// A source of files at rest.
#[derive(Debug)]
pub struct AtRestSource {
    fs: Arc<dyn FileSystem>,
    inventory: Inventory,
    options: AtRestOptions,
    findings: Arc<Findings>,
    standings: BTreeMap<OsString, Arc<Standing>>,
    /// Descriptors that hold the locks, from begin to end.
    locked: Mutex<Vec<Arc<dyn File>>>,
}

/// What an entry's contents are to the reader.
enum Contents<'a> {
    Database(&'a DatabaseEntry),
    Log(&'a LogEntry),
    Other,
}

impl AtRestSource {
    /// A source of the files that were found. Nothing is opened before [`Source::begin`].
    pub fn new(fs: Arc<dyn FileSystem>, inventory: Inventory, options: AtRestOptions) -> Self {
        let standings = inventory
            .entries()
            .map(|entry| (entry.file.name.clone(), Arc::default()))
            .collect();
        AtRestSource {
            fs,
            inventory,
            options,
            findings: Arc::default(),
            standings,
            locked: Mutex::default(),
        }
    }

    /// What was found.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// How it is read.
    pub fn options(&self) -> AtRestOptions {
        self.options
    }

    fn check_headers(&self) -> JetResult<()> {
        if self.options.allow_damaged {
            return Ok(());
        }
        for database in &self.inventory.databases {
            if let Err(error) = &database.facts {
                return Err(JetError::format(error.clone()).in_file(&database.entry.file.path));
            }
        }
        Ok(())
    }

    fn lock_all(&self) -> JetResult<Vec<Arc<dyn File>>> {
        let is_locked = |entry: &&Entry| matches!(entry.file.role, FileRole::Database | FileRole::Checkpoint);
        self.inventory
            .entries()
            .filter(is_locked)
            .map(|entry| self.lock(entry))
            .collect()
    }

    fn lock(&self, entry: &Entry) -> JetResult<Arc<dyn File>> {
        let path = &entry.file.path;
        let failed = |operation| move |error| JetError::io(operation, error).in_file(path);
        let file = self.fs.open(path, OpenMode::ReadOnly).map_err(failed("open"))?;
        lock_file(&*file, LockKind::Shared, path).map_err(|error| match error.code() {
            JetErr::DatabaseInUse => error.advise(
                "Stop the program that uses it, or copy the files; --no-lock reads them as they change.",
            ),
            _ => error.advise("Read without locks: --no-lock."),
        })?;
        Ok(file)
    }

    fn find(&self, name: &OsStr) -> Option<(&Entry, Contents<'_>)> {
        let database = self
            .inventory
            .databases
            .iter()
            .find(|database| database.entry.file.name == name);
        if let Some(database) = database {
            return Some((&database.entry, Contents::Database(database)));
        }
        if let Some(log) = self.inventory.logs().find(|log| log.entry.file.name == name) {
            return Some((&log.entry, Contents::Log(log)));
        }
        let other = self.inventory.entries().find(|entry| entry.file.name == name)?;
        Some((other, Contents::Other))
    }

    /// The file of an entry, to be read as long as it does not change.
    pub(in crate::source) fn watch(&self, entry: &Entry) -> JetResult<WatchedFile> {
        let standing = self.standings.get(&entry.file.name).cloned().unwrap_or_default();
        WatchedFile::open(&*self.fs, &entry.file, entry.stat, &self.findings, &standing)
    }

    fn open_database(&self, file: WatchedFile, database: &DatabaseEntry) -> JetResult<Arc<dyn BackupFile>> {
        match &database.facts {
            Ok(facts) => {
                let pages = DatabasePages::new(facts, file.len(), self.options.allow_damaged);
                Ok(self.verifying(file, pages, facts.header.page_size))
            }
            Err(_) if self.options.allow_damaged => Ok(self.verifying(file, Unjudged, PageSize::Kib4)),
            Err(error) => Err(JetError::format(error.clone()).in_file(file.path())),
        }
    }

    fn open_log(&self, file: WatchedFile, log: &LogEntry) -> JetResult<Arc<dyn BackupFile>> {
        let (page_size, allow_damaged) = (self.page_size_of(log), self.options.allow_damaged);
        match &log.header {
            Ok(header) if header.body() == Ok(LogBody::ChecksumRecords) => {
                let ranges = LogRanges::scan(&file, header, allow_damaged)?;
                Ok(self.verifying(file, ranges, page_size))
            }
            header => {
                let segments = LogSegments::new(file.len(), header, allow_damaged);
                Ok(self.verifying(file, segments, page_size))
            }
        }
    }

    fn page_size_of(&self, log: &LogEntry) -> PageSize {
        let stored = log
            .header
            .as_ref()
            .ok()
            .and_then(|header| header.page_size().ok());
        stored.unwrap_or(PageSize::Kib4)
    }

    fn verifying<B: Blocks + 'static>(
        &self,
        file: WatchedFile,
        blocks: B,
        size: PageSize,
    ) -> Arc<dyn BackupFile> {
        Arc::new(VerifyingFile::new(file, blocks, size, self.options.trust_source))
    }
}

impl Source for AtRestSource {
    /// Frozen only: nothing is written down in a source at rest, so there is nothing to stream.
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        if !grbit.contains(BeginGrbit::SNAPSHOT) {
            return Err(JetError::rule(
                JetErr::InvalidGrbit,
                "files at rest are backed up frozen",
            ));
        }
        self.check_headers()?;
        if self.options.lock {
            *self.locked.lock() = self.lock_all()?;
        }
        Ok(())
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        let databases = self.inventory.databases.iter();
        Ok(databases.map(|database| database.entry.file.clone()).collect())
    }

    /// The range is told only where it has no gaps: at rest nothing is asked for that is not there.
    fn prepare_logs(&self) -> JetResult<LogSet> {
        let main = self.inventory.sequences.first();
        Ok(LogSet {
            base: main.map_or_else(String::new, |sequence| sequence.base.clone()),
            range: main
                .filter(|sequence| sequence.gaps().is_empty())
                .and_then(|sequence| sequence.range()),
            files: self
                .inventory
                .entries_but_databases()
                .map(|entry| entry.file.clone())
                .collect(),
        })
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        let (entry, contents) = self
            .find(&file.name)
            .ok_or_else(|| JetError::rule(JetErr::FileNotFound, "not one of the files at rest"))?;
        let watched = self.watch(entry)?;
        match contents {
            Contents::Database(database) => self.open_database(watched, database),
            Contents::Log(log) => self.open_log(watched, log),
            Contents::Other => Ok(self.verifying(watched, Unjudged, PageSize::Kib4)),
        }
    }

    fn truncatable(&self, _copied: &[OsString]) -> JetResult<Option<LogRange>> {
        Err(never_written())
    }

    fn truncate(&self, _range: LogRange) -> JetResult<()> {
        Err(never_written())
    }

    fn end(&self, _ending: &Ending) -> JetResult<()> {
        self.locked.lock().clear();
        Ok(())
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

fn never_written() -> JetError {
    JetError::rule(
        JetErr::InvalidBackupSequence,
        "files at rest are never written to or deleted",
    )
}
