//! Pages written to a database in long runs.

use super::contradiction;
use crate::error::{JetError, JetResult};
use crate::format::PageSize;
use crate::format::checksum::{PageState, check_page};
use crate::io::File;

/// Bytes that are written at once, at most.
const RUN_LEN: usize = 1 << 20;

/// Gathers pages that lie one after the other and writes them together.
pub(super) struct PageRuns<'f> {
    file: &'f dyn File,
    page_size: PageSize,
    progress: &'f mut dyn FnMut(u64),
    first: u32,
    next: u32,
    run: Vec<u8>,
}

impl<'f> PageRuns<'f> {
    pub(super) fn new(file: &'f dyn File, page_size: PageSize, progress: &'f mut dyn FnMut(u64)) -> Self {
        PageRuns {
            file,
            page_size,
            progress,
            first: 0,
            next: 0,
            run: Vec::new(),
        }
    }

    /// Takes a page that [`check`] accepts.
    pub(super) fn push(&mut self, pgno: u32, page: &[u8]) -> JetResult<()> {
        check(pgno, page, self.page_size)?;
        self.push_checked(pgno, page)
    }

    /// Takes a page that [`check`] has accepted.
    pub(super) fn push_checked(&mut self, pgno: u32, page: &[u8]) -> JetResult<()> {
        if pgno != self.next || self.run.len() + page.len() > RUN_LEN {
            self.flush()?;
            self.first = pgno;
        }
        self.run.extend_from_slice(page);
        self.next = pgno.saturating_add(1);
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> JetResult<()> {
        let offset = offset_of(self.first, self.page_size);
        self.file
            .write_all_at(&self.run, offset)
            .map_err(|error| JetError::io("write", error).at_offset(offset))?;
        (self.progress)(self.run.len() as u64);
        self.run.clear();
        Ok(())
    }
}

/// Refuses a page whose checksums are not right: it would be damage.
pub(super) fn check(pgno: u32, page: &[u8], page_size: PageSize) -> JetResult<()> {
    let is_whole = pgno > 0
        && page.len() == page_size.bytes()
        && matches!(
            check_page(page, page_size, pgno),
            PageState::Good | PageState::Uninitialised
        );
    if is_whole {
        return Ok(());
    }
    Err(contradiction("a page to be written has no right checksum").on_page(pgno))
}

/// The length of a database whose last page is `page_last`.
pub(super) fn file_len(page_last: u32, page_size: PageSize) -> u64 {
    offset_of(page_last, page_size) + page_size.bytes() as u64
}

fn offset_of(pgno: u32, page_size: PageSize) -> u64 {
    (u64::from(pgno) + 1) * page_size.bytes() as u64
}
