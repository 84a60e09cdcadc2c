//! The session's refusals: a `JET_err` each, and the reason in words.

use super::phase::{Backup, Phase};
use crate::error::{JetErr, JetError};
use std::ffi::OsStr;

pub(super) fn in_progress(backup: &Backup) -> JetError {
    match backup.phase {
        Phase::Surrogate => JetError::rule(
            JetErr::SurrogateBackupInProgress,
            "a surrogate backup is in progress",
        ),
        _ => JetError::rule(JetErr::BackupInProgress, "a backup is in progress"),
    }
}

pub(super) fn no_backup() -> JetError {
    JetError::rule(JetErr::NoBackup, "no backup is in progress")
}

pub(super) fn sequence(what: &'static str) -> JetError {
    JetError::rule(JetErr::InvalidBackupSequence, what)
}

pub(super) fn parameter(what: &'static str) -> JetError {
    JetError::rule(JetErr::InvalidParameter, what)
}

pub(super) fn bad_handle() -> JetError {
    parameter("no open file has this handle")
}

pub(super) fn invalid_grbit(grbit: u32) -> JetError {
    JetError::rule(
        JetErr::InvalidGrbit,
        format!("flags {grbit:#x} are not valid for beginning a backup"),
    )
}

pub(super) fn not_attached(name: &OsStr) -> JetError {
    let what = format!("{} is not an attached database", name.display());
    JetError::rule(JetErr::DatabaseNotFound, what)
}

pub(super) fn not_in_the_set(name: &OsStr) -> JetError {
    let what = format!("{} does not belong to the backup", name.display());
    JetError::rule(JetErr::InvalidParameter, what)
}
