//! Transactions and macros (log-and-recovery.md section 4.3).

use super::shape::record;

record! {
    /// `Begin`: opens levels of a transaction that is already open.
    pub struct Begin is 4 {
        /// `procid`.
        1 session: u16,
        /// Low nibble: the level before; high nibble: how many levels are opened.
        3 levels: u8,
    }
}

record! {
    /// `Begin0`: opens a transaction. Logged with its first change only.
    pub struct Begin0 is 8 {
        /// `procid`.
        1 session: u16,
        /// Low nibble: the level before, 0; high nibble: how many levels are opened.
        3 levels: u8,
        /// `trxBegin0`.
        4 trx: u32,
    }
}

impl Begin {
    /// The level after it.
    pub fn level_after(&self) -> u8 {
        level_after(self.levels)
    }
}

impl Begin0 {
    /// The level after it.
    pub fn level_after(&self) -> u8 {
        level_after(self.levels)
    }
}

fn level_after(levels: u8) -> u8 {
    (levels & 0xf) + (levels >> 4)
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
