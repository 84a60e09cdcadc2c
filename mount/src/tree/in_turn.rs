//! A database in stream mode: each opening delivers its pages in their order, and the trailer page last (design,
//! section 4: stream; external-backup.md section 12.1).
//!
//! The trailer says up to which log the pages are to be replayed, so it must be made after all of them were read.

use super::TreeError;
use jetfs::JetResult;
use jetfs::backup::{BackupSession, FileHandle, OpenFile};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a read waits for those before it. The kernel sends parts of one large read at the same time.
const PATIENCE: Duration = Duration::from_millis(250);

/// One opening, with its place.
#[derive(Debug)]
pub(super) struct InTurn {
    session_handle: FileHandle,
    file: Arc<OpenFile>,
    /// Everything before it was delivered.
    next: Mutex<u64>,
    moved: Condvar,
}

impl InTurn {
    /// Opens the database of this name.
    pub(super) fn open(session: &BackupSession, name: &OsStr) -> JetResult<Self> {
        let (session_handle, _) = session.open_file(name)?;
        Ok(InTurn {
            session_handle,
            file: session.file(session_handle)?,
            next: Mutex::default(),
            moved: Condvar::new(),
        })
    }

    /// What is read.
    pub(super) fn file(&self) -> &OpenFile {
        &self.file
    }

    /// Closes it; if it was read whole, the database counts as copied.
    pub(super) fn close(&self, session: &BackupSession) {
        // After the end of the backup there is nothing to close any more.
        let _ = session.close_file(self.session_handle);
    }

    /// Reads at `offset`, which must be the next byte, or one before it as long as the trailer was not delivered.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, TreeError> {
        let len = self.file.source_file().len;
        if offset >= len {
            return Ok(0);
        }
        let trailer = len.saturating_sub(self.file.backup_file().page_size().bytes_u64());
        let mut next = self.wait_for_turn(offset)?;
        if offset < *next && *next > trailer {
            return Err(TreeError::OutOfTurn);
        }
        let pages = usize::try_from(trailer.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (pages, rest) = buf.split_at_mut(pages.min(buf.len()));
        let mut read = self.file.read_at(pages, offset)?;
        if read == pages.len() && !rest.is_empty() {
            read += self.file.read_at(rest, offset + read as u64)?;
        }
        *next = (*next).max(offset + read as u64);
        self.moved.notify_all();
        Ok(read)
    }

    fn wait_for_turn(&self, offset: u64) -> Result<MutexGuard<'_, u64>, TreeError> {
        let mut next = self.next.lock();
        while *next < offset {
            let before = *next;
            let waited = self.moved.wait_for(&mut next, PATIENCE);
            if waited.timed_out() && *next == before {
                return Err(TreeError::OutOfTurn);
            }
        }
        Ok(next)
    }
}
