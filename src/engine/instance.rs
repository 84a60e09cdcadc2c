//! The instance: it begins and ends (log-and-recovery.md sections 4.7, 5.5 and 6).
//!
//! ```text
//! init ── recovery ── Init2 ── AttachDB … DetachDB ── pages written ── ShutDownMark ── headers clean ── Term2 ── checkpoint
//! ```

use super::attach::check_written;
use super::attachments::make_clean;
use super::background::Background;
use super::checkpoint::counters_of;
use super::core::Core;
use super::database::Database;
use super::flush::END;
use super::parameters::Parameters;
use super::session::Session;
use super::shared::Life;
use super::start::start;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogPosition;
use crate::format::log_record::{LogRecord, Marker, Term2};
use crate::io::{Clock, FileSystem, RealClock, RealFileSystem};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// A running instance (`JET_INSTANCE`). A process may have several, in different directories.
///
/// Dropped without [`term`](Self::term), it ends as if the program had died: nothing more is written, and the next
/// [`init`](Self::init) recovers its databases.
///
/// ```
/// use jetfs::engine::{Instance, Parameters, Term};
///
/// let directory = tempfile::tempdir().unwrap();
/// let instance = Instance::init(Parameters::new(directory.path()))?;
/// instance.term(Term::Complete)?;
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
pub struct Instance {
    /// The thread, until the instance ends.
    background: Mutex<Option<Background>>,
    core: Arc<Core>,
}

/// How an instance ends (the bits of `JetTerm2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// `JET_bitTermComplete`: what is to be cleaned up is cleaned up, all is written, databases are clean.
    Complete,
    /// `JET_bitTermAbrupt`: nothing is cleaned up; all is written, databases are clean. A backup that is in progress is
    /// aborted.
    Abrupt,
    /// `JET_bitTermStopBackup`: as [`Complete`](Self::Complete); a backup that is in progress is aborted.
    StopBackup,
    /// `JET_bitTermDirty`: the log becomes durable, and nothing else is written; the next start recovers. Always answers
    /// `JET_errDirtyShutdown`.
    Dirty,
}

impl Instance {
    /// Starts an instance (`JetInit`). If the last run did not end well, its databases are recovered first.
    ///
    /// # Errors
    /// A parameter is not allowed (`JET_errInvalidParameter`); another process, or another instance of this one, has the
    /// directory (`JET_errFileAccessDenied`); recovery fails, with what it found; a file cannot be made or written.
    pub fn init(parameters: Parameters) -> JetResult<Self> {
        Self::init_on(parameters, Arc::new(RealFileSystem), Arc::new(RealClock))
    }

    /// As [`init`](Self::init), on another file system and with another clock.
    ///
    /// # Errors
    /// Those of [`init`](Self::init).
    pub fn init_on(
        parameters: Parameters,
        fs: Arc<dyn FileSystem>,
        clock: Arc<dyn Clock>,
    ) -> JetResult<Self> {
        let core = start(parameters, fs, clock)?;
        let start_thread = || {
            let started = Background::start(&core);
            started.map_err(|error| JetError::io("start a thread", error))
        };
        let background = core.parameters.background.then(start_thread).transpose()?;
        Ok(Instance {
            background: Mutex::new(background),
            core,
        })
    }

    /// Makes a database (`JetCreateDatabase`), which is attached then.
    ///
    /// # Errors
    /// The file exists (`JET_errDatabaseDuplicate`); its directory does not (`JET_errInvalidPath`); six databases are
    /// attached (`JET_errTooManyAttachedDatabases`); the file cannot be made, or there is no room for its first pages
    /// (`JET_errDiskFull`). Nothing is left of it then. Where the log cannot be written, or the file once the log knows of
    /// it, the instance has stopped.
    pub fn create_database(&self, path: impl AsRef<Path>) -> JetResult<Database> {
        self.core.create_database(path.as_ref()).map(Database::new)
    }

    /// Attaches a database (`JetAttachDatabase`): it can be opened until it is detached or the instance ends. One that is
    /// attached already stays so.
    ///
    /// # Errors
    /// There is no such file, or somebody uses it (`JET_errDatabaseInUse`); it was not shut down cleanly
    /// (`JET_errDatabaseDirtyShutdown`), has another page size (`JET_errPageSizeMismatch`) or a format that is not written
    /// (`JET_errInvalidDatabaseVersion`); six databases are attached (`JET_errTooManyAttachedDatabases`).
    pub fn attach_database(&self, path: impl AsRef<Path>) -> JetResult<Database> {
        self.core.attach(path.as_ref()).map(Database::new)
    }

    /// Detaches a database (`JetDetachDatabase`): its file is clean then.
    ///
    /// # Errors
    /// It is not attached (`JET_errDatabaseNotFound`), or a transaction is open that changed it (`JET_errDatabaseInUse`).
    pub fn detach_database(&self, path: impl AsRef<Path>) -> JetResult<()> {
        self.core.detach(path.as_ref())
    }

    /// Begins a session (`JetBeginSession`), which ends when it is dropped.
    ///
    /// # Errors
    /// `JET_errOutOfSessions`; the instance has stopped.
    pub fn session(&self) -> JetResult<Session> {
        Session::new(Arc::clone(&self.core.shared))
    }

    /// The work that the background thread does, once: lazy commits become durable, pages are written, the checkpoint
    /// moves. For instances without that thread.
    ///
    /// # Errors
    /// Something cannot be written: the instance has stopped.
    pub fn work(&self) -> JetResult<()> {
        self.core.work()
    }

    /// Writes everything that can be written, and moves the checkpoint as far as it goes.
    ///
    /// # Errors
    /// Something cannot be written: the instance has stopped.
    pub fn flush(&self) -> JetResult<()> {
        for file in self.core.attachments.all() {
            self.core.write_pages(&file, END)?;
        }
        self.core.move_checkpoint(true)
    }

    /// Refuses every further call with `JET_errClientRequestToStopJetService` (`JetStopServiceInstance`); only rollbacks
    /// and [`term`](Self::term) remain.
    pub fn stop_service(&self) {
        let _ = self.core.shared.stop_service();
    }

    /// Makes the log durable and writes nothing more into it (`JET_bitStopServiceStopAndEmitLog`): what changes anything
    /// gets `JET_errLogWriteFail`. Reading goes on, and so does the copy of a backup. Only [`term`](Self::term) remains, and
    /// the next start recovers.
    ///
    /// # Errors
    /// The log cannot be written: the instance has stopped.
    pub fn stop_log(&self) -> JetResult<()> {
        self.core.flush_log()?;
        self.core.shared.log.stop();
        Ok(())
    }

    /// Ends the instance (`JetTerm2`). It can do nothing afterwards, and nor can what was opened through it: sessions
    /// and tables may be open still.
    ///
    /// # Errors
    /// Sessions are in a transaction (`JET_errTooManyActiveUsers`, as the genuine engine refuses it): the instance goes
    /// on, and likewise with [`Term::Complete`] while a backup is in progress (`JET_errBackupInProgress`), after which none
    /// begins any more; [`Term::Dirty`] ends it all the same, and the next start rolls the transactions back.
    /// `JET_errLogWriteFail` after [`stop_log`](Self::stop_log).
    /// `JET_errDirtyShutdown`: it was to end dirty, it had stopped because of a failure, or something could not be written
    /// now; it has ended, and the next start recovers.
    pub fn term(&self, how: Term) -> JetResult<()> {
        self.core.backup.refuse();
        if how == Term::Complete {
            self.core.backup.check_none()?;
        }
        self.core.refuse_new_work(how)?;
        self.core.shared.set_life(Life::Ending);
        if matches!(how, Term::Abrupt | Term::StopBackup) {
            self.core.stop_backup();
        }
        *self.background.lock() = None;
        let ended = self.core.end(how);
        self.core.close_all();
        ended.map_err(|error| {
            let what = format!("the instance has ended, but not cleanly: {error}");
            let code = match self.core.shared.log.is_stopped() && how != Term::Dirty {
                true => JetErr::LogWriteFail,
                false => JetErr::DirtyShutdown,
            };
            JetError::rule(code, what).advise("Start it again: what was committed is in the log.")
        })
    }

    /// What the sessions share.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        *self.background.lock() = None;
        self.core.close_all();
    }
}

impl Core {
    /// Lets nobody begin anything, if no transaction is open.
    fn refuse_new_work(&self, how: Term) -> JetResult<()> {
        let was_stopped = self.shared.stop_service();
        let open = self.shared.transactions.open_count();
        if open == 0 || how == Term::Dirty {
            return Ok(());
        }
        if !was_stopped {
            self.shared.go_on();
        }
        let what = format!("{open} sessions are in a transaction");
        Err(JetError::rule(JetErr::TooManyActiveUsers, what).advise("End them, or end the instance dirty."))
    }

    fn end(&self, how: Term) -> JetResult<()> {
        let _administration = self.administration.lock();
        self.shared.check_works()?;
        if how == Term::Dirty {
            self.flush_log()?;
            return Err(JetError::rule(JetErr::DirtyShutdown, "that was asked for"));
        }
        if matches!(how, Term::Complete | Term::StopBackup) {
            self.clean_up()?;
        }
        let ended = self.end_cleanly();
        ended.map_err(|error| self.fail(error))
    }

    /// Databases that are still attached get no `DetachDB`: they are consistent with the `ShutDownMark`.
    fn end_cleanly(&self) -> JetResult<()> {
        let attached = self.attachments.all();
        for file in &attached {
            self.write_pages(file, END)?;
            check_written(file)?;
        }
        let mark = self.log_durably(LogRecord::ShutDownMark(Marker {}))?;
        for file in &attached {
            let (time, counters) = (self.now(), counters_of(file));
            file.change_header(|header| make_clean(header, mark, time, counters))?;
        }
        let term = self.log_durably(LogRecord::Term2(Term2 {
            start: self.init,
            redo_from: LogPosition::default(),
            hard: 0,
            time: self.now(),
        }))?;
        self.end_checkpoint(term)?;
        attached.iter().try_for_each(|file| self.forget(file))
    }

    fn log_durably(&self, record: LogRecord<'_>) -> JetResult<LogPosition> {
        let appended = self.shared.log.append(&[record])?;
        self.shared.log.close_segment()?;
        self.shared.log.flush_to(appended.end)?;
        Ok(appended.first)
    }

    /// Nothing works any more, and no file is locked that nobody else has open.
    fn close_all(&self) {
        let _ = self.backup.stop();
        self.shared.set_life(Life::Ended);
        let what = "the instance has ended";
        let _ = self.shared.fail(JetError::rule(JetErr::NotInitialized, what));
        self.shared.log.close();
        for file in self.attachments.all() {
            file.database.close();
            self.shared.remove_database(file.database.dbid);
            self.attachments.remove(file.database.dbid);
            let _ = file.database.file.unlock();
        }
        self.lock.release();
    }
}
