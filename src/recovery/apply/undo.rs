//! The physical undoing of one operation on a node (log-and-recovery.md section 4.5).
//!
//! The same for a transaction that recovery rolls back, and for an `Undo` record: there the version of the original
//! record says what is to be undone. Nothing is removed and no version flag is taken away: deleted nodes go later,
//! by records of their own.

use super::node::{add, add64, change_flags, replace_data};
use crate::format::{FormatError, NodeFlags, PageBuffer};

/// What is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoing<'a> {
    /// An insertion, or the insertion of a deleted node: the node gets the delete flag.
    Insert,
    /// A replacement: the data become what they were.
    Replace {
        /// The data before.
        before: &'a [u8],
    },
    /// A deletion: the delete flag goes.
    FlagDelete,
    /// An addition: the negated number is added.
    Delta {
        /// Of the integer in the data.
        offset: u16,
        /// What was added.
        delta: i32,
    },
    /// The same of eight bytes.
    Delta64 {
        /// Of the integer in the data.
        offset: u16,
        /// What was added.
        delta: i64,
    },
}

/// Undoes an operation on the node of a line. The page's dbtime is left to the caller, who knows it.
///
/// # Errors
/// `JET_errLogCorrupted`: there is no such line, or no integer at the offset. `JET_errDatabaseCorrupted`: the data
/// before do not fit; the engine never uses up the space that they need.
pub fn undo_node(page: &mut PageBuffer, line: usize, undoing: Undoing<'_>) -> Result<(), FormatError> {
    let none = NodeFlags::empty();
    match undoing {
        Undoing::Insert => change_flags(page, line, none, NodeFlags::DELETED),
        Undoing::Replace { before } => replace_data(page, line, before),
        Undoing::FlagDelete => change_flags(page, line, NodeFlags::DELETED, none),
        Undoing::Delta { offset, delta } => add(page, line, offset, delta.wrapping_neg()),
        Undoing::Delta64 { offset, delta } => add64(page, line, offset, delta.wrapping_neg()),
    }
}
