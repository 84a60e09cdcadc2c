//! A backup ends (external-backup.md sections 2.9 and 6.3).

use super::begin::release;
use super::logs::PreparedLogs;
use super::{LiveBackup, Scope, record};
use crate::error::JetResult;
use crate::format::log_record::{BackupPhase, BackupScope};
use crate::format::{BackupInfo, BackupType, DbState};
use std::path::PathBuf;

impl LiveBackup {
    /// Ends normally: the headers of these databases are stamped, by records, and durable. Of an incremental backup all
    /// attached databases count.
    ///
    /// # Errors
    /// A stamp cannot be written: the instance has stopped. The backup has ended all the same.
    pub(crate) fn end(&self, is_truncated: bool, is_stamped: impl Fn(&PathBuf) -> bool) -> JetResult<()> {
        let mut is_ended = self.is_ended.lock();
        if std::mem::replace(&mut *is_ended, true) {
            return Ok(());
        }
        self.core.backup.check(self.number)?;
        let stamped = self.stamp(is_truncated, is_stamped);
        self.finish();
        stamped.map_err(|error| self.core.fail(error))
    }

    /// Ends as aborted.
    pub(crate) fn abort(&self) {
        let mut is_ended = self.is_ended.lock();
        if !std::mem::replace(&mut *is_ended, true) && self.core.backup.check(self.number).is_ok() {
            self.core
                .note_backup(BackupPhase::Abort, self.scope, BackupInfo::default());
            self.finish();
        }
    }

    fn finish(&self) {
        release(&self.core, self.number);
        self.core
            .note_backup(BackupPhase::Stop, self.scope, BackupInfo::default());
    }

    fn stamp(&self, is_truncated: bool, is_stamped: impl Fn(&PathBuf) -> bool) -> JetResult<()> {
        let logs = self.prepare_logs()?;
        let scope = match (self.scope, is_truncated) {
            (Scope::Full, true) => BackupScope::Full,
            (Scope::Full, false) => BackupScope::Copy,
            (Scope::Incremental, true) => BackupScope::Incremental,
            (Scope::Incremental, false) => BackupScope::Differential,
        };
        let (mark, time) = match self.scope {
            Scope::Full => (self.mark, self.time),
            Scope::Incremental => (logs.mark, logs.time),
        };
        let info = BackupInfo {
            mark,
            time,
            generation_low: logs.first,
            generation_high: logs.last,
        };
        let core = &self.core;
        let _administration = core.administration.lock();
        for file in core.attachments.all() {
            if file.header().state != DbState::DirtyShutdown || !is_stamped(&file.database.path) {
                continue;
            }
            let update = record(BackupPhase::UpdateHeader, scope, file.database.dbid, info);
            let logged = core.shared.log.append(&[update])?;
            core.shared.log.flush_to(logged.end)?;
            file.change_header(|header| header.stamp_backup(scope, BackupType::Normal, info))?;
        }
        self.remember(logs)
    }

    /// The checkpoint file tells where the last backup asked for its logs (section 6.2).
    fn remember(&self, logs: PreparedLogs) -> JetResult<()> {
        let Some(file) = &self.core.checkpoint else {
            return Ok(());
        };
        file.remember_backup(|checkpoint| match self.scope {
            Scope::Full => (checkpoint.full_backup, checkpoint.full_backup_time) = (logs.mark, logs.time),
            Scope::Incremental => {
                (checkpoint.incremental_backup, checkpoint.incremental_backup_time) = (logs.mark, logs.time);
            }
        })
    }
}

impl Drop for LiveBackup {
    fn drop(&mut self) {
        self.abort();
    }
}
