//! What a backup in progress keeps from happening (external-backup.md section 1.6).

use crate::error::{JetErr, JetError, JetResult};
use parking_lot::Mutex;

/// Whether a backup is in progress, and which logs it needs.
#[derive(Debug, Default)]
pub(crate) struct BackupHold(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_in_progress: bool,
    /// The instance is ending, or has tried to.
    is_refused: bool,
    first_generation: Option<u32>,
}

impl BackupHold {
    /// Begins a backup.
    ///
    /// # Errors
    /// `JET_errBackupInProgress`; `JET_errBackupNotAllowedYet` when the instance ends.
    pub(crate) fn begin(&self) -> JetResult<()> {
        let mut state = self.0.lock();
        if state.is_refused {
            let what = "the instance is ending";
            return Err(JetError::rule(JetErr::BackupNotAllowedYet, what));
        }
        if std::mem::replace(&mut state.is_in_progress, true) {
            return Err(in_progress());
        }
        Ok(())
    }

    /// Logs from `generation` on stay until the backup ends.
    pub(crate) fn pin(&self, generation: u32) {
        self.0.lock().first_generation = Some(generation);
    }

    /// The backup has ended.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        (state.is_in_progress, state.first_generation) = (false, None);
    }

    /// No backup begins any more.
    pub(crate) fn refuse(&self) {
        self.0.lock().is_refused = true;
    }

    /// Whether no backup may begin any more.
    pub(crate) fn is_refused(&self) -> bool {
        self.0.lock().is_refused
    }

    /// The first generation that a backup in progress needs.
    pub(crate) fn first_generation(&self) -> Option<u32> {
        self.0.lock().first_generation
    }

    /// For what cannot be done during a backup.
    ///
    /// # Errors
    /// `JET_errBackupInProgress`.
    pub(crate) fn check_none(&self) -> JetResult<()> {
        if self.0.lock().is_in_progress {
            return Err(in_progress());
        }
        Ok(())
    }
}

fn in_progress() -> JetError {
    let what = "an external backup is in progress";
    JetError::rule(JetErr::BackupInProgress, what).advise("Wait until it ends, or end it.")
}
