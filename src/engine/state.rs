//! A database that is attached: its file, and behind one lock its pages and versions.
//!
//! Whoever looks at pages holds the lock for one operation, never while a page is read from the file: where one is
//! missing, [`AttachedDatabase::read`] gives the lock back, reads the page, and has the operation look again.

use super::catalog::CatalogState;
use super::pages::Pages;
use super::session_ids::SessionIds;
use super::shared::Shared;
use super::versions::{VersionOf, Versions};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{FormatError, PageBuffer, PageSize, Verified, VerifiedPage};
use crate::io::File;
use hashbrown::HashMap;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A database that is attached to an instance.
#[derive(Debug)]
pub(crate) struct AttachedDatabase {
    /// `dbid`, 1 to 6.
    pub(crate) dbid: u8,
    pub(crate) path: PathBuf,
    pub(crate) page_size: PageSize,
    pub(crate) file: Arc<dyn File>,
    state: RwLock<DatabaseState>,
    /// See [`CatalogState::changes`].
    schema_changes: Arc<AtomicU64>,
    /// It was detached: who still has it can do nothing with it.
    is_closed: AtomicBool,
}

/// Dbtimes from here on are marks, not times (log-and-recovery.md section 0).
const DBTIME_MARKS: u64 = 0xFFFF_FFFF_FFFF_FFFB;

/// Versions that are dropped under one lock, or those of one transaction, if they are more: others wait meanwhile.
const VERSIONS_AT_ONCE: usize = 256;

/// Pages that an operation needs together, often: the way from a root to a leaf and its neighbour.
const KEPT: usize = 8;

/// What changes while a database is attached.
#[derive(Debug)]
pub(crate) struct DatabaseState {
    pub(crate) pages: Pages,
    pub(crate) versions: Versions,
    /// What is known of tables, and what transactions do to them.
    pub(crate) catalog: CatalogState,
    /// Nodes that have the delete flag and may be removed when everybody sees that: deletions that were committed, and
    /// insertions that were undone.
    pub(crate) deleted: VecDeque<VersionOf>,
    /// Nodes to whose numbers something was added, or from which it was taken back: long values to which nobody refers
    /// any more, and records that are to go at zero, may be among them.
    pub(crate) added_to: VecDeque<VersionOf>,
    /// The last leaf of a tree, by its root, where something was inserted behind all nodes: who inserts in the order of
    /// keys need not descend again. It may have become another page meanwhile.
    pub(crate) last_leaves: HashMap<u32, u32>,
    /// Of the last change of a page.
    pub(crate) dbtime: u64,
    /// The last `objid` that was given to a tree.
    pub(crate) last_objid: u32,
    /// The last page that the file has room for.
    pub(crate) last_page: u32,
}

/// Why an operation on pages did not come to an end.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// This page is not in memory: read it, and begin again.
    Missing(u32),
    /// It failed.
    Failed(JetError),
}

/// What looking at pages answers.
pub(crate) type Look<T> = Result<T, Interrupted>;

impl From<JetError> for Interrupted {
    fn from(error: JetError) -> Self {
        Interrupted::Failed(error)
    }
}

impl From<FormatError> for Interrupted {
    fn from(error: FormatError) -> Self {
        Interrupted::Failed(error.into())
    }
}

impl DatabaseState {
    /// Of a file that has no pages yet.
    pub(crate) fn new(pages: Pages) -> Self {
        DatabaseState {
            pages,
            versions: Versions::default(),
            catalog: CatalogState::default(),
            deleted: VecDeque::new(),
            added_to: VecDeque::new(),
            last_leaves: HashMap::new(),
            dbtime: 0,
            last_objid: 0,
            last_page: 0,
        }
    }

    /// A page.
    ///
    /// # Errors
    /// It is not in memory.
    pub(crate) fn page(&self, pgno: u32) -> Look<&Arc<PageBuffer>> {
        self.pages.get(pgno).ok_or(Interrupted::Missing(pgno))
    }

    /// A page was read. A few genuine databases have pages beyond the dbtime that their header says.
    fn note_dbtime(&mut self, page: &PageBuffer) {
        let dbtime = page.dbtime();
        if dbtime > self.dbtime && dbtime < DBTIME_MARKS {
            self.dbtime = dbtime;
        }
    }

    /// Drops versions of some transactions that everybody sees who sees what was committed up to `oldest_snapshot`.
    /// Returns whether there may be more.
    pub(crate) fn drop_versions(&mut self, oldest_snapshot: u64) -> bool {
        let mut count = 0;
        while count < VERSIONS_AT_ONCE {
            let Some(dropped) = self.versions.drop_seen(oldest_snapshot) else {
                return false;
            };
            count += dropped.count;
            self.deleted.extend(dropped.deleted);
            self.added_to.extend(dropped.added);
        }
        true
    }

    /// The dbtime of the next change.
    pub(crate) fn next_dbtime(&mut self) -> u64 {
        self.last_of_dbtimes(1)
    }

    /// The last of `count` dbtimes: those of a record in whose redo the genuine engine dirties pages so many times, and
    /// takes a dbtime each. Its counter would be ahead of the log otherwise, and a page that a later split makes would
    /// look to it as if the split were done.
    pub(crate) fn last_of_dbtimes(&mut self, count: u64) -> u64 {
        self.dbtime += count;
        self.dbtime
    }
}

impl AttachedDatabase {
    /// A database whose file is open.
    pub(crate) fn new(
        dbid: u8,
        path: PathBuf,
        page_size: PageSize,
        file: Arc<dyn File>,
        state: DatabaseState,
    ) -> Self {
        AttachedDatabase {
            dbid,
            path,
            page_size,
            file,
            schema_changes: state.catalog.changes(),
            state: RwLock::new(state),
            is_closed: AtomicBool::new(false),
        }
    }

    /// `procid` of the database's own session, whose transactions begin and end under one lock of the state: sessions
    /// that are begun have other numbers, from 7 on.
    pub(crate) fn own_session(&self) -> u16 {
        SessionIds::of_database(self.dbid)
    }

    /// As long as this is the same, a transaction sees the same tables.
    pub(crate) fn schema_changes(&self) -> u64 {
        self.schema_changes.load(Ordering::Acquire)
    }

    /// Has an operation look at pages, from the beginning again each time that one had to be read.
    ///
    /// # Errors
    /// Those of `look`; a page cannot be read.
    pub(crate) fn read<T>(&self, mut look: impl FnMut(&DatabaseState) -> Look<T>) -> JetResult<T> {
        // It may need more pages at once than there should be in memory: with each one that was missing, more stay.
        let mut kept = KEPT;
        loop {
            let state = self.state.read();
            self.check_open()?;
            let missing = match look(&state) {
                Ok(answer) => return Ok(answer),
                Err(Interrupted::Failed(error)) => return Err(error.in_file(&self.path)),
                Err(Interrupted::Missing(pgno)) => pgno,
            };
            let drops = state.pages.drops();
            drop(state);
            self.fetch(missing, drops, kept)?;
            kept += 1;
        }
    }

    /// The state, only to be looked at: for what needs no page that may be missing.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, DatabaseState> {
        self.state.read()
    }

    /// The state, to be changed.
    ///
    /// # Errors
    /// The instance has stopped; the database was detached; there is no room for pages (`JET_errOutOfMemory`).
    pub(crate) fn write(&self, shared: &Shared) -> JetResult<RwLockWriteGuard<'_, DatabaseState>> {
        shared.check()?;
        shared.wait_for_room()?;
        self.write_to_end(shared)
    }

    /// The state, to be changed by what must be possible when the service was stopped, and when there is no room:
    /// rollbacks, clean-up, and what makes room.
    ///
    /// # Errors
    /// The instance has stopped because of a failure; the database was detached.
    pub(crate) fn write_to_end(&self, shared: &Shared) -> JetResult<RwLockWriteGuard<'_, DatabaseState>> {
        shared.check_works()?;
        let mut state = self.state.write();
        self.check_open()?;
        state.pages.make_room();
        Ok(state)
    }

    /// Lets nobody change it any more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether it is still attached.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Acquire)
    }

    fn check_open(&self) -> JetResult<()> {
        if self.is_open() {
            return Ok(());
        }
        Err(JetError::rule(JetErr::DatabaseNotFound, "was detached").in_file(&self.path))
    }

    /// The state, whether or not the instance works: to end it.
    pub(crate) fn write_anyway(&self) -> RwLockWriteGuard<'_, DatabaseState> {
        self.state.write()
    }

    /// Has an operation that will change pages look at them first, reading those that are missing under the lock.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn look_in<T>(
        &self,
        state: &mut DatabaseState,
        mut look: impl FnMut(&DatabaseState) -> Look<T>,
    ) -> JetResult<T> {
        loop {
            match look(state) {
                Ok(answer) => return Ok(answer),
                Err(Interrupted::Failed(error)) => return Err(error.in_file(&self.path)),
                Err(Interrupted::Missing(pgno)) => self.load(state, pgno)?,
            }
        }
    }

    /// Reads a page into memory, unless it is there.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or was never written.
    pub(crate) fn load(&self, state: &mut DatabaseState, pgno: u32) -> JetResult<()> {
        if state.pages.peek(pgno).is_none() {
            let page = self.read_page(pgno)?;
            state.note_dbtime(&page);
            state.pages.put(page);
        }
        Ok(())
    }

    /// `error`, found on page `pgno`, with its place.
    pub(crate) fn place(&self, error: JetError, pgno: u32) -> JetError {
        error
            .in_file(&self.path)
            .on_page(pgno)
            .at_offset(self.page_size.offset_of(pgno))
    }

    fn fetch(&self, pgno: u32, mut drops: u64, kept: usize) -> JetResult<()> {
        loop {
            let page = self.read_page(pgno)?;
            let mut state = self.state.write();
            state.note_dbtime(&page);
            if state.pages.put_read(page, drops) {
                state.pages.make_room_around(kept);
                return Ok(());
            }
            drops = state.pages.drops();
        }
    }

    fn read_page(&self, pgno: u32) -> JetResult<PageBuffer> {
        if pgno == 0 {
            let what = "a page refers to page 0, which does not exist";
            return Err(JetError::rule(JetErr::DatabaseCorrupted, what).in_file(&self.path));
        }
        let mut bytes = vec![0; self.page_size.bytes()];
        let read = self
            .file
            .read_exact_at(&mut bytes, self.page_size.offset_of(pgno));
        read.map_err(|error| self.place(JetError::io("read", error), pgno))?;
        let verified = VerifiedPage::verify(bytes, self.page_size, pgno);
        match verified.map_err(|error| self.place(JetError::format(error), pgno))? {
            Verified::Good(page) => Ok(page.into()),
            Verified::Repaired { page, bit } => {
                tracing::warn!(file = %self.path.display(), page = pgno, bit, "one wrong bit repaired");
                Ok(page.into())
            }
            Verified::Uninitialised => {
                let what = "is used, but was never written";
                Err(self.place(JetError::rule(JetErr::PageNotInitialized, what), pgno))
            }
        }
    }
}
