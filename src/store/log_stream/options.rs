//! What a live log needs to know, and whom it tells about new generations.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{AttachList, LogPosition, LogTime, SEGMENT_LEN};
use crate::io::{Clock, FileSystem};
use crate::store::log_writer::LogNaming;
use std::fmt::Debug;
use std::sync::Arc;

/// Where and how a log is written.
#[derive(Debug, Clone)]
pub struct LogStreamOptions {
    /// The file system of the logs.
    pub fs: Arc<dyn FileSystem>,
    /// Tells the times of generations and segments.
    pub clock: Arc<dyn Clock>,
    /// The names of the files; their directory must exist.
    pub naming: LogNaming,
    /// Bytes of a log file (`JET_paramLogFileSize`, which counts KiB): a multiple of 4096, at least 16 KiB, below
    /// 256 MiB.
    pub file_len: u64,
    /// Bytes that may wait to be written: who appends more waits for a write (`JET_paramLogBuffers`).
    pub buffer_len: usize,
    /// Is told about new generations.
    pub observer: Arc<dyn LogObserver>,
    /// Whether reserve logs are kept, so that an instance can end when the disk is full.
    pub reserve: bool,
}

impl LogStreamOptions {
    /// Segments that a log has at least: header, two for records, and the last one, which is never used for records.
    const LEAST: u64 = 4;

    pub(super) fn check(&self) -> JetResult<()> {
        let segments = self.file_len / SEGMENT_LEN as u64;
        let is_whole = self.file_len.is_multiple_of(SEGMENT_LEN as u64);
        if is_whole && (Self::LEAST..=u64::from(u16::MAX)).contains(&segments) {
            return Ok(());
        }
        let what = format!("logs of {} bytes", self.file_len);
        Err(JetError::rule(JetErr::InvalidParameter, what))
    }
}

/// Takes part in the change of generations.
///
/// It is called on whatever thread flushes the log, which may hold a database: it must take no lock that is held while
/// the log is appended to or flushed.
pub trait LogObserver: Send + Sync + Debug {
    /// The file of a new generation is durable under its name; no record of it is acknowledged before this returns.
    /// Database headers get `lGenMaxCommitted` and `logtimeGenMaxCreate` here (section 5.4).
    ///
    /// # Errors
    /// Whatever prevents it: the log fails with it, for ever.
    fn generation_begun(&self, generation: u32, created: LogTime) -> JetResult<()>;

    /// What the header of the next generation says: the checkpoint, and the databases that are attached.
    fn state(&self) -> (LogPosition, AttachList);
}
