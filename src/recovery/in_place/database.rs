//! One database on its way from dirty to clean.

use super::page_journal::{PageJournal, set_len, sync, sync_names};
use super::page_runs::{PageRuns, file_len};
use super::{Durability, RecoveredDatabase, contradiction};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{DatabaseHeader, DbState, LogTime, Signature};
use crate::io::{File, FileSystem, LockKind, OpenMode};
use crate::store::{lock_file, read_database_header, read_database_header_page, write_database_header};
use std::io;
use std::sync::Arc;

impl RecoveredDatabase<'_> {
    /// Whether a power cut could leave it looking clean while it is not.
    pub(super) fn check(&self) -> JetResult<()> {
        let (one, other) = (self.header.page_size, self.clean_header.page_size);
        if one != other || (!self.is_created && !self.header.state.needs_recovery()) {
            return Err(contradiction("a database that changes must be dirty meanwhile"));
        }
        Ok(())
    }

    /// Opens the file and locks it; a database that is created gets a new file.
    pub(super) fn open(&self, fs: &dyn FileSystem) -> JetResult<Arc<dyn File>> {
        let file = match fs.open(&self.path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_created => {
                fs.open(&self.path, OpenMode::CreateNew)
            }
            other => other,
        };
        let file = file.map_err(|error| JetError::io("open", error))?;
        lock_file(&*file, LockKind::Exclusive, &self.path)?;
        sync_names(fs, &self.path)?;
        Ok(file)
    }

    /// Makes the header say that the file may have changes up to the generation `last`, or, of a database that is
    /// created, that it is not yet one.
    pub(super) fn prepare(&self, file: &dyn File, last: (u32, LogTime), flush: Signature) -> JetResult<()> {
        if self.is_created {
            return self.begin_creation(file);
        }
        write_database_header(file, &raised(&self.header, last, flush))
    }

    /// Writes the pages, and makes them durable.
    pub(super) fn write_pages(
        &self,
        fs: &dyn FileSystem,
        file: &dyn File,
        durability: Durability,
        progress: &mut dyn FnMut(u64),
    ) -> JetResult<()> {
        if self.is_created || durability == Durability::Copy {
            return self.write_directly(file, progress);
        }
        let header = read_database_header_page(file)?;
        let journal = PageJournal::write(fs, &self.path, &header, self.page_last, self.pages)?;
        journal.apply(file, progress)?;
        journal.remove(fs)
    }

    /// Makes the header what it is in the end.
    pub(super) fn finish(&self, file: &dyn File) -> JetResult<()> {
        write_database_header(file, &self.clean_header)
    }

    fn begin_creation(&self, file: &dyn File) -> JetResult<()> {
        let existing = read_database_header(file);
        if existing.is_ok_and(|header| header.state != DbState::JustCreated) {
            let what = "a database is in the way of the one that the logs create";
            return Err(JetError::rule(JetErr::DatabaseDuplicate, what));
        }
        let mut header = self.header.clone();
        header.state = DbState::JustCreated;
        // Nothing of an earlier attempt may show through where no page is written.
        set_len(file, file_len(0, header.page_size))?;
        write_database_header(file, &header)
    }

    fn write_directly(&self, file: &dyn File, progress: &mut dyn FnMut(u64)) -> JetResult<()> {
        let page_size = self.header.page_size;
        set_len(file, file_len(self.page_last, page_size))?;
        let mut runs = PageRuns::new(file, page_size, progress);
        self.pages.for_each(&mut |pgno, page| runs.push(pgno, page))?;
        runs.flush()?;
        sync(file)
    }
}

/// A header by which recovery needs the logs up to the generation `last` (log-and-recovery.md section 6.8, step 3).
fn raised(header: &DatabaseHeader, (generation, time): (u32, LogTime), flush: Signature) -> DatabaseHeader {
    let mut header = header.clone();
    if generation >= header.generation_max_committed {
        header.generation_max_committed = generation;
        header.generation_max_create_time = time;
    }
    if generation > header.generation_max_required {
        header.generation_max_required = generation;
        if header.generation_max_required_time.is_set() {
            header.generation_max_required_time = time;
        }
    }
    header.header_flush_signature = flush;
    header
}
