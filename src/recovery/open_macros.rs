//! Macros that have begun and not ended: splits, merges and moves that happen as a whole or not at all
//! (log-and-recovery.md sections 4.6 and 6.3).

use crate::error::JetResult;
use crate::format::log_record::{LogRecord, MacroBoundary};
use std::collections::BTreeMap;

/// The macros that are open, by session and dbtime.
#[derive(Debug, Default)]
pub(super) struct OpenMacros {
    open: BTreeMap<(u16, u64), Macro>,
}

/// The records of a macro, as they stand in the log.
#[derive(Debug, Default)]
pub(super) struct Macro {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl OpenMacros {
    /// `MacroBegin`.
    pub(super) fn begin(&mut self, boundary: MacroBoundary) {
        self.open
            .insert((boundary.session, boundary.dbtime), Macro::default());
    }

    /// Keeps a record that belongs to an open macro; `false` if none is open for it.
    pub(super) fn keep(&mut self, session: u16, dbtime: u64, record: &[u8]) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let Some(open) = self.open.get_mut(&(session, dbtime)) else {
            return false;
        };
        open.starts.push(open.bytes.len());
        open.bytes.extend_from_slice(record);
        true
    }

    /// `MacroCommit` or `MacroAbort`: the macro, if it was open.
    pub(super) fn end(&mut self, boundary: MacroBoundary) -> Option<Macro> {
        self.open.remove(&(boundary.session, boundary.dbtime))
    }

    /// The engine was started anew.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// The macros that are open, by ascending session.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = MacroBoundary> {
        self.open.keys().map(|(session, dbtime)| MacroBoundary {
            session: *session,
            dbtime: *dbtime,
        })
    }
}

impl Macro {
    /// Its records, in the order of the log.
    ///
    /// # Errors
    /// None in practice: the records were decoded before.
    pub(super) fn records(&self) -> JetResult<Vec<LogRecord<'_>>> {
        let records = self.starts.iter().map(|start| {
            let bytes = self.bytes.get(*start..).unwrap_or_default();
            Ok(LogRecord::decode(bytes)?)
        });
        records.collect()
    }
}
