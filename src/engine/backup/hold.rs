//! What a backup in progress keeps from happening (external-backup.md section 1.6).

use super::Scope;
use crate::error::{JetErr, JetError, JetResult};
use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

/// Whether a backup is in progress, and which logs it needs.
#[derive(Debug, Default)]
pub(crate) struct BackupHold(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    in_progress: Option<Scope>,
    /// Of the last backup that began.
    number: u64,
    /// The instance is ending, or has tried to.
    is_refused: bool,
    first_generation: Option<u32>,
    /// What the copies of the last backup show as their time.
    shown: Option<SystemTime>,
}

impl BackupHold {
    /// Begins a backup; answers its number.
    ///
    /// # Errors
    /// `JET_errBackupInProgress`; `JET_errBackupNotAllowedYet` when the instance ends, or has tried to.
    pub(crate) fn begin(&self, scope: Scope) -> JetResult<u64> {
        let mut state = self.0.lock();
        if state.is_refused {
            let what = "the instance is ending";
            return Err(JetError::rule(JetErr::BackupNotAllowedYet, what));
        }
        if state.in_progress.is_some() {
            return Err(in_progress());
        }
        state.in_progress = Some(scope);
        state.number += 1;
        Ok(state.number)
    }

    /// The time that the files of a backup show that begins now: rsync compares whole seconds, so it is in a later one
    /// than that of every earlier backup, whatever the clock says.
    pub(crate) fn show(&self, now: SystemTime) -> SystemTime {
        let mut state = self.0.lock();
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let next = state
            .shown
            .map(|shown| Duration::from_secs(since(shown).as_secs() + 1));
        let shown = match next {
            Some(next) if since(now) < next => SystemTime::UNIX_EPOCH + next,
            _ => now,
        };
        state.shown = Some(shown);
        shown
    }

    /// Logs from `generation` on stay until the backup ends.
    pub(crate) fn pin(&self, generation: u32) {
        self.0.lock().first_generation = Some(generation);
    }

    /// The backup of this number ends; answers whether it was still in progress.
    pub(crate) fn end(&self, number: u64) -> bool {
        let mut state = self.0.lock();
        state.number == number && state.stop().is_some()
    }

    /// The instance ends whatever backup is in progress.
    pub(crate) fn stop(&self) -> Option<Scope> {
        self.0.lock().stop()
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
        match self.0.lock().in_progress {
            None => Ok(()),
            Some(_) => Err(in_progress()),
        }
    }

    /// For what can only be done during the backup of this number.
    ///
    /// # Errors
    /// `JET_errBackupAbortByServer`: the instance has ended it.
    pub(crate) fn check(&self, number: u64) -> JetResult<()> {
        let state = self.0.lock();
        if state.number == number && state.in_progress.is_some() {
            return Ok(());
        }
        let what = "the instance has ended the backup";
        Err(JetError::rule(JetErr::BackupAbortByServer, what))
    }
}

impl State {
    fn stop(&mut self) -> Option<Scope> {
        self.first_generation = None;
        self.in_progress.take()
    }
}

fn in_progress() -> JetError {
    let what = "an external backup is in progress";
    JetError::rule(JetErr::BackupInProgress, what).advise("Wait until it ends, or end it.")
}
