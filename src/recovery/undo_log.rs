//! Where the records go that a recovery adds to the log.

use crate::error::JetResult;
use crate::format::log_record::LogRecord;
use crate::format::{LogHeader, LogPosition};
use crate::store::log_writer::{LogAppender, LogWrites};

/// The end of the log.
#[derive(Debug)]
pub(super) enum UndoLog {
    /// The records have their places.
    Appended(Box<LogAppender>),
    /// Nothing can be appended, since the end of the log was not reached: positions are given, nothing is written.
    Unwritten(LogPosition),
}

impl UndoLog {
    /// A log that nothing can be appended to, read up to `last`.
    pub(super) fn unwritten(last: LogPosition) -> Self {
        UndoLog::Unwritten(LogPosition {
            sector: last.sector.saturating_add(1),
            byte: 0,
            ..last
        })
    }

    /// Appends a record; its position.
    ///
    /// # Errors
    /// The log cannot take it.
    pub(super) fn append(&mut self, record: &LogRecord<'_>) -> JetResult<LogPosition> {
        match self {
            UndoLog::Appended(appender) => appender.append(record),
            UndoLog::Unwritten(next) => {
                let position = *next;
                next.byte = next.byte.saturating_add(1);
                Ok(position)
            }
        }
    }

    /// The next record begins a new segment.
    pub(super) fn close_segment(&mut self) {
        if let UndoLog::Appended(appender) = self {
            appender.close_segment();
        }
    }

    /// What is to be written since the last call.
    pub(super) fn take_writes(&mut self) -> LogWrites {
        match self {
            UndoLog::Appended(appender) => appender.take_writes(),
            UndoLog::Unwritten(_) => LogWrites::default(),
        }
    }

    /// The header of the last generation; `None` if nothing is written.
    pub(super) fn into_header(self) -> Option<LogHeader> {
        match self {
            UndoLog::Appended(appender) => Some(appender.header().clone()),
            UndoLog::Unwritten(_) => None,
        }
    }
}
