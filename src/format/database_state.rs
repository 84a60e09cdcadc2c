//! `dbstate`: whether a database is consistent, and which states may follow (database-file.md section 1.3).

use super::bytes::{Fields, put};
use super::error::FormatError;
use super::layout::{Stored, stored_numbers};
use std::fmt;

/// `JET_dbstate` of a database header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DbState {
    /// 1: creation is under way; a file found like this is unusable.
    JustCreated,
    /// 2: attached or crashed; its logs must be replayed.
    DirtyShutdown,
    /// 3: consistent, needs no logs.
    CleanShutdown,
    /// 4: an upgrade was interrupted.
    BeingConverted,
    /// 5: obsolete.
    ForceDetach,
    /// 6: pages are being replaced from another copy.
    IncrementalReseedInProgress,
    /// 7: pages were replaced; logs must be replayed.
    DirtyAndPatchedShutdown,
    /// 8: the database is being taken back to an earlier time.
    RevertInProgress,
    /// A number that the format does not name (0 included).
    Unknown(u32),
}

impl DbState {
    /// The number in the file.
    pub const fn number(self) -> u32 {
        match self {
            DbState::JustCreated => 1,
            DbState::DirtyShutdown => 2,
            DbState::CleanShutdown => 3,
            DbState::BeingConverted => 4,
            DbState::ForceDetach => 5,
            DbState::IncrementalReseedInProgress => 6,
            DbState::DirtyAndPatchedShutdown => 7,
            DbState::RevertInProgress => 8,
            DbState::Unknown(number) => number,
        }
    }

    /// Whether the database can be attached with no logs at all.
    pub const fn is_clean(self) -> bool {
        matches!(self, DbState::CleanShutdown)
    }

    /// Whether replaying its logs makes it clean.
    pub const fn needs_recovery(self) -> bool {
        matches!(self, DbState::DirtyShutdown | DbState::DirtyAndPatchedShutdown)
    }

    /// Whether an engine may change a header from this state to `next`.
    pub const fn may_become(self, next: DbState) -> bool {
        matches!(
            (self.number(), next.number()),
            (0, 1)
                | (1, 2)
                | (2, 3 | 6 | 8)
                | (3, 2 | 8)
                | (4, 3)
                | (6, 7)
                | (7, 2 | 6 | 8)
                | (8, 1 | 2 | 3 | 7)
        )
    }
}

impl From<u32> for DbState {
    fn from(number: u32) -> Self {
        match number {
            1 => DbState::JustCreated,
            2 => DbState::DirtyShutdown,
            3 => DbState::CleanShutdown,
            4 => DbState::BeingConverted,
            5 => DbState::ForceDetach,
            6 => DbState::IncrementalReseedInProgress,
            7 => DbState::DirtyAndPatchedShutdown,
            8 => DbState::RevertInProgress,
            other => DbState::Unknown(other),
        }
    }
}

stored_numbers!(DbState);

impl fmt::Display for DbState {
    /// In words as the genuine tools have them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DbState::JustCreated => "Just Created",
            DbState::DirtyShutdown => "Dirty Shutdown",
            DbState::CleanShutdown => "Clean Shutdown",
            DbState::BeingConverted => "Being Converted",
            DbState::ForceDetach => "Force Detach",
            DbState::IncrementalReseedInProgress => "Incremental Reseed In Progress",
            DbState::DirtyAndPatchedShutdown => "Dirty and Patched Shutdown",
            DbState::RevertInProgress => "Revert In Progress",
            DbState::Unknown(number) => return write!(f, "unknown ({number})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way_to_states_and_back() {
        for number in 0..12 {
            assert_eq!(DbState::from(number).number(), number);
        }
    }

    #[test]
    fn a_clean_database_may_become_dirty_but_not_just_created() {
        assert!(DbState::CleanShutdown.may_become(DbState::DirtyShutdown));
        assert!(!DbState::CleanShutdown.may_become(DbState::JustCreated));
    }
}
