//! What an instance consists of, as its own thread and the sessions use it.

use super::attachments::Attachments;
use super::backup::BackupHold;
use super::checkpoint::CheckpointFile;
use super::events::Event;
use super::flush::Geometry;
use super::parameters::Parameters;
use super::shared::Shared;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{LogPosition, LogTime, PageSize, Signature};
use crate::io::File;
use crate::store::log_writer::LogNaming;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A running instance.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) parameters: Parameters,
    pub(crate) page_size: PageSize,
    pub(crate) shared: Arc<Shared>,
    pub(super) attachments: Arc<Attachments>,
    /// The checkpoint file, which keeps others out.
    pub(super) lock: LockedFile,
    /// None without a log.
    pub(super) checkpoint: Option<CheckpointFile>,
    /// The names of the logs.
    pub(crate) naming: Option<LogNaming>,
    pub(crate) geometry: Geometry,
    /// `signLog`; not set without a log.
    pub(super) signature: Signature,
    /// Position of `Init2`.
    pub(super) init: LogPosition,
    /// Held while a database is attached, made or detached, and while the instance ends: the checkpoint stays meanwhile,
    /// and nothing is cleaned up in the background.
    pub(super) administration: Mutex<()>,
    /// The external backup that is in progress.
    pub(crate) backup: BackupHold,
    /// Whether it was told that the instance has stopped.
    pub(super) is_failure_told: AtomicBool,
}

/// A file that is locked until the instance has ended.
#[derive(Debug, Clone)]
pub(super) struct LockedFile(Arc<Mutex<Option<Arc<dyn File>>>>);

impl LockedFile {
    /// A file that was locked.
    pub(super) fn new(file: Arc<dyn File>) -> Self {
        LockedFile(Arc::new(Mutex::new(Some(file))))
    }

    /// The file.
    ///
    /// # Errors
    /// `JET_errNotInitialized`: the instance has ended.
    pub(super) fn get(&self) -> JetResult<Arc<dyn File>> {
        let ended = || JetError::rule(JetErr::NotInitialized, "the instance has ended");
        self.0.lock().clone().ok_or_else(ended)
    }

    /// Lets others have it.
    pub(super) fn release(&self) {
        *self.0.lock() = None;
    }
}

impl Core {
    /// Stops the instance for `error`, and tells it.
    pub(super) fn fail(&self, error: JetError) -> JetError {
        let error = self.shared.fail(error);
        self.tell_failure();
        error
    }

    /// Tells that the instance has stopped, once.
    pub(super) fn tell_failure(&self) {
        let Err(error) = self.shared.check_works() else {
            return;
        };
        if !self.is_failure_told.swap(true, Ordering::AcqRel) {
            let code = self.shared.failure().unwrap_or(error.code());
            let what = error.to_string();
            self.parameters.events.tell(&Event::Failed { code, what });
        }
    }

    /// Whether anything is logged.
    pub(crate) fn is_logged(&self) -> bool {
        self.naming.is_some()
    }

    pub(super) fn now(&self) -> LogTime {
        LogTime::from(self.shared.clock.now())
    }

    /// One step of what is done in the background: lazy commits become durable, versions that everybody sees are
    /// forgotten, pages are written, the checkpoint moves.
    ///
    /// # Errors
    /// Something cannot be written: the instance has stopped.
    pub(super) fn work(&self) -> JetResult<()> {
        let worked = self.try_work();
        if worked.is_err() {
            self.tell_failure();
        }
        worked
    }

    fn try_work(&self) -> JetResult<()> {
        self.shared.check_works()?;
        if self.shared.log.is_stopped() {
            return Ok(());
        }
        self.flush_log()?;
        let prepared = self.shared.log.prepare_next();
        prepared.map_err(|error| self.fail(error))?;
        if let Some(_nobody_detaches) = self.administration.try_lock() {
            self.clean_up()?;
        }
        self.write_what_is_due()?;
        self.move_checkpoint(false)
    }

    /// Makes the log durable to its end.
    ///
    /// # Errors
    /// It cannot be written: the instance has stopped.
    pub(super) fn flush_log(&self) -> JetResult<()> {
        let flushed = self.shared.log.flush_to(self.shared.log.end());
        flushed.map_err(|error| self.fail(error))
    }
}
