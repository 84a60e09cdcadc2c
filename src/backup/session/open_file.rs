//! A file opened in a session: read at any offset without the session's lock, or sequentially as JetReadFile does.

use super::delivered::Delivered;
use super::gate::Barrier;
use crate::backup::source::{BackupFile, FileRole, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use parking_lot::Mutex;
use std::sync::Arc;

/// What JetOpenFile answers. Never reused within a session, so that a stale one is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHandle(pub u64);

/// A file that a session has open.
#[derive(Debug)]
pub struct OpenFile {
    source_file: SourceFile,
    file: Arc<dyn BackupFile>,
    delivered: Arc<Delivered>,
    gate: Arc<Barrier>,
    backup: Arc<Barrier>,
    cursor: Mutex<u64>,
}

impl OpenFile {
    pub(super) fn new(
        source_file: SourceFile,
        file: Arc<dyn BackupFile>,
        delivered: Arc<Delivered>,
        gate: Arc<Barrier>,
        backup: Arc<Barrier>,
    ) -> Self {
        OpenFile {
            source_file,
            file,
            delivered,
            gate,
            backup,
            cursor: Mutex::new(0),
        }
    }

    /// The file as the source listed it.
    pub fn source_file(&self) -> &SourceFile {
        &self.source_file
    }

    /// The open file itself: for its length, its verification and its descriptor. Reads that go past
    /// [`OpenFile::read_at`] are not counted as delivered.
    pub fn backup_file(&self) -> &Arc<dyn BackupFile> {
        &self.file
    }

    /// Which bytes were delivered, by this opening and in a frozen backup by all others.
    pub fn delivered(&self) -> &Arc<Delivered> {
        &self.delivered
    }

    /// Reads at `offset` until `buf` is full or the file ends. Takes no lock of the session. Fails with
    /// JET_errBackupAbortByServer or JET_errNoBackup when the backup was stopped or has ended.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        self.gate.check()?;
        self.backup.check()?;
        self.read_and_count(buf, offset)
    }

    fn read_and_count(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let read = self.file.read_at(buf, offset)?;
        self.delivered.add(offset, read as u64);
        Ok(read)
    }

    /// The next bytes, as JetReadFile delivers them (external-backup.md sections 4.2 and 4.6).
    pub(super) fn read_next(&self, buf: &mut [u8]) -> Result<usize, ReadFailure> {
        let mut cursor = self.cursor.lock();
        self.check_buffer(*cursor, buf.len())
            .map_err(ReadFailure::Argument)?;
        let read = self.read_and_count(buf, *cursor).map_err(ReadFailure::File)?;
        *cursor += read as u64;
        Ok(read)
    }

    /// Whole pages; at the start at least three of a database and two of a log; never none of a database.
    fn check_buffer(&self, cursor: u64, len: usize) -> JetResult<()> {
        let page = self.file.page_size().bytes();
        let least = match (self.source_file.role, cursor) {
            (FileRole::Database, 0) => 3,
            (FileRole::Database, _) => 1,
            (_, 0) => 2,
            (_, _) => 0,
        };
        if !len.is_multiple_of(page) || len < least * page {
            return Err(JetError::rule(
                JetErr::InvalidParameter,
                format!(
                    "a buffer of {len} bytes here: it must hold whole pages of {page} bytes, at least {least}"
                ),
            ));
        }
        Ok(())
    }
}

/// Why a sequential read failed: the call was wrong, which changes nothing, or the file is.
#[derive(Debug)]
pub(super) enum ReadFailure {
    Argument(JetError),
    File(JetError),
}
