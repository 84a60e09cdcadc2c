//! What a backup really came to, beside the 0 that the published End returns (external-backup.md sections 2.9, 6.3).

use crate::error::JetErr;
use std::ffi::OsString;

/// Whether databases belong to the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Databases and logs.
    Full,
    /// Logs only.
    Incremental,
}

/// The four things that a complete backup can be (external-backup.md section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupKind {
    /// Full and truncated: incremental backups may follow.
    Full,
    /// Full, not truncated: the next incremental backup gets JET_errMissingFullBackup.
    Copy,
    /// Incremental and truncated.
    Incremental,
    /// Incremental, not truncated.
    Differential,
}

impl BackupKind {
    pub(super) fn of(scope: Scope, truncated: bool) -> Self {
        match (scope, truncated) {
            (Scope::Full, true) => BackupKind::Full,
            (Scope::Full, false) => BackupKind::Copy,
            (Scope::Incremental, true) => BackupKind::Incremental,
            (Scope::Incremental, false) => BackupKind::Differential,
        }
    }
}

/// How the last backup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupOutcome {
    /// Normally, and every file of the set was delivered.
    Complete {
        /// What the backup has become.
        kind: BackupKind,
    },
    /// Normally as the published call sees it, but these files were not delivered to their ends.
    Incomplete {
        /// Their names in the backup.
        files: Vec<OsString>,
    },
    /// The caller gave it up, or ended it in its database phase.
    AbortedByCaller,
    /// JetStopBackup, termination of the instance, or a time limit.
    AbortedByServer,
    /// An error ended it.
    Failed {
        /// Which one.
        code: JetErr,
    },
}
