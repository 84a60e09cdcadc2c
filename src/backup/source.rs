//! What a source of backups must do. The protocol's rules are not here but in the session that drives it.
//!
//! The session calls a source under its own lock, in an order that the protocol allows: a source must not call back
//! into the session. Only [`BackupFile::read_at`] is called without any lock, from many threads.

use super::event::BackupEvent;
use super::findings::Findings;
use super::manifest::Marks;
use super::session::InstanceState;
use crate::error::JetResult;
use crate::format::PageSize;
use std::ffi::{OsStr, OsString};
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

    /// `grbit` of JetEndExternalBackupInstance2 (external-backup.md section 2.0).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct EndGrbit: u32 {
        /// `JET_bitBackupEndNormal`.
        const NORMAL = 0x0001;
        /// `JET_bitBackupEndAbort`.
        const ABORT = 0x0002;
        /// `JET_bitBackupTruncateDone`: count the backup as truncated although JetTruncateLog was not called.
        const TRUNCATE_DONE = 0x0100;
        /// `JET_bitBackupNoDbHeaderUpdate`: do not stamp the headers.
        const NO_DB_HEADER_UPDATE = 0x0200;
    }

    /// What an instance has against beginning a backup (external-backup.md section 2.1, checks 2 to 11).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Obstacles: u32 {
        /// The instance is starting or stopping: JET_errBackupNotAllowedYet.
        const NOT_ALLOWED_YET = 0x01;
        /// Nothing is logged: JET_errLoggingDisabled.
        const LOGGING_DISABLED = 0x02;
        /// The log writer is down: JET_errLogWriteFail.
        const LOG_WRITER_DOWN = 0x04;
        /// Recovery is running: JET_errInvalidParameter.
        const RECOVERING = 0x08;
        /// Circular logging: JET_errInvalidBackup for incremental and surrogate backups.
        const CIRCULAR_LOGGING = 0x10;
        /// The reserve logs are in use: JET_errLogDiskFull.
        const LOG_DISK_FULL = 0x20;
        /// The last usable generation is reached: JET_errLogSequenceEnd.
        const LOG_SEQUENCE_END = 0x40;
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
    /// The second copy of a log: `<base><generation>.jsl`.
    ShadowLog,
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

impl SourceFile {
    /// Whether a caller means this file: by its name in the backup, or by its path in the source.
    pub fn is_called(&self, name: &OsStr) -> bool {
        self.name == name || self.path.as_os_str() == name
    }
}

/// Log generations, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogRange {
    /// First generation.
    pub low: u32,
    /// Last generation.
    pub high: u32,
}

impl LogRange {
    /// Whether a generation lies in the range.
    pub fn contains(&self, generation: u32) -> bool {
        (self.low..=self.high).contains(&generation)
    }

    /// How many generations there are; 0 if the ends are swapped.
    pub fn count(&self) -> u64 {
        (u64::from(self.high) + 1).saturating_sub(u64::from(self.low))
    }
}

/// The part of a backup that is not databases: what JetGetLogInfo answers (external-backup.md sections 3.2 and 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSet {
    /// `szBaseName`: three characters, empty if the source has no logs.
    pub base: String,
    /// `ulGenLow` and `ulGenHigh`; `None` only at rest, where a set may have no logs.
    pub range: Option<LogRange>,
    /// The logs in ascending order, then whatever else belongs to the set.
    pub files: Vec<SourceFile>,
}

/// Where a backup in progress stands in the log of its instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct LogStanding {
    /// Where it began, and where the log was rolled.
    pub marks: Marks,
    /// Generations that the instance keeps for the backup, however long it takes.
    pub pinned: u32,
}

/// How the session ends a source's backup (external-backup.md section 2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Normally: the headers of the named databases are stamped.
    Normal {
        /// Whether the logs were truncated, which decides what the stamp is (section 6.3).
        truncated: bool,
        /// The names of the databases to stamp; empty with `JET_bitBackupNoDbHeaderUpdate`.
        stamp: Vec<OsString>,
    },
    /// Not normally: nothing is stamped, and the abort is logged.
    Aborted,
}

/// A file opened for backup. Every byte that it returns was verified or is accounted for in [`Findings`].
pub trait BackupFile: Send + Sync + Debug {
    /// Bytes that it delivers in all.
    fn len(&self) -> u64;

    /// Whether it delivers no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The instance's page size: the unit of sequential reads (JetReadFile).
    fn page_size(&self) -> PageSize;

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
    /// The instance, as far as the source knows it better than the owner of the session.
    fn instance_state(&self) -> InstanceState {
        InstanceState::Running
    }

    /// What speaks against beginning a backup now.
    fn obstacles(&self) -> Obstacles {
        Obstacles::empty()
    }

    /// Begins; what is needed for the copy stays until [`end`](Self::end). A source that cannot do what `grbit` asks
    /// answers JET_errInvalidGrbit. With `SNAPSHOT`, files will be open in any number and read in any order.
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()>;

    /// The databases (JetGetAttachInfo).
    fn databases(&self) -> JetResult<Vec<SourceFile>>;

    /// Ends the database phase and fixes the set of logs (the one-time step of JetGetLogInfo).
    fn prepare_logs(&self) -> JetResult<LogSet>;

    /// Opens one of the listed files.
    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>>;

    /// The logs that truncation would delete now that the databases `copied` are complete; `None` for no logs.
    /// Except for `copied`, the answer is fixed by [`prepare_logs`](Self::prepare_logs).
    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>>;

    /// Deletes logs, the lowest first.
    fn truncate(&self, range: LogRange) -> JetResult<()>;

    /// Where the backup in progress stands in the log. Nothing is kept for files at rest.
    fn log_standing(&self) -> JetResult<LogStanding> {
        Ok(LogStanding::default())
    }

    /// Ends the backup and lets go of what it needed, whatever goes wrong.
    fn end(&self, ending: &Ending) -> JetResult<()>;

    /// What reading has found so far.
    fn findings(&self) -> &Findings;

    /// Something happened that the event log of the instance should have.
    fn tell(&self, event: &BackupEvent) {
        event.trace();
    }
}
