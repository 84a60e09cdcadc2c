//! What a source of backups must do. The protocol's rules are not here but in the session that drives it.

use super::findings::Findings;
use crate::error::JetResult;
use std::ffi::OsString;
use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

bitflags::bitflags! {
    /// `grbit` of JetBeginExternalBackup (external-backup.md section 2.0).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BeginGrbit: u32 {
        /// `JET_bitBackupIncremental`: logs only.
        const INCREMENTAL = 0x01;
        /// `JET_bitBackupSnapshot`: a frozen backup (section 12.1).
        const SNAPSHOT = 0x10;
        /// `JET_bitBackupSurrogate`: the backup happens on a replica.
        const SURROGATE = 0x20;
        /// `JET_bitInternalCopy`: a seeding copy.
        const INTERNAL_COPY = 0x40;
    }
}

/// What a file of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "role")]
pub enum FileRole {
    /// A database.
    Database,
    /// A patch file (`.pat`).
    Patch,
    /// A closed log: `<base><generation>.log`.
    ArchivedLog {
        /// Its generation.
        generation: u32,
    },
    /// The log that is being written: `<base>.log`.
    CurrentLog {
        /// Its generation, from its header.
        generation: u32,
    },
    /// The next log in preparation: `<base>tmp.log`.
    TempLog,
    /// Space kept for emergencies: `<base>res00001.jrs`.
    ReserveLog,
    /// The checkpoint.
    Checkpoint,
    /// The flush map of a database.
    FlushMap,
}

/// A file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name in the backup; unique in the set even if two directories hold files of the same name.
    pub name: OsString,
    /// Where the source has it.
    pub path: PathBuf,
    /// What it is.
    pub role: FileRole,
    /// Bytes that the backup delivers.
    pub len: u64,
    /// The time that the backup shows.
    pub modified: SystemTime,
}

/// Log generations, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// First generation.
    pub low: u32,
    /// Last generation.
    pub high: u32,
}

/// A file opened for backup. Every byte that it returns was verified or is accounted for in [`Findings`].
pub trait BackupFile: Send + Sync + Debug {
    /// Bytes that it delivers in all.
    fn len(&self) -> u64;

    /// Whether it delivers no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at `offset` until `buf` is full or the file ends; returns the bytes read. Reads of whole pages at page
    /// boundaries are verified in `buf` itself, without a copy.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize>;

    /// Verifies the whole file, after which [`passthrough`](Self::passthrough) may answer.
    fn verify(&self) -> JetResult<()>;

    /// The descriptor that the kernel may read by itself: only where nothing can change, nothing needs counting,
    /// and [`verify`](Self::verify) has found nothing wrong.
    fn passthrough(&self) -> Option<BorrowedFd<'_>>;
}

/// Something that can be backed up. The session calls these in an order that the protocol allows.
pub trait Source: Send + Sync + Debug {
    /// Begins; what is needed for the copy stays until [`end`](Self::end).
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()>;

    /// Whether any number of files may be open, in any order, with reads at any offset.
    fn is_random_access(&self) -> bool;

    /// The databases (JetGetAttachInfo).
    fn databases(&self) -> JetResult<Vec<SourceFile>>;

    /// Ends the database phase and fixes the log range (the one-time step of JetGetLogInfo).
    fn prepare_logs(&self) -> JetResult<LogRange>;

    /// The logs of the range that [`prepare_logs`](Self::prepare_logs) fixed, and whatever else belongs to the set.
    fn logs(&self) -> JetResult<Vec<SourceFile>>;

    /// Opens one of the listed files.
    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>>;

    /// The logs that truncation would delete; `None` if this source never truncates.
    fn truncatable(&self) -> JetResult<Option<LogRange>>;

    /// Deletes logs.
    fn truncate(&self, range: LogRange) -> JetResult<()>;

    /// Ends: `normal` stamps the headers of a live source, otherwise the backup is recorded as aborted.
    fn end(&self, normal: bool) -> JetResult<()>;

    /// What reading has found so far.
    fn findings(&self) -> &Findings;
}
