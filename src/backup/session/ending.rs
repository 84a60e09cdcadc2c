//! How a backup ends: what it comes to, what the source has to do for it, and the way back to NotStarted
//! (external-backup.md section 2.9).

use super::gate::InstanceState;
use super::outcome::{BackupOutcome, Scope};
use super::phase::{Backup, Phase, State};
use super::{BackupSession, Inner};
use crate::backup::event::BackupEvent;
use crate::backup::source::{EndGrbit, Ending};
use crate::error::JetErr;
use std::ffi::OsString;

impl BackupSession {
    /// What an End comes to, and what the source has to do for it (section 2.9).
    pub(super) fn conclude(&self, backup: &Backup, grbit: EndGrbit) -> (BackupOutcome, Ending) {
        if grbit.contains(EndGrbit::ABORT) {
            return (BackupOutcome::AbortedByCaller, Ending::Aborted);
        }
        if backup.barrier.is_closed() {
            return (BackupOutcome::AbortedByServer, Ending::Aborted);
        }
        let truncated = backup.truncated() || grbit.contains(EndGrbit::TRUNCATE_DONE);
        let outcome = backup.normal_outcome(truncated);
        let ending = if self.is_normal(backup, &outcome) {
            let stamp = match grbit.contains(EndGrbit::NO_DB_HEADER_UPDATE) {
                true => Vec::new(),
                false => self.to_stamp(backup),
            };
            Ending::Normal { truncated, stamp }
        } else {
            Ending::Aborted
        };
        (outcome, ending)
    }

    /// The published protocol ends normally even if no log was read. A frozen backup without all its logs must not
    /// be remembered as a backup.
    fn is_normal(&self, backup: &Backup, outcome: &BackupOutcome) -> bool {
        match (&backup.phase, outcome) {
            (Phase::Databases { .. } | Phase::IncrementalBegun | Phase::Surrogate, _) => false,
            (Phase::Frozen { set, .. }, BackupOutcome::Incomplete { .. }) => {
                set.logs.files.iter().all(|log| backup.is_copied(&log.name))
            }
            _ => true,
        }
    }

    fn to_stamp(&self, backup: &Backup) -> Vec<OsString> {
        match backup.set() {
            Some(set) if set.scope == Scope::Full => backup.copied_databases(),
            _ => match self.source.databases() {
                Ok(databases) => databases.into_iter().map(|file| file.name).collect(),
                Err(error) => {
                    tracing::warn!("the headers are not stamped: {error}");
                    Vec::new()
                }
            },
        }
    }

    pub(super) fn fail(&self, inner: &mut Inner, code: JetErr) {
        self.finish(inner, BackupOutcome::Failed { code }, &Ending::Aborted);
    }

    /// Back to NotStarted, whatever the source says: a stamp that cannot be written is a warning (event 219), but
    /// then the backup is not what the caller thinks.
    pub(super) fn finish(&self, inner: &mut Inner, mut outcome: BackupOutcome, ending: &Ending) {
        let failed = self.end_source(ending);
        // An instance that has ended has told it.
        if self.source.instance_state() != InstanceState::Terminated {
            self.tell_ended(&outcome, ending, failed);
        }
        if let Some(code) = failed
            && matches!(outcome, BackupOutcome::Complete { .. })
        {
            outcome = BackupOutcome::Failed { code };
        }
        let ended = std::mem::replace(&mut inner.state, State::NotStarted { last: Some(outcome) });
        if let State::InProgress(backup) = ended {
            backup.barrier.set(Some(JetErr::NoBackup));
        }
    }

    fn tell_ended(&self, outcome: &BackupOutcome, ending: &Ending, failed: Option<JetErr>) {
        if let (Ending::Normal { .. }, Some(code)) = (ending, failed) {
            self.source.tell(&BackupEvent::StampFailed { code });
        }
        self.source.tell(&match (ending, outcome) {
            (Ending::Normal { .. }, _) => BackupEvent::Ended,
            (Ending::Aborted, BackupOutcome::AbortedByServer) => BackupEvent::AbortedByServer,
            (Ending::Aborted, BackupOutcome::Failed { code }) => BackupEvent::Failed { code: *code },
            (Ending::Aborted, _) => BackupEvent::AbortedByCaller,
        });
    }

    pub(super) fn end_source(&self, ending: &Ending) -> Option<JetErr> {
        let error = self.source.end(ending).err()?;
        tracing::warn!("ending the backup: {error}");
        Some(error.code())
    }
}
