//! What a backup tells the event log (external-backup.md section 10), with the numbers that it has there.

use crate::error::JetErr;
use std::fmt;
use std::path::PathBuf;

/// Something that happened in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupEvent {
    /// 206: a database needs a full backup first.
    FullBackupMissing {
        /// The database.
        path: PathBuf,
    },
    /// 210: a full backup begins.
    FullBegun,
    /// 211: an incremental backup begins.
    IncrementalBegun,
    /// 213: it ended normally.
    Ended,
    /// 214: an error ended it.
    Failed {
        /// Which one.
        code: JetErr,
    },
    /// 215: its caller gave it up.
    AbortedByCaller,
    /// 217: a database cannot be read; the others go on.
    DatabaseFailed {
        /// Why.
        code: JetErr,
        /// The database.
        path: PathBuf,
    },
    /// 218: a log cannot be read.
    LogFailed {
        /// Why.
        code: JetErr,
        /// The log.
        path: PathBuf,
    },
    /// 219: the headers could not be stamped.
    StampFailed {
        /// Why.
        code: JetErr,
    },
    /// 220: the copy of a database begins.
    DatabaseOpened {
        /// The database.
        path: PathBuf,
        /// Bytes of its copy.
        len: u64,
    },
    /// 221: the copy of a database is complete.
    DatabaseCopied {
        /// The database.
        path: PathBuf,
    },
    /// 222: a file was closed before its end.
    ClosedBeforeEnd {
        /// The file.
        path: PathBuf,
        /// Bytes that were read.
        read: u64,
        /// Bytes that it has.
        len: u64,
    },
    /// 223: the logs are known.
    LogsBegun {
        /// The first one.
        first: PathBuf,
        /// The last one.
        last: PathBuf,
    },
    /// 224: logs are deleted.
    Truncated {
        /// The first one.
        first: PathBuf,
        /// The last one.
        last: PathBuf,
    },
    /// 225: there is no log to be deleted.
    NothingTruncated,
    /// 226: the instance ended it.
    AbortedByServer,
    /// 227: logs that were to be deleted were not there.
    TruncatedLogsMissing {
        /// How many.
        count: u32,
    },
    /// 459: a log is missing.
    LogMissing {
        /// Which one.
        path: PathBuf,
    },
    /// 399: one wrong bit of a page was repaired in what was read.
    PageRepaired {
        /// The database.
        path: PathBuf,
        /// The page.
        pgno: u32,
    },
    /// 474: a page is damaged.
    PageDamaged {
        /// The database.
        path: PathBuf,
        /// The page.
        pgno: u32,
    },
    /// 493: a page could be read after some attempts.
    PageReadAtLast {
        /// The database.
        path: PathBuf,
        /// The page.
        pgno: u32,
        /// Attempts that failed.
        failed: u32,
    },
    /// 520: logs may not be deleted yet, since not all were copied.
    LogsNotCopied,
    /// 552: a log is damaged.
    LogDamaged {
        /// The log.
        path: PathBuf,
    },
}

/// How grave a message of the event log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Everything is as it should be.
    Information,
    /// It goes on, but somebody should know.
    Warning,
    /// Something has failed.
    Error,
}

impl Severity {
    /// That of a message of a backup, by its number.
    pub fn of(number: u32) -> Self {
        match number {
            206 | 214 | 215 | 217 | 218 | 226 | 459 | 474 | 493 | 552 => Severity::Error,
            219 | 227 | 399 | 520 => Severity::Warning,
            _ => Severity::Information,
        }
    }
}

impl BackupEvent {
    /// To `tracing`, with its number, as gravely as it is.
    pub fn trace(&self) {
        let number = self.number();
        match Severity::of(number) {
            Severity::Information => tracing::info!(number, "{self}"),
            Severity::Warning => tracing::warn!(number, "{self}"),
            Severity::Error => tracing::error!(number, "{self}"),
        }
    }

    /// The number of the message.
    pub fn number(&self) -> u32 {
        match self {
            BackupEvent::FullBackupMissing { .. } => 206,
            BackupEvent::FullBegun => 210,
            BackupEvent::IncrementalBegun => 211,
            BackupEvent::Ended => 213,
            BackupEvent::Failed { .. } => 214,
            BackupEvent::AbortedByCaller => 215,
            BackupEvent::DatabaseFailed { .. } => 217,
            BackupEvent::LogFailed { .. } => 218,
            BackupEvent::StampFailed { .. } => 219,
            BackupEvent::DatabaseOpened { .. } => 220,
            BackupEvent::DatabaseCopied { .. } => 221,
            BackupEvent::ClosedBeforeEnd { .. } => 222,
            BackupEvent::LogsBegun { .. } => 223,
            BackupEvent::Truncated { .. } => 224,
            BackupEvent::NothingTruncated => 225,
            BackupEvent::AbortedByServer => 226,
            BackupEvent::TruncatedLogsMissing { .. } => 227,
            BackupEvent::LogMissing { .. } => 459,
            BackupEvent::PageRepaired { .. } => 399,
            BackupEvent::PageDamaged { .. } => 474,
            BackupEvent::PageReadAtLast { .. } => 493,
            BackupEvent::LogsNotCopied => 520,
            BackupEvent::LogDamaged { .. } => 552,
        }
    }
}

impl fmt::Display for BackupEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupEvent::FullBackupMissing { path } => {
                write!(f, "{} needs a full backup first", path.display())
            }
            BackupEvent::FullBegun => f.write_str("a full backup begins"),
            BackupEvent::IncrementalBegun => f.write_str("an incremental backup begins"),
            BackupEvent::Ended => f.write_str("the backup has ended normally"),
            BackupEvent::Failed { code } => write!(f, "the backup has ended with {code}"),
            BackupEvent::AbortedByCaller => f.write_str("the backup was given up by its caller"),
            BackupEvent::DatabaseFailed { code, path } => {
                write!(
                    f,
                    "{}: {code}: it cannot be restored from this backup",
                    path.display()
                )
            }
            BackupEvent::LogFailed { code, path } => write!(f, "{}: {code}", path.display()),
            BackupEvent::StampFailed { code } => {
                write!(f, "the headers could not be told of the backup: {code}")
            }
            BackupEvent::DatabaseOpened { path, len } => {
                write!(f, "the copy of {} begins: {len} bytes", path.display())
            }
            BackupEvent::DatabaseCopied { path } => write!(f, "the copy of {} is complete", path.display()),
            BackupEvent::ClosedBeforeEnd { path, read, len } => {
                write!(f, "{} was closed after {read} of {len} bytes", path.display())
            }
            BackupEvent::LogsBegun { first, last } => {
                write!(f, "the logs are {} to {}", first.display(), last.display())
            }
            BackupEvent::Truncated { first, last } => {
                write!(f, "logs are deleted: {} to {}", first.display(), last.display())
            }
            BackupEvent::NothingTruncated => f.write_str("there are no logs to be deleted"),
            BackupEvent::AbortedByServer => f.write_str("the backup was ended by the instance"),
            BackupEvent::TruncatedLogsMissing { count } => {
                write!(f, "{count} logs that were to be deleted were not there")
            }
            BackupEvent::LogMissing { path } => write!(f, "{} is missing", path.display()),
            BackupEvent::PageRepaired { path, pgno } => {
                write!(f, "{}: one wrong bit of page {pgno} was repaired", path.display())
            }
            BackupEvent::PageDamaged { path, pgno } => {
                write!(f, "{}: the checksum of page {pgno} is wrong", path.display())
            }
            BackupEvent::PageReadAtLast { path, pgno, failed } => {
                write!(
                    f,
                    "{}: page {pgno} was good after {failed} attempts",
                    path.display()
                )
            }
            BackupEvent::LogsNotCopied => f.write_str("no log is deleted: not all were copied"),
            BackupEvent::LogDamaged { path } => write!(f, "{} is damaged", path.display()),
        }
    }
}
