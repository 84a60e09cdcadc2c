//! A database file, opened for reading: the header to trust, and verified pages
//! (database-file.md sections 1.4, 3 and 12.1).

use super::page_cache::PageCache;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    BOTH_COPIES_LEN, DatabaseHeader, DbState, FormatError, HeaderCopy, OtherCopy, PageSize, Verified,
    VerifiedPage, choose_copy,
};
use crate::io::File;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of pages that a database keeps in memory.
const CACHE_BYTES: usize = 8 << 20;

/// A database file. Safe to share; it never writes.
#[derive(Debug)]
pub struct Database {
    file: Arc<dyn File>,
    path: PathBuf,
    header: DatabaseHeader,
    page_size: PageSize,
    used: HeaderCopy,
    other: OtherCopy,
    cache: PageCache,
    repaired: Mutex<BTreeSet<u32>>,
}

impl Database {
    /// Opens the database in `file`; `path` is what errors call it.
    ///
    /// # Errors
    /// Both copies of the header are damaged (`JET_errDatabaseCorrupted`), the version is not known
    /// (`JET_errInvalidDatabaseVersion`), or the file cannot be read.
    pub fn open(file: Arc<dyn File>, path: &Path) -> JetResult<Database> {
        let mut start = vec![0; BOTH_COPIES_LEN];
        let len = file
            .read_full_at(&mut start, 0)
            .map_err(|error| JetError::io("read", error).in_file(path))?;
        start.truncate(len);
        let in_header = |error| JetError::format(error).in_file(path).on_page(0);
        let chosen = choose_copy(&start).map_err(in_header)?;
        Ok(Database {
            file,
            path: path.to_path_buf(),
            header: chosen.header.decode().map_err(in_header)?,
            page_size: chosen.header.page_size(),
            used: chosen.used,
            other: chosen.other,
            cache: PageCache::new(CACHE_BYTES),
            repaired: Mutex::default(),
        })
    }

    /// What errors call the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header, from the copy that was trusted.
    pub fn header(&self) -> &DatabaseHeader {
        &self.header
    }

    /// Which copy of the header was trusted.
    pub fn header_copy(&self) -> HeaderCopy {
        self.used
    }

    /// The state of the other copy.
    pub fn other_header_copy(&self) -> &OtherCopy {
        &self.other
    }

    /// The page size.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The last page that the file has room for, owned or not; 0 if it has none.
    pub fn last_page_in_file(&self) -> JetResult<u32> {
        let stat = self
            .file
            .stat()
            .map_err(|error| JetError::io("stat", error).in_file(&self.path))?;
        let pages = (stat.len / self.page_size.bytes_u64()).saturating_sub(2);
        Ok(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// Reads and verifies page `pgno`. One wrong bit is repaired in what is returned, and noted.
    ///
    /// # Errors
    /// A damaged page (`JET_errReadVerifyFailure`), one that was never written (`JET_errPageNotInitialized`), or one
    /// that the file does not have (`JET_errFileIOBeyondEOF`).
    pub fn read_page(&self, pgno: u32) -> JetResult<Arc<VerifiedPage>> {
        if let Some(page) = self.cache.get(pgno) {
            return Ok(page);
        }
        let page = Arc::new(self.read_from_file(pgno)?);
        self.cache.put(&page);
        Ok(page)
    }

    /// Pages whose single wrong bit was repaired while reading.
    pub fn repaired_pages(&self) -> Vec<u32> {
        self.repaired.lock().iter().copied().collect()
    }

    /// `error`, found on page `pgno`, with its place.
    pub(crate) fn on_page(&self, pgno: u32, error: FormatError) -> JetError {
        self.place(JetError::format(error), pgno)
    }

    fn read_from_file(&self, pgno: u32) -> JetResult<VerifiedPage> {
        let mut bytes = vec![0; self.page_size.bytes()];
        let offset = self.page_size.offset_of(pgno);
        let len = self
            .file
            .read_full_at(&mut bytes, offset)
            .map_err(|error| self.place(JetError::io("read", error), pgno))?;
        if pgno == 0 {
            let error = JetError::rule(
                JetErr::DatabaseCorrupted,
                "a page refers to page 0, which does not exist",
            );
            return Err(self.explain(error));
        }
        if len < bytes.len() {
            let what = "the file ends before this page does";
            return Err(self.place(JetError::rule(JetErr::FileIOBeyondEOF, what), pgno));
        }
        let verified = VerifiedPage::verify(bytes, self.page_size, pgno);
        if let Ok(Verified::Repaired { bit, .. }) = &verified {
            tracing::warn!(file = %self.path.display(), page = pgno, bit, "one wrong bit repaired");
            self.repaired.lock().insert(pgno);
        }
        verified
            .and_then(Verified::initialised)
            .map_err(|error| self.on_page(pgno, error))
    }

    /// Says where `error` is: the file, and page `pgno` with its offset.
    pub(crate) fn place(&self, error: JetError, pgno: u32) -> JetError {
        self.explain(error)
            .on_page(pgno)
            .at_offset(self.page_size.offset_of(pgno))
    }

    /// Says which file `error` is in. While a database is dirty its pages are of different times, and pointers from one
    /// to another may lead nowhere: then that is the likely cause, not damage.
    pub(crate) fn explain(&self, error: JetError) -> JetError {
        let error = error.in_file(&self.path);
        let follows_from_dirty_state = matches!(
            error.code(),
            JetErr::DatabaseCorrupted
                | JetErr::PageNotInitialized
                | JetErr::LVCorrupted
                | JetErr::FileIOBeyondEOF
        );
        let is_dirty = matches!(
            self.header.state,
            DbState::DirtyShutdown | DbState::DirtyAndPatchedShutdown
        );
        if follows_from_dirty_state && is_dirty {
            error.advise(
                "The database was not shut down cleanly; replay its logs before its contents are relied on.",
            )
        } else {
            error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FileSystem, OpenMode, RealFileSystem};

    fn sample(name: &str) -> Option<Database> {
        let path = crate::genuine_samples::sample(name)?;
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        Some(Database::open(file, &path).unwrap())
    }

    #[test]
    fn the_last_owned_page_comes_from_the_system_root() {
        if let Some(database) = sample("esedb-4k/basic.edb") {
            assert_eq!(database.last_owned_page().unwrap(), 254);
            assert_eq!(database.last_page_in_file().unwrap(), 254);
        }
    }

    #[test]
    fn a_page_that_the_file_does_not_have_is_an_error_with_its_place() {
        if let Some(database) = sample("esedb-4k/basic.edb") {
            let error = database.read_page(255).unwrap_err();
            assert_eq!(error.code(), JetErr::FileIOBeyondEOF);
            assert_eq!(error.place().page, Some(255));
            assert_eq!(
                database.read_page(0).unwrap_err().code(),
                JetErr::DatabaseCorrupted
            );
        }
    }
}
