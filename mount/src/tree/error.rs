//! Why the tree refuses.

use jetfs::{JetErr, JetError};

/// A refusal of the tree, without the operating system's numbers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    /// There is no such name.
    #[error("no such name")]
    NotFound,
    /// A directory was asked for, and this is a file.
    #[error("not a directory")]
    NotADirectory,
    /// A file was asked for, and this is a directory.
    #[error("is a directory")]
    IsADirectory,
    /// The number is not one of this tree.
    #[error("no node has this number")]
    UnknownInode,
    /// The handle is not open.
    #[error("no open file has this handle")]
    UnknownHandle,
    /// The node has no attribute of this name.
    #[error("no such attribute")]
    NoAttribute,
    /// A database in stream mode is read from its start to its end.
    #[error("in stream mode a database is read in order, and once: this is not its turn")]
    OutOfTurn,
    /// The backup says no.
    #[error(transparent)]
    Jet(#[from] JetError),
}

impl TreeError {
    /// The file is shorter than it was when the backup began.
    pub(super) fn too_short(at: u64) -> Self {
        JetError::rule(
            JetErr::FileIOBeyondEOF,
            "the file has become shorter since it was mounted",
        )
        .at_offset(at)
        .into()
    }
}
