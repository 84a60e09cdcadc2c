//! The logs of a backup: which they are, and which need not be kept any more (external-backup.md sections 2.6 and 5).

use super::{LiveBackup, Scope, record};
use crate::engine::core::Core;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::BackupPhase;
use crate::format::{BackupInfo, LogPosition, LogTime};
use crate::io::FileSystem;
use crate::store::instance_names::{NameKind, kind_of};
use crate::store::log_writer::LogNaming;
use std::io::ErrorKind;
use std::path::PathBuf;

/// What was found out when the logs were asked for the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PreparedLogs {
    /// The first generation of the set.
    pub(crate) first: u32,
    /// The last one.
    pub(crate) last: u32,
    /// Where the record of it is: what identifies an incremental backup.
    pub(super) mark: LogPosition,
    pub(super) time: LogTime,
    /// The lowest generation that is there (`DeleteMic`).
    delete_first: u32,
    /// The first generation that crash recovery or the set's successors need (`DeleteMac`).
    delete_end: u32,
}

/// What truncation would delete, both ends inclusive, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncation {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Logs that were already gone.
    pub(crate) missing: u32,
}

impl LiveBackup {
    /// Rolls the log and fixes the set of logs. Once; of a frozen backup when it begins.
    ///
    /// # Errors
    /// The log cannot be written; the checkpoint file cannot be read; a log between the last backup and this one is
    /// missing (`JET_errMissingFileToBackup`).
    pub(crate) fn prepare_logs(&self) -> JetResult<PreparedLogs> {
        let mut logs = self.logs.lock();
        if let Some(logs) = *logs {
            return Ok(logs);
        }
        let core = &self.core;
        if core.shared.log.is_stopped() {
            let what = "the log was stopped on request";
            return Err(JetError::rule(JetErr::LogWriteFail, what));
        }
        let time = core.now();
        let info = BackupInfo {
            time,
            ..BackupInfo::default()
        };
        let prepare = record(BackupPhase::PrepareLogs, self.scope.logged(), 0, info);
        let rolled = core.shared.log.begin_generation_with(&[prepare]);
        let rolled = rolled.map_err(|error| core.fail(error))?.first;
        let last = rolled.generation - 1;
        self.databases()
            .iter()
            .for_each(|copy| copy.set_frozen_high(last));
        let delete_first = core.lowest_log()?.unwrap_or(rolled.generation);
        if self.scope == Scope::Incremental {
            core.check_chain(delete_first)?;
        }
        let first = match self.scope {
            Scope::Full => self.first_generation,
            Scope::Incremental => delete_first,
        };
        let prepared = PreparedLogs {
            first,
            last,
            mark: LogPosition { byte: 0, ..rolled },
            time,
            delete_first,
            delete_end: core.checkpoint_generation()?.min(rolled.generation),
        };
        *logs = Some(prepared);
        Ok(prepared)
    }

    /// What [`prepare_logs`](Self::prepare_logs) has found out, if it was called.
    pub(crate) fn prepared(&self) -> Option<PreparedLogs> {
        *self.logs.lock()
    }

    /// Paths of the logs of the set, in ascending order. They need not be there.
    pub(crate) fn log_paths(&self, logs: PreparedLogs) -> Vec<(u32, PathBuf)> {
        let naming = self.core.naming.as_ref();
        let paths =
            naming.map(|naming| (logs.first..=logs.last).map(|number| (number, naming.archived(number))));
        paths.into_iter().flatten().collect()
    }

    /// What truncation may delete if these databases were copied whole: all logs before the checkpoint, but of a full
    /// backup none that the last full backup of a database needs that was not copied now (section 5.1).
    ///
    /// # Errors
    /// Those of [`prepare_logs`](Self::prepare_logs).
    pub(crate) fn truncation(&self, is_copied: impl Fn(&PathBuf) -> bool) -> JetResult<Option<Truncation>> {
        let logs = self.prepare_logs()?;
        let mut end = logs.delete_end;
        if self.scope == Scope::Full {
            for file in self.core.attachments.all() {
                let is_in_set = self
                    .databases()
                    .iter()
                    .any(|copy| copy.path() == &file.database.path);
                if !is_in_set || !is_copied(&file.database.path) {
                    end = end.min(file.header().backup_full_previous.generation_high);
                }
            }
        }
        let first = logs.delete_first;
        let last = end.saturating_sub(1);
        Ok((first <= last && end > 0).then_some(Truncation {
            first,
            last,
            missing: 0,
        }))
    }

    /// Deletes logs, the lowest first, until one cannot be deleted.
    ///
    /// # Errors
    /// A log cannot be deleted; crash recovery needs one of them (`JET_errInvalidBackupSequence`).
    pub(crate) fn truncate(&self, first: u32, last: u32) -> JetResult<Truncation> {
        let core = &self.core;
        if self.prepared().is_none_or(|logs| last >= logs.delete_end) {
            let what = format!("generation {last:#x} is still needed");
            return Err(JetError::rule(JetErr::InvalidBackupSequence, what));
        }
        let info = BackupInfo {
            generation_low: first,
            generation_high: last + 1,
            ..BackupInfo::default()
        };
        core.note_backup(BackupPhase::Truncate, self.scope, info);
        // Crash recovery never needs them, whatever becomes of the record.
        let mut missing = 0;
        let Some(naming) = &core.naming else {
            return Ok(Truncation { first, last, missing });
        };
        for generation in first..=last {
            let path = naming.archived(generation);
            match core.shared.fs.remove(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => missing += 1,
                Err(error) => return Err(JetError::io("delete", error).in_file(&path)),
            }
        }
        Ok(Truncation { first, last, missing })
    }
}

impl Core {
    /// The lowest archived log that is there.
    fn lowest_log(&self) -> JetResult<Option<u32>> {
        let Some(naming) = &self.naming else {
            return Ok(None);
        };
        lowest_in(&*self.shared.fs, naming, &self.parameters.base_name)
    }

    /// No log may be missing between the last full or incremental backup and this one (section 2.6, step 5).
    fn check_chain(&self, lowest: u32) -> JetResult<()> {
        for file in self.attachments.all() {
            let header = file.header();
            let last = header.backup_full_previous.generation_high;
            let last = last.max(header.backup_incremental_previous.generation_high);
            let needed = last.saturating_add(1);
            if lowest > needed {
                let path = self.naming.as_ref().map(|naming| naming.archived(needed));
                let what = "is missing, which this database needs since its last backup";
                let error = JetError::rule(JetErr::MissingFileToBackup, what);
                return Err(error
                    .in_file(&path.unwrap_or_default())
                    .advise("Make a full backup."));
            }
        }
        Ok(())
    }
}

fn lowest_in(fs: &dyn FileSystem, naming: &LogNaming, base: &str) -> JetResult<Option<u32>> {
    let directory = naming.directory();
    let entries = fs.list(directory);
    let entries = entries.map_err(|error| JetError::io("list", error).in_file(directory))?;
    let generations = entries.iter().filter_map(|entry| match kind_of(&entry.name) {
        NameKind::ArchivedLog {
            base: found,
            generation,
        } if found.is(base) => Some(generation),
        _ => None,
    });
    Ok(generations.min())
}
