//! An external backup as the engine sees it (external-backup.md sections 2, 5, 6 and 7; design: frozen mode).
//!
//! ```text
//! begin ── checkpoint read, logs pinned ── each database: header, then size, pages kept from now on ── frozen: log rolled
//! end   ── headers stamped, by records ── pages not kept any more ── logs no longer pinned
//! ```
//!
//! The rules of the protocol, what may be called when, are those of [`BackupSession`](crate::backup::BackupSession),
//! which reaches this through the live source.

mod begin;
mod hold;
mod kept_images;
mod logs;
mod range_lock;
mod stamp;

pub(crate) use begin::{DatabaseCopy, LiveBackup};
pub(crate) use hold::BackupHold;
pub(crate) use kept_images::{KeptImages, KeptRoom};
pub(crate) use range_lock::RangeLock;

use super::core::Core;
use crate::error::JetResult;
use crate::format::log_record::{Backup2, BackupPhase, BackupScope, LogRecord, Reserved};
use crate::format::{BackupInfo, BackupType, DatabaseHeader};

/// The header and the size that the copy of a database has.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseImage {
    pub(crate) header: DatabaseHeader,
    /// The last page.
    pub(crate) page_last: u32,
}

/// Databases and logs, or logs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Full,
    Incremental,
}

impl Scope {
    /// What records of the backup say that it is, before it is known whether the logs will be truncated.
    fn logged(self) -> BackupScope {
        match self {
            Scope::Full => BackupScope::Full,
            Scope::Incremental => BackupScope::Incremental,
        }
    }
}

/// A record of what happens in a backup (section 6.5).
fn record(phase: BackupPhase, scope: BackupScope, dbid: u8, info: BackupInfo) -> LogRecord<'static> {
    LogRecord::Backup2(Backup2 {
        phase,
        kind: BackupType::Normal.number(),
        scope,
        database: dbid,
        info,
        reserved: Reserved::default(),
        data: &[],
    })
}

impl Core {
    /// Logs what happens in a backup. Only stamps matter to recovery, so an error is only told.
    fn note_backup(&self, phase: BackupPhase, scope: Scope, info: BackupInfo) {
        let time = self.now();
        let info = BackupInfo { time, ..info };
        if let Err(error) = self.shared.log.append(&[record(phase, scope.logged(), 0, info)]) {
            tracing::warn!(%error, "a backup cannot be noted in the log");
        }
    }

    /// Whether pages, headers and logs can be written.
    fn check_can_log(&self) -> JetResult<()> {
        self.shared.check_works()
    }
}
