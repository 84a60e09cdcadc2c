//! The live log of a running instance.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogPosition;
use crate::format::log_record::LogRecord;

/// The log of a running instance. Shared by all sessions.
#[derive(Debug, Default)]
pub struct LogStream {}

/// Where a group of records is.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    /// The first record.
    pub first: LogPosition,
    /// The last record.
    pub last: LogPosition,
    /// The end of the last record.
    pub end: LogPosition,
}

impl LogStream {
    /// Appends records as one group.
    ///
    /// # Errors
    /// The log has failed.
    pub fn append(&self, _records: &[LogRecord<'_>]) -> JetResult<Appended> {
        Err(JetError::rule(JetErr::InternalError, "no log"))
    }
}
