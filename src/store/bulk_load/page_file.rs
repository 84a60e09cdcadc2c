//! The file that is being written: hands out page numbers from the front, writes pages where they belong.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{PageFlags, PageIdentity, PageSize, PageWriter};
use crate::io::File;
use std::sync::Arc;

/// Page numbers stay below `pgnoSysMax` (database-file.md section 10).
const PGNO_MAX: u32 = 0x7fef_fffe;

/// A database file that grows.
#[derive(Debug)]
pub(super) struct PageFile {
    file: Arc<dyn File>,
    size: PageSize,
    last: u32,
    dbtime: u64,
}

/// A tree's name on its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TreeIdentity {
    /// Root page (FDP).
    pub(super) root: u32,
    pub(super) objid: u32,
    /// Kind: index, long value, non-unique keys; empty for a table.
    pub(super) kind: PageFlags,
}

impl PageFile {
    /// `reserved` pages at the front are placed by the caller; every page carries `dbtime`.
    pub(super) fn new(file: Arc<dyn File>, size: PageSize, reserved: u32, dbtime: u64) -> Self {
        PageFile {
            file,
            size,
            last: reserved,
            dbtime,
        }
    }

    pub(super) fn size(&self) -> PageSize {
        self.size
    }

    pub(super) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    /// The last page handed out.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Hands out `count` pages in a row; returns the first.
    pub(super) fn allocate(&mut self, count: u32) -> JetResult<u32> {
        let last = self
            .last
            .checked_add(count)
            .filter(|&last| last <= PGNO_MAX)
            .ok_or_else(|| JetError::rule(JetErr::OutOfDatabaseSpace, "no page numbers are left"))?;
        let first = self.last + 1;
        self.last = last;
        Ok(first)
    }

    /// Completes and writes a page of `tree`.
    pub(super) fn write(
        &self,
        page: PageWriter,
        pgno: u32,
        tree: TreeIdentity,
        place: PageFlags,
        links: (u32, u32),
    ) -> JetResult<()> {
        let identity = PageIdentity {
            objid: tree.objid,
            flags: tree.kind | place,
            dbtime: self.dbtime,
        };
        let bytes = page.finish(pgno, identity, links.0, links.1);
        self.file
            .write_all_at(&bytes, self.size.offset_of(pgno))
            .map_err(|error| JetError::io("write a page", error).on_page(pgno))
    }
}
