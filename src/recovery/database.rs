//! A database while its log is replayed: its pages, what its header will say, and whether a record is still to be
//! applied to a page (log-and-recovery.md sections 6.3 and 6.4).

use super::databases::Now;
use super::pages::{Decision, PageChange, RedoPages};
use super::withheld::{Reason, Withheld};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::DBTIME_NIL;
use crate::format::{DatabaseHeader, DbState, LogPosition, LogTime, PageBuffer, PageSize, Signature};
use crate::store::{FoundPage, Overlay};
use std::path::PathBuf;

/// Pages that were cut off have this dbtime (section 0).
const DBTIME_SHRUNK: u64 = 0xFFFF_FFFF_FFFF_FFFD;
/// From here on dbtimes are marks of the revert snapshot.
const DBTIME_REVERT_FIRST: u64 = 0xFFFF_FFFF_FFFF_FFFB;
/// From this update on a header says where the file was last resized (`lgposLastResize`).
const LAST_RESIZE_UPDATE: u32 = 110;

/// A database of the set.
#[derive(Debug)]
pub(super) struct ReplayedDatabase {
    /// The file.
    pub(super) path: PathBuf,
    /// Its pages.
    pub(super) overlay: Overlay,
    /// The header in the file; `None` if the log makes the database.
    pub(super) original: Option<Box<DatabaseHeader>>,
    /// The header as it will be.
    pub(super) header: Box<DatabaseHeader>,
    /// Where it stands.
    pub(super) standing: Standing,
    /// Highest dbtime that was seen.
    pub(super) dbtime: u64,
    /// Highest object id that was seen.
    pub(super) objid_last: u32,
    /// Records that were passed over.
    pub(super) withheld: Withheld,
    /// Whether the file may show work of records that come later.
    pub(super) has_future: bool,
    /// The record that is being replayed.
    pub(super) position: LogPosition,
    /// Of the pages that were newer than a record, the newest one and its dbtime.
    pub(super) newest_page: (u32, u64),
}

/// Where a database stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// No record has concerned it yet.
    Untouched,
    /// Attached, by the record at this position.
    Attached {
        /// The record.
        at: LogPosition,
    },
    /// Detached cleanly.
    Detached,
}

impl ReplayedDatabase {
    /// The last position at which the file was resized; `None` if its format does not say.
    fn last_resize(&self) -> Option<LogPosition> {
        Some(self.header.last_resize).filter(|position| position.is_set())
    }

    fn keeps_last_resize(&self) -> bool {
        self.header.update_major >= LAST_RESIZE_UPDATE
    }

    /// A new generation begins.
    ///
    /// # Errors
    /// The required generations are done, and a page is still not what the records said.
    pub(super) fn enter_generation(&mut self, generation: u32) -> JetResult<()> {
        self.has_future = generation <= self.header.generation_max_required;
        if self.has_future {
            return Ok(());
        }
        self.check_explained()
    }

    /// Nothing may be left that only a later record could explain.
    ///
    /// # Errors
    /// That of the first page that is left; `JET_errDbTimeTooNew` where a page is newer than all records.
    pub(super) fn check_explained(&self) -> JetResult<()> {
        let Some((page, reason)) = self.withheld.first() else {
            return self.check_newest_page();
        };
        let what = "is not what this record expects, and no later record of the required logs explains why";
        let error = JetError::rule(reason.code, what).replaying(reason.first);
        Err(self.overlay.place(error, page))
    }

    /// With best effort: what is not explained is told, and then no longer in the way.
    pub(super) fn forget_doubts(&mut self) {
        self.withheld = Withheld::default();
        self.newest_page = (0, 0);
    }

    /// No page may be newer than all records. The log of a page is durable before the page is written (section 5.2): if
    /// it is not there, the logs have lost their end, and other pages that it would have changed are too old.
    fn check_newest_page(&self) -> JetResult<()> {
        let (page, dbtime) = self.newest_page;
        if dbtime <= self.dbtime {
            return Ok(());
        }
        let what = format!(
            "has dbtime {dbtime:#x}, but the records end with {:#x}: the logs have lost their end",
            self.dbtime
        );
        Err(self
            .overlay
            .place(JetError::rule(JetErr::DbTimeTooNew, what), page))
    }

    fn note_newer(&mut self, page: u32, dbtime: u64) {
        if dbtime > self.newest_page.1 && dbtime < DBTIME_REVERT_FIRST {
            self.newest_page = (page, dbtime);
        }
    }

    /// `ExtendDB`: the file is at least this long.
    pub(super) fn extend(&mut self, last: u32, position: LogPosition) {
        if last > self.overlay.last_page() {
            self.overlay.set_last_page(last);
        }
        self.note_resize(position);
    }

    /// `ShrinkDB`: the file is cut (section 6.6).
    pub(super) fn shrink(&mut self, last: u32, position: LogPosition) {
        self.withheld.remove_behind(last);
        let skip = match self.last_resize() {
            None => self.has_future,
            Some(resized) => resized > position,
        };
        if skip {
            return;
        }
        if last < self.overlay.last_page() {
            self.overlay.set_last_page(last);
        }
        self.note_resize(position);
    }

    /// `ShrinkDB3`: cut, or where the file was resized later, each page of the range that is older marked as cut off.
    ///
    /// # Errors
    /// A page of the range cannot be read.
    pub(super) fn shrink_at(
        &mut self,
        last: u32,
        count: u32,
        dbtime: u64,
        position: LogPosition,
    ) -> JetResult<()> {
        if self.last_resize().is_none_or(|resized| resized <= position) {
            self.shrink(last, position);
            return Ok(());
        }
        self.withheld.remove_behind(last);
        let end = last.saturating_add(count).min(self.overlay.last_page());
        for page in self.overlay.written(last.saturating_add(1), end) {
            let FoundPage::Page(found) = self.overlay.page(page)? else {
                continue;
            };
            if (1..dbtime).contains(&found.dbtime()) {
                self.overlay.page_to_change(page)?.set_dbtime(DBTIME_SHRUNK);
            }
        }
        Ok(())
    }

    fn note_resize(&mut self, position: LogPosition) {
        if self.keeps_last_resize() {
            self.header.last_resize = position;
        }
    }

    /// The database is consistent with everything before `position`: the header of a clean shutdown
    /// (section 6.8, step 6).
    ///
    /// # Errors
    /// A page is still not what the records said.
    pub(super) fn make_clean(&mut self, position: LogPosition, time: LogTime) -> JetResult<()> {
        self.check_explained()?;
        self.standing = Standing::Detached;
        if self.header.state == DbState::JustCreated {
            // Its creation was never finished: nobody can use it.
            return Ok(());
        }
        let resize = self.keeps_last_resize();
        let header = &mut self.header;
        header.state = DbState::CleanShutdown;
        (header.consistent, header.consistent_time) = (position, time);
        (header.detach, header.detach_time) = (position, time);
        if resize {
            header.last_resize = position;
        }
        header.dbtime_dirtied = header.dbtime_dirtied.max(self.dbtime);
        header.objid_last = header.objid_last.max(self.objid_last);
        header.generation_min_required = 0;
        header.generation_max_required = 0;
        header.generation_max_committed = 0;
        header.generation_min_consistent = 0;
        header.generation_recovering = 0;
        header.generation_max_create_time = LogTime::default();
        header.generation_max_required_time = LogTime::default();
        header.header_flush_signature = flush_signature(header);
        header.flush_map_flush_signature = Signature::default();
        Ok(())
    }

    /// A new database time.
    pub(super) fn next_dbtime(&mut self) -> u64 {
        self.dbtime = self.dbtime.saturating_add(1);
        self.dbtime
    }

    /// Whether a record at this position is one of the attachment.
    pub(super) fn concerns(&self, position: LogPosition) -> bool {
        matches!(self.standing, Standing::Attached { at } if position > at)
    }

    /// `CreateDBFinish`: from now on a crash leaves a database that can be recovered.
    pub(super) fn finish_creation(&mut self, now: Now) {
        if self.header.state != DbState::JustCreated {
            return;
        }
        let header = &mut self.header;
        header.state = DbState::DirtyShutdown;
        let generation = now.position.generation;
        header.generation_min_required = generation;
        header.generation_min_consistent = generation;
        header.generation_max_required = generation;
        header.generation_max_committed = generation;
        header.generation_max_create_time = now.generation_time;
    }

    /// The page, not to be changed.
    ///
    /// # Errors
    /// It is missing, blank or damaged.
    pub(super) fn look_at(&mut self, page: u32) -> JetResult<&PageBuffer> {
        let (code, what) = match self.overlay.page(page)? {
            FoundPage::Page(_) => return self.overlay.present(page),
            FoundPage::Blank => (JetErr::PageNotInitialized, "was never written"),
            FoundPage::BeyondEnd => (JetErr::FileIOBeyondEOF, "is beyond the end of the file"),
        };
        Err(self.overlay.place(JetError::rule(code, what), page))
    }

    /// A record for this page cannot be applied now; perhaps a later one explains it.
    fn withhold(&mut self, page: u32, code: JetErr, what: &'static str) -> JetResult<Decision> {
        let patched = self.header.state == DbState::DirtyAndPatchedShutdown;
        if !self.has_future && !patched {
            return Err(self.overlay.place(JetError::rule(code, what), page));
        }
        let first = self.position;
        self.withheld.add(page, Reason { code, first });
        Ok(Decision::Withheld)
    }
}

/// A new `signDbHdrFlush`, which the flush map beside the database does not know: the engine then makes a new map. The
/// same database at the same position gets the same one.
fn flush_signature(header: &DatabaseHeader) -> Signature {
    const BASIS: u32 = 0x811C_9DC5;
    const PRIME: u32 = 0x0100_0193;
    let identity = header.signature.to_bytes().into_iter();
    let bytes = identity
        .chain(header.consistent.to_bytes())
        .chain(header.dbtime_dirtied.to_le_bytes());
    Signature {
        random: bytes.fold(BASIS, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME)),
        create: header.consistent_time,
        ..Signature::default()
    }
}

impl RedoPages for ReplayedDatabase {
    fn page_size(&self) -> PageSize {
        self.overlay.page_size()
    }

    fn decide(&mut self, change: PageChange) -> JetResult<Decision> {
        let page = change.page;
        let dbtime = match self.overlay.page(page)? {
            FoundPage::Page(found) => found.dbtime(),
            FoundPage::Blank => {
                return self.withhold(page, JetErr::PageNotInitialized, "was never written");
            }
            FoundPage::BeyondEnd => {
                return self.withhold(page, JetErr::FileIOBeyondEOF, "is beyond the end of the file");
            }
        };
        if (DBTIME_REVERT_FIRST..=DBTIME_SHRUNK).contains(&dbtime) {
            return self.withhold(page, JetErr::RecoveryVerifyFailure, "was cut off or taken back");
        }
        if change.dbtime <= dbtime {
            if self.has_future {
                self.note_newer(page, dbtime);
                return Ok(Decision::Newer);
            }
            let what = format!(
                "has dbtime {dbtime:#x}, but this record, which is behind the required logs, only gives it {:#x}",
                change.dbtime
            );
            return Err(self
                .overlay
                .place(JetError::rule(JetErr::DbTimeBeyondMaxRequired, what), page));
        }
        if change.dbtime_before == DBTIME_NIL || change.dbtime_before == dbtime {
            return Ok(Decision::Apply);
        }
        if dbtime < change.dbtime_before {
            return self.withhold(
                page,
                JetErr::DbTimeTooOld,
                "is older than the record expects: a write was lost",
            );
        }
        let what = format!(
            "has dbtime {dbtime:#x} where the record expects {:#x}: something changed it that is not in these logs",
            change.dbtime_before
        );
        Err(self
            .overlay
            .place(JetError::rule(JetErr::DbTimeTooNew, what), page))
    }

    fn decide_new(&mut self, page: u32, dbtime: u64) -> JetResult<bool> {
        self.withheld.remove(page);
        if !self.has_future {
            return Ok(true);
        }
        let found = match self.overlay.page(page)? {
            FoundPage::Page(found) => found.dbtime(),
            FoundPage::Blank | FoundPage::BeyondEnd => return Ok(true),
        };
        self.note_newer(page, found);
        Ok(found < dbtime || found >= DBTIME_REVERT_FIRST)
    }

    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer> {
        self.overlay.page_to_change(page)
    }

    fn take(&mut self, page: u32) -> JetResult<PageBuffer> {
        self.overlay.take(page)
    }

    fn put(&mut self, page: PageBuffer) {
        self.overlay.put(page);
    }
}
