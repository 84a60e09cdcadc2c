//! Transactions and macros (log-and-recovery.md section 4.3).

use super::shape::{Field, record};
use super::value::{FieldValue, Sink};
use crate::format::FormatError;
use crate::format::Structure;
use crate::format::bytes::Fields;

record! {
    /// `Begin`: opens levels of a transaction that is already open.
    pub struct Begin is 4 {
        /// `procid`.
        1 session: u16,
        /// The levels that it opens.
        3 levels: Levels,
    }
}

record! {
    /// `Begin0`: opens a transaction. Logged with its first change only.
    pub struct Begin0 is 8 {
        /// `procid`.
        1 session: u16,
        /// The levels that it opens, from 0.
        3 levels: Levels,
        /// `trxBegin0`.
        4 trx: u32,
    }
}

/// Levels of a transaction that are opened together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// `levelBeginFrom`: the level before.
    pub from: u8,
    /// `clevelsToBegin`: how many are opened.
    pub count: u8,
}

impl Levels {
    /// The level after they were opened.
    pub fn after(self) -> u8 {
        self.from + self.count
    }
}

impl<'a> Field<'a> for Levels {
    /// Low nibble: the level before; high nibble: how many.
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
        let byte = fields.u8(offset)?;
        Ok(Levels {
            from: byte & 0xf,
            count: byte >> 4,
        })
    }

    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
        if self.from > 0xf || self.count > 0xf {
            let level = self.from.max(self.count);
            return Err(FormatError::field(
                Structure::LogRecord,
                offset,
                "levels",
                level,
                "at most 15",
            ));
        }
        (self.from | self.count << 4).store(record, offset)
    }

    fn visit(&self, _name: &'static str, sink: Sink<'_, 'a>) {
        sink("level_from", FieldValue::Number(self.from.into()));
        sink("levels", FieldValue::Number(self.count.into()));
    }
}

record! {
    /// `Commit` to a level above 0.
    pub struct Commit is 4 {
        /// `procid`.
        1 session: u16,
        /// `levelCommitTo`.
        3 level: u8,
    }
}

record! {
    /// `Commit0`: the transaction is committed.
    pub struct Commit0 is 8 {
        /// `procid`.
        1 session: u16,
        /// `levelCommitTo`: 0.
        3 level: u8,
        /// `trxCommit0`.
        4 trx: u32,
    }
}

record! {
    /// `Rollback`, after the [`Undo`](super::Undo) records of the levels.
    pub struct Rollback is 4 {
        /// `procid`.
        1 session: u16,
        /// `levelRollback`: how many levels.
        3 levels: u8,
    }
}

record! {
    /// `Refresh`: the transaction begins anew at level 1. No engine wrote it.
    pub struct Refresh is 7 {
        /// `procid`.
        1 session: u16,
        /// `trxBegin0`.
        3 trx: u32,
    }
}

record! {
    /// `MacroBegin`, `MacroCommit`, `MacroAbort`: around the records of one split or merge, all with this dbtime.
    pub struct MacroBoundary is 11 {
        /// `procid`.
        1 session: u16,
        /// `dbtime` of the macro.
        3 dbtime: u64,
    }
}
