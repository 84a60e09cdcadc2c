//! One opening of a backup file for all handles on it: one descriptor, one state, however many readers there are.

use jetfs::JetResult;
use jetfs::backup::{BackupSession, FileHandle, OpenFile};
use parking_lot::Mutex;
use std::ffi::OsStr;
use std::sync::Arc;

/// The opening of a file, counted.
#[derive(Debug, Default)]
pub(super) struct SharedFile(Mutex<Option<Opening>>);

#[derive(Debug)]
struct Opening {
    session_handle: FileHandle,
    file: Arc<OpenFile>,
    users: u64,
    /// Whether it was verified from start to end; then it stays open, so that this is not done again.
    verified: bool,
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
        let mut kept = self.0.lock();
        let mut opening = match kept.take() {
            Some(opening) => opening,
            None => Opening::new(session, name)?,
        };
        if verified && !opening.verified {
            match opening.file.backup_file().verify() {
                Ok(()) => opening.verified = true,
                Err(error) => tracing::warn!("{error}; every read of this file will be verified"),
            }
        }
        opening.users += 1;
        let file = Arc::clone(&opening.file);
        *kept = Some(opening);
        Ok(file)
    }

    /// Leaves the opening; the last one closes it.
    pub(super) fn release(&self, session: &BackupSession) {
        let mut opening = self.0.lock();
        let Some(current) = opening.as_mut() else { return };
        current.users = current.users.saturating_sub(1);
        if current.users == 0 && !current.verified {
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
            verified: false,
        })
    }
}
