//! A database as recovery makes it, as the bytes of a file: the clean header twice, then pages.

use crate::error::JetResult;
use crate::format::bytes::put;
use crate::format::{DatabaseHeader, PageSize};
use crate::io::{File, FileKind, FileStat, LockKind};
use crate::store::FrozenOverlay;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

/// The bytes of a recovered database. Safe to share.
#[derive(Debug)]
pub struct DatabaseImage {
    header: DatabaseHeader,
    header_page: Vec<u8>,
    pages: FrozenOverlay,
}

impl DatabaseImage {
    /// `pages` under `header`.
    pub fn new(header: DatabaseHeader, pages: FrozenOverlay) -> Self {
        DatabaseImage {
            header_page: header.encode(),
            header,
            pages,
        }
    }

    /// The header.
    pub fn header(&self) -> &DatabaseHeader {
        &self.header
    }

    /// The pages.
    pub fn pages(&self) -> &FrozenOverlay {
        &self.pages
    }

    /// The page size.
    pub fn page_size(&self) -> PageSize {
        self.pages.page_size()
    }

    /// Fills `block`, of a page's length, with block `index` of the file: 0 and 1 are the copies of the header.
    ///
    /// # Errors
    /// The page in the file below is damaged (`JET_errReadVerifyFailure`), or a file cannot be read.
    pub fn read_block(&self, index: u64, block: &mut [u8]) -> JetResult<()> {
        match page_of(index) {
            None => {
                put(block, 0, &self.header_page);
                Ok(())
            }
            Some(pgno) => self.pages.read_page(pgno, block),
        }
    }
}

/// The page in block `index`; `None` for the copies of the header.
pub(super) fn page_of(index: u64) -> Option<u32> {
    let pgno = u32::try_from(index.checked_sub(1)?).unwrap_or(u32::MAX);
    (pgno > 0).then_some(pgno)
}

/// So that what reads databases reads this one; it cannot be written.
impl File for DatabaseImage {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.page_size();
        if offset >= self.pages.file_len() {
            return Ok(0);
        }
        let mut block = vec![0; size.bytes()];
        let read = self.read_block(offset / size.bytes_u64(), &mut block);
        read.map_err(|error| io::Error::other(error.to_string()))?;
        let within = usize::try_from(offset % size.bytes_u64()).unwrap_or(0);
        let rest = block.get(within..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        put(buf, 0, rest.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn stat(&self) -> io::Result<FileStat> {
        Ok(FileStat {
            kind: FileKind::Regular,
            len: self.pages.file_len(),
            modified: SystemTime::UNIX_EPOCH,
            identity: (0, 0),
        })
    }

    fn try_lock(&self, _kind: LockKind) -> io::Result<bool> {
        Ok(true)
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
