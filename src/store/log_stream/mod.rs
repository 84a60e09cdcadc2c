//! The live log of a running instance (log-and-recovery.md sections 1.1 to 1.3, 3.1 to 3.5 and 5.5).

mod options;

pub use options::{LogObserver, LogStreamOptions};

use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::LogRecord;
use crate::format::{LogHeader, LogPosition};
use crate::store::log_reader::LogFile;

/// The log of a running instance. Shared by all sessions.
#[derive(Debug)]
pub struct LogStream {}

/// Where a group of records is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// The first record.
    pub first: LogPosition,
    /// The last record.
    pub last: LogPosition,
    /// The end of the last record: once the log is durable to here, the group is.
    pub end: LogPosition,
}

impl LogStream {
    /// Begins a new log sequence where no log is. `header` is that of its first generation; length, version and what
    /// says that this writer made it are set here.
    ///
    /// # Errors
    /// There is a log already; a file cannot be made; the observer's.
    pub fn create(_options: LogStreamOptions, _header: LogHeader) -> JetResult<Self> {
        Err(not_there_yet())
    }

    /// Goes on after `last`, the last log of its sequence.
    ///
    /// # Errors
    /// It is damaged; a file cannot be made or written; the observer's.
    pub fn continue_after(_options: LogStreamOptions, _last: &LogFile) -> JetResult<Self> {
        Err(not_there_yet())
    }

    /// Logging switched off: nothing is written, every position is 0 and durable.
    pub fn off() -> Self {
        LogStream {}
    }

    /// Appends records as one group: one after the other, in one generation.
    ///
    /// # Errors
    /// The log has failed; the group is longer than a log.
    pub fn append(&self, _records: &[LogRecord<'_>]) -> JetResult<Appended> {
        Ok(Appended::default())
    }

    /// Returns when everything before `end` is durable.
    ///
    /// # Errors
    /// The log has failed before.
    pub fn flush_to(&self, _end: LogPosition) -> JetResult<()> {
        Ok(())
    }

    /// Fills the segment up, so that the next record begins a new one.
    ///
    /// # Errors
    /// The log has failed.
    pub fn close_segment(&self) -> JetResult<()> {
        Ok(())
    }

    /// Makes the file of the next generation ahead of time, so that going there is short: for a background thread.
    ///
    /// # Errors
    /// The log has failed.
    pub fn prepare_next(&self) -> JetResult<()> {
        Ok(())
    }

    /// Where the next record goes if it fits.
    pub fn end(&self) -> LogPosition {
        LogPosition::default()
    }

    /// Everything before this is durable.
    pub fn durable(&self) -> LogPosition {
        LogPosition::default()
    }

    /// Why nothing can be logged any more.
    pub fn is_failed(&self) -> Option<JetErr> {
        None
    }

    /// The header of the newest generation that is durable.
    pub fn header(&self) -> Option<LogHeader> {
        None
    }
}

fn not_there_yet() -> JetError {
    JetError::rule(JetErr::InternalError, "no log yet")
}
