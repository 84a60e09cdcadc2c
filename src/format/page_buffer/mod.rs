//! A page that is being changed: nodes come, go and grow (database-file.md sections 2.1 to 2.5).
//!
//! ```text
//! file ── VerifiedPage ──> PageBuffer ── insert, delete, replace … ──> into_verified ──> file
//! ```
//!
//! * here: making pages, and their header;
//! * `body`: tags, and where their bytes are placed, by the same rules as the engine's;
//! * `nodes`: nodes and the external header;
//! * `prefix`: changing the prefix key; `unused`: overwriting what is left of deleted nodes.
//!
//! Every change keeps the invariants of section 2.3 on a page that had them. A page that has not is answered with an
//! error or stays wrong, but no byte outside of its own data is ever written. After an error a page may be half
//! changed: it is of no more use.
//!
//! The checksum is that of the last verification until [`PageBuffer::into_verified`] stamps a new one.

mod body;
mod nodes;
mod prefix;
#[cfg(test)]
mod tests;
mod unused;

pub use nodes::NodeParts;

use super::bytes::{Fields, put};
use super::checksum::stamp_page;
use super::error::{FormatError, Problem, Structure};
use super::page::{Page, PageFlags, PageHeader, TAG_LEN, offset};
use super::page_size::PageSize;
use super::verified_page::VerifiedPage;
use body::below_64k;

/// The bytes of a page that may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageBuffer {
    /// Exactly as many as the page size says.
    bytes: Box<[u8]>,
    size: PageSize,
    pgno: u32,
}

impl PageBuffer {
    /// A blank page: all zero but for its number.
    pub fn blank(size: PageSize, pgno: u32) -> Self {
        let mut page = PageBuffer {
            bytes: vec![0; size.bytes()].into_boxed_slice(),
            size,
            pgno,
        };
        page.put_pgno();
        page
    }

    /// A page from a log record, whose checksum means nothing. It gets the number `pgno`.
    ///
    /// # Errors
    /// Not as many bytes as a page has; a page whose header, tags and nodes contradict each other (section 2.3).
    pub fn from_image(bytes: impl Into<Box<[u8]>>, size: PageSize, pgno: u32) -> Result<Self, FormatError> {
        let bytes = bytes.into();
        if bytes.len() != size.bytes() {
            let (needed, available) = (size.bytes(), bytes.len());
            let problem = Problem::Truncated { needed, available };
            return Err(FormatError::new(Structure::Page, 0, problem));
        }
        let mut page = PageBuffer { bytes, size, pgno };
        page.put_pgno();
        page.view()?.check()?;
        Ok(page)
    }

    /// A page with whatever bytes.
    #[cfg(test)]
    pub(crate) fn unchecked(bytes: Vec<u8>, size: PageSize, pgno: u32) -> Self {
        assert_eq!(bytes.len(), size.bytes());
        let bytes = bytes.into();
        PageBuffer { bytes, size, pgno }
    }

    /// Makes it an empty page of a tree: no nodes, an empty external header.
    pub fn initialise(&mut self, objid: u32, flags: PageFlags, dbtime: u64) {
        let free = below_64k(self.body_len() - TAG_LEN);
        self.start_over(
            objid,
            (flags | PageFlags::NEW_RECORD_FORMAT) - PageFlags::PRE_INIT,
            dbtime,
            free,
            1,
        );
    }

    /// Makes it a page that is allocated to a tree but was never filled: no tags at all (`NewPage`).
    pub fn pre_initialise(&mut self, objid: u32, dbtime: u64) {
        let free = below_64k(self.body_len());
        self.start_over(
            objid,
            PageFlags::PRE_INIT | PageFlags::NEW_RECORD_FORMAT,
            dbtime,
            free,
            0,
        );
    }

    fn start_over(&mut self, objid: u32, flags: PageFlags, dbtime: u64, free: u16, tags: u16) {
        self.bytes.fill(0);
        self.put_pgno();
        PageHeader {
            dbtime,
            prev: 0,
            next: 0,
            objid,
            free,
            uncommitted_free: 0,
            mic_free: 0,
            tags,
            reserved_tags: 1,
            flags,
        }
        .write(&mut self.bytes);
    }

    fn put_pgno(&mut self) {
        if !self.size.is_small() {
            put(&mut self.bytes, offset::PGNO, &self.pgno.to_le_bytes());
        }
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

    /// The same, where the header was read before, and the page has not changed since.
    pub(crate) fn view_with(&self, header: PageHeader) -> Page<'_> {
        Page {
            size: self.size,
            pgno: self.pgno,
            header,
            bytes: &self.bytes,
        }
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
        Fields::new(Structure::Page, &self.bytes)
            .u64(offset::DBTIME)
            .unwrap_or_default()
    }

    /// `objidFDP`.
    pub fn objid(&self) -> u32 {
        self.number(offset::OBJID)
    }

    /// `fFlags`.
    pub fn flags(&self) -> PageFlags {
        PageFlags::from_bits_retain(self.number(offset::FLAGS))
    }

    /// `pgnoNext`; 0 for none.
    pub fn next(&self) -> u32 {
        self.number(offset::NEXT)
    }

    fn number(&self, at: usize) -> u32 {
        let fields = Fields::new(Structure::Page, &self.bytes);
        fields.u32(at).unwrap_or_default()
    }

    /// `cbFree`: bytes that are free, contiguous or not. A node takes four bytes more than its own, for its tag.
    pub fn free(&self) -> usize {
        self.word(offset::FREE)
    }

    /// `cbUncommittedFree`: the part of [`free`](Self::free) that a rollback may take back.
    pub fn uncommitted_free(&self) -> usize {
        self.word(offset::UNCOMMITTED_FREE)
    }

    /// What an insertion may use: `cbFree` without `cbUncommittedFree`.
    pub fn room(&self) -> usize {
        self.free().saturating_sub(self.uncommitted_free())
    }

    /// Sets `dbtimeDirtied`.
    pub fn set_dbtime(&mut self, dbtime: u64) {
        put(&mut self.bytes, offset::DBTIME, &dbtime.to_le_bytes());
    }

    /// Marks the page as changed: it gets a dbtime, and is no longer scrubbed.
    pub fn dirty(&mut self, dbtime: u64) {
        self.set_dbtime(dbtime);
        self.set_flags(self.flags() - PageFlags::SCRUBBED);
    }

    /// Sets `pgnoPrev`.
    pub fn set_prev(&mut self, pgno: u32) {
        put(&mut self.bytes, offset::PREV, &pgno.to_le_bytes());
    }

    /// Sets `pgnoNext`.
    pub fn set_next(&mut self, pgno: u32) {
        put(&mut self.bytes, offset::NEXT, &pgno.to_le_bytes());
    }

    /// Sets `objidFDP`.
    pub fn set_objid(&mut self, objid: u32) {
        put(&mut self.bytes, offset::OBJID, &objid.to_le_bytes());
    }

    /// Sets `fFlags`.
    pub fn set_flags(&mut self, flags: PageFlags) {
        put(&mut self.bytes, offset::FLAGS, &flags.bits().to_le_bytes());
    }

    /// Sets `cbUncommittedFree`, to no more than `cbFree`.
    pub fn set_uncommitted_free(&mut self, bytes: usize) {
        self.put_word(offset::UNCOMMITTED_FREE, bytes.min(self.free()));
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
