//! A page that is being changed: nodes come, go and grow (database-file.md sections 2.1 to 2.5).
//!
//! ```text
//! file ── VerifiedPage ──> PageBuffer ── insert, delete, replace … ──> into_verified ──> file
//! ```
//!
//! The checksum is that of the last verification until [`PageBuffer::into_verified`] stamps a new one.

use super::bytes::put;
use super::checksum::stamp_page;
use super::error::FormatError;
use super::page::{Page, PageFlags, PageHeader, offset};
use super::page_size::PageSize;
use super::verified_page::VerifiedPage;

/// The bytes of a page that may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageBuffer {
    bytes: Box<[u8]>,
    size: PageSize,
    pgno: u32,
}

impl PageBuffer {
    /// A blank page: all zero but for its number.
    pub fn blank(size: PageSize, pgno: u32) -> Self {
        let mut bytes = vec![0; size.bytes()].into_boxed_slice();
        if !size.is_small() {
            put(&mut bytes, offset::PGNO, &pgno.to_le_bytes());
        }
        PageBuffer { bytes, size, pgno }
    }

    /// The page size.
    pub fn size(&self) -> PageSize {
        self.size
    }

    /// The page number.
    pub fn pgno(&self) -> u32 {
        self.pgno
    }

    /// The bytes; the checksum in them may be old.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A view of header and nodes.
    ///
    /// # Errors
    /// The tag array is not inside of the page.
    pub fn view(&self) -> Result<Page<'_>, FormatError> {
        Page::new(self.size, self.pgno, &self.bytes)
    }

    /// The header, without the checksums.
    ///
    /// # Errors
    /// None in practice: a page is longer than its header.
    pub fn header(&self) -> Result<PageHeader, FormatError> {
        Ok(self.view()?.header)
    }

    /// `dbtimeDirtied`.
    pub fn dbtime(&self) -> u64 {
        self.header().map_or(0, |header| header.dbtime)
    }

    /// Sets `dbtimeDirtied`.
    pub fn set_dbtime(&mut self, dbtime: u64) {
        put(&mut self.bytes, offset::DBTIME, &dbtime.to_le_bytes());
    }

    /// Sets `pgnoPrev`.
    pub fn set_prev(&mut self, pgno: u32) {
        put(&mut self.bytes, offset::PREV, &pgno.to_le_bytes());
    }

    /// Sets `pgnoNext`.
    pub fn set_next(&mut self, pgno: u32) {
        put(&mut self.bytes, offset::NEXT, &pgno.to_le_bytes());
    }

    /// Sets `fFlags`.
    pub fn set_flags(&mut self, flags: PageFlags) {
        put(&mut self.bytes, offset::FLAGS, &flags.bits().to_le_bytes());
    }

    /// Stamps the checksum; what is returned is a page that a reader accepts.
    pub fn into_verified(mut self) -> VerifiedPage {
        stamp_page(&mut self.bytes, self.size, self.pgno);
        VerifiedPage::of_stamped(self.bytes, self.size, self.pgno)
    }
}

impl From<VerifiedPage> for PageBuffer {
    fn from(page: VerifiedPage) -> Self {
        let (size, pgno) = (page.size(), page.pgno());
        PageBuffer {
            bytes: page.into_bytes(),
            size,
            pgno,
        }
    }
}
