//! Notes of backups and restores (log-and-recovery.md section 4.2).

use super::marker::LoggedText;
use super::operation::named_number;
use super::shape::{Reserved, record};
use crate::format::primitive::BackupInfo;

record! {
    /// `FullBackup`, `IncBackup`: a backup began (old form).
    pub struct BackupNote<'a> is 3 {}
    tail {
        /// A path.
        text: LoggedText<'a> = u16 @ 1,
    }
}

record! {
    /// `ExtRestore`, `ExtRestore2`: a restore, with its paths.
    pub struct RestoreNote<'a> is 3 {}
    tail {
        /// The paths.
        info: &'a [u8] = u16 @ 1,
    }
}

record! {
    /// `Backup`: a backup began or ended (old form).
    pub struct Backup<'a> is 5 {
        /// Its kind.
        1 kind: u8,
        /// Unused.
        2 reserved: Reserved<1>,
    }
    tail {
        /// A path.
        path: LoggedText<'a> = u16 @ 3,
    }
}

named_number! {
    /// What happens in a backup.
    pub enum BackupPhase: u8 {
        /// It begins.
        Begin = 1,
        /// The logs are prepared.
        PrepareLogs = 2,
        /// The logs are truncated.
        Truncate = 3,
        /// The database's header gets its record of the backup.
        UpdateHeader = 4,
        /// It is aborted.
        Abort = 5,
        /// It ends.
        Stop = 6,
    }
}

named_number! {
    /// What a backup comprises.
    pub enum BackupScope: u8 {
        /// Databases and logs; logs are truncated.
        Full = 1,
        /// Logs since the last one.
        Incremental = 2,
        /// Like full, but nothing is truncated or recorded.
        Copy = 5,
        /// Logs since the last full one.
        Differential = 6,
    }
}

record! {
    /// `Backup2`.
    pub struct Backup2<'a> is 35 {
        /// What happens.
        1 phase: BackupPhase,
        /// `BKINFOTYPE`.
        2 kind: u32,
        /// What it comprises.
        6 scope: BackupScope,
        /// `dbid`; 0 for none.
        7 database: u8,
        /// What the header gets.
        8 info: BackupInfo,
        /// Unused.
        32 reserved: Reserved<1>,
    }
    tail {
        /// A path.
        data: &'a [u8] = u16 @ 33,
    }
}
