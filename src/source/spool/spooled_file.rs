//! A file of the backup, in the spool. Its pages and segments were verified when they came.

use crate::backup::BackupFile;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::io::File;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// Where in the spool a file is.
#[derive(Debug)]
pub(super) struct SpooledFile {
    pub(super) spool: Arc<dyn File>,
    pub(super) place: u64,
    pub(super) len: u64,
    pub(super) page_size: PageSize,
    /// In the source; for errors.
    pub(super) path: PathBuf,
}

impl BackupFile for SpooledFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn page_size(&self) -> PageSize {
        self.page_size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let buf = buf.get_mut(..wanted).unwrap_or_default();
        let read = self.spool.read_exact_at(buf, self.place.saturating_add(offset));
        read.map_err(|error| {
            JetError::io("read the spool", error)
                .in_file(&self.path)
                .at_offset(offset)
        })?;
        Ok(wanted)
    }

    fn verify(&self) -> JetResult<()> {
        Ok(())
    }

    fn passthrough(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// What is not in the spool.
pub(super) fn not_spooled() -> JetError {
    JetError::rule(JetErr::InvalidParameter, "is not in the spool")
}
