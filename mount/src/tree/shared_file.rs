//! One opening of a backup file for all handles on it: one descriptor, one state, however many readers there are.

use jetfs::JetResult;
use jetfs::backup::{BackupSession, FileHandle, OpenFile};
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The opening of a file, counted.
#[derive(Debug, Default)]
pub(super) struct SharedFile {
    opening: Mutex<Option<Opening>>,
    /// Whether it was verified from start to end; then it stays open, so that this is not done again.
    verified: AtomicBool,
}

#[derive(Debug)]
struct Opening {
    session_handle: FileHandle,
    file: Arc<OpenFile>,
    users: u64,
}

impl SharedFile {
    /// Joins the opening, or makes it. With `verified`, the whole file is verified before; if that finds damage, the
    /// file is served as any other, so that only reads of damaged places fail.
    pub(super) fn acquire(
        &self,
        session: &BackupSession,
        name: &OsStr,
        verified: bool,
    ) -> JetResult<Arc<OpenFile>> {
        let mut kept = self.opening.lock();
        let mut opening = match kept.take() {
            Some(opening) => opening,
            None => Opening::new(session, name)?,
        };
        if verified && !self.is_verified() {
            match opening.file.backup_file().verify() {
                Ok(()) => self.verified.store(true, Ordering::Release),
                Err(error) => tracing::warn!("{error}; every read of this file will be verified"),
            }
        }
        opening.users += 1;
        let file = Arc::clone(&opening.file);
        *kept = Some(opening);
        Ok(file)
    }

    /// Whether it was verified from start to end. Answers at once, also while that is being done.
    pub(super) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    /// Leaves the opening; the last one closes it.
    pub(super) fn release(&self, session: &BackupSession) {
        let mut opening = self.opening.lock();
        let Some(current) = opening.as_mut() else { return };
        current.users = current.users.saturating_sub(1);
        if current.users == 0 && !self.is_verified() {
            // After the end of the backup there is nothing to close any more.
            let _ = session.close_file(current.session_handle);
            *opening = None;
        }
    }
}

impl Opening {
    fn new(session: &BackupSession, name: &OsStr) -> JetResult<Self> {
        let (session_handle, _) = session.open_file(name)?;
        Ok(Opening {
            session_handle,
            file: session.file(session_handle)?,
            users: 0,
        })
    }
}
