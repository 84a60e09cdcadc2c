//! The pages of a recovered database, for readers: the file below and what is changed over it.

use crate::error::{JetError, JetResult};
use crate::format::bytes::put;
use crate::format::checksum::{PageState, repair_page};
use crate::format::{FormatError, PageSize, Problem, Structure, VerifiedPage};
use crate::io::File;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pages of a database after its recovery. Safe to share.
#[derive(Debug)]
pub struct FrozenOverlay {
    pub(super) base: Option<Arc<dyn File>>,
    pub(super) path: PathBuf,
    pub(super) page_size: PageSize,
    pub(super) last_in_base: u32,
    pub(super) last: u32,
    /// The pages that are not as the file has them.
    pub(super) pages: BTreeMap<u32, Place>,
    pub(super) spilled: Option<Arc<dyn File>>,
}

/// Where a changed page is.
#[derive(Debug)]
pub(super) enum Place {
    /// In memory.
    Memory(VerifiedPage),
    /// Offset in the temporary file.
    Spilled(u64),
    /// Never written since it was cut off, while the file still has what it was before.
    Blank,
}

impl FrozenOverlay {
    /// What errors call the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The page size.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The last page of the database.
    pub fn last_page(&self) -> u32 {
        self.last
    }

    /// Bytes of the whole file, both headers included.
    pub fn file_len(&self) -> u64 {
        (u64::from(self.last) + 2) * self.page_size.bytes_u64()
    }

    /// The pages that are not as the file has them, ascending.
    pub fn changed(&self) -> impl Iterator<Item = u32> + '_ {
        self.pages.keys().copied()
    }

    /// Whether the page is another one than the file has.
    pub fn is_changed(&self, pgno: u32) -> bool {
        self.pages.contains_key(&pgno)
    }

    /// The file below, for pages that did not change and that [`in_base`](Self::in_base) says are there.
    pub fn base(&self) -> Option<&Arc<dyn File>> {
        self.base.as_ref()
    }

    /// Whether the page is read from the file below.
    pub fn in_base(&self, pgno: u32) -> bool {
        pgno <= self.last_in_base && self.base.is_some() && !self.is_changed(pgno)
    }

    /// Fills `page` with the page: right checksum, or all zero where nothing was ever written.
    ///
    /// # Errors
    /// The page in the file is damaged (`JET_errReadVerifyFailure`), or a file cannot be read.
    pub fn read_page(&self, pgno: u32, page: &mut [u8]) -> JetResult<()> {
        let place = |error: JetError| {
            error
                .in_file(&self.path)
                .on_page(pgno)
                .at_offset(self.page_size.offset_of(pgno))
        };
        let read = |file: &dyn File, page: &mut [u8], offset| {
            let read = file.read_exact_at(page, offset);
            read.map_err(|error| place(JetError::io("read", error)))
        };
        match (self.pages.get(&pgno), &self.spilled, &self.base) {
            (Some(Place::Memory(changed)), _, _) => {
                put(page, 0, changed.bytes());
                return Ok(());
            }
            (Some(Place::Spilled(offset)), Some(file), _) => read(file.as_ref(), page, *offset)?,
            (None, _, Some(base)) if pgno <= self.last_in_base => {
                read(base.as_ref(), page, self.page_size.offset_of(pgno))?;
            }
            _ => {
                page.fill(0);
                return Ok(());
            }
        }
        match repair_page(page, self.page_size, pgno) {
            PageState::Good | PageState::Correctable { .. } | PageState::Uninitialised => Ok(()),
            PageState::Damaged { stored, computed } => {
                let problem = Problem::Checksum { stored, computed };
                let error = FormatError::new(Structure::Page, 0, problem);
                Err(place(JetError::format(error)))
            }
        }
    }
}
