//! The backup session: the one state machine that every source goes through.
//!
//! Rules: external-backup.md sections 1 to 5; where it deviates from the genuine engine, section 12.1 says so. The
//! state is an enum ([`phase`]); each call checks, in this order: the instance ([`gate`], section 1.2), whether there
//! is a backup (JET_errNoBackup), whether it was stopped (JET_errBackupAbortByServer), then arguments and sequence.
//!
//! One mutex guards the state. Reading goes on outside of it, on the [`OpenFile`].

mod begin_checks;
mod delivered;
mod ending;
mod gate;
mod open_file;
mod outcome;
mod phase;
mod refusal;
#[cfg(test)]
pub(crate) mod tests;

pub use delivered::Delivered;
pub use gate::InstanceState;
pub use open_file::{FileHandle, OpenFile};
pub use outcome::{BackupKind, BackupOutcome};
pub use phase::PhaseName;

use self::begin_checks::check_begin;
use self::gate::Gate;
use self::open_file::ReadFailure;
use self::outcome::Scope;
use self::phase::{Backup, OpenFiles, Phase, Set, State, nothing_read};
use self::refusal::{bad_handle, in_progress, no_backup, not_attached, not_in_the_set, parameter, sequence};
use super::event::BackupEvent;
use super::source::{BeginGrbit, EndGrbit, Ending, FileRole, LogRange, LogSet, Source, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use parking_lot::{Mutex, MutexGuard};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// An instance's backup protocol: JetBeginExternalBackup to JetEndExternalBackup, any number of times.
#[derive(Debug)]
pub struct BackupSession {
    source: Arc<dyn Source>,
    gate: Gate,
    readers: Readers,
    inner: Mutex<Inner>,
}

/// How many files may be open at the same time in the published protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// One, as published.
    One,
    /// Any number, each with its own place, and read at an offset: what a mount needs (external-backup.md section 12.1).
    Many,
}

#[derive(Debug)]
struct Inner {
    state: State,
    last_handle: u64,
}

/// How far the copy of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProgress {
    /// The file's name in the backup.
    pub name: OsString,
    /// Bytes that it has.
    pub len: u64,
    /// Different bytes that were delivered. In the published protocol a file counts when it is closed.
    pub delivered: u64,
    /// Whether all were delivered.
    pub complete: bool,
}

impl BackupSession {
    /// A session without a backup, for an instance that is running.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self::with(source, Readers::One)
    }

    /// As [`new`](Self::new), but in the published protocol too any number of files may be open, and are read at an
    /// offset with [`OpenFile::read_at`]. Whoever does so must read a database from its start to its end, its last page
    /// after all others. The bytes of a log count whoever reads them; a database counts when it was read whole by one
    /// opening. A read that fails fails nothing else.
    pub fn for_many_readers(source: Arc<dyn Source>) -> Self {
        Self::with(source, Readers::Many)
    }

    fn with(source: Arc<dyn Source>, readers: Readers) -> Self {
        BackupSession {
            readers,
            source,
            gate: Gate::default(),
            inner: Mutex::new(Inner {
                state: State::NotStarted { last: None },
                last_handle: 0,
            }),
        }
    }

    /// The source that is backed up.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The owner of the instance says how it is. A backup in progress stays: see
    /// [`abort_by_server`](Self::abort_by_server).
    pub fn set_instance_state(&self, state: InstanceState) {
        self.gate.set_instance(state);
    }

    /// JetBeginExternalBackupInstance. `grbit` as published (section 2.1), and `JET_bitBackupSnapshot`, alone or with
    /// `JET_bitBackupIncremental`, for a frozen backup.
    pub fn begin(&self, grbit: u32) -> JetResult<()> {
        self.pass()?;
        let mut inner = self.inner.lock();
        let grbit = check_begin(self.source.obstacles(), grbit)?;
        if let State::InProgress(backup) = &inner.state {
            return Err(in_progress(backup));
        }
        self.source.begin(grbit)?;
        match self.begun(grbit) {
            Ok(backup) => {
                inner.state = State::InProgress(backup);
                Ok(())
            }
            Err(error) => {
                self.end_source(&Ending::Aborted);
                Err(error)
            }
        }
    }

    /// JetGetAttachInfo: the databases.
    pub fn get_attach_info(&self) -> JetResult<Vec<SourceFile>> {
        let mut inner = self.enter()?;
        match &inner.backup()?.phase {
            Phase::Databases { .. } => self.source.databases(),
            Phase::Logs { set, .. } | Phase::Frozen { set, .. } if set.scope == Scope::Full => {
                Ok(set.databases.clone())
            }
            _ => Err(sequence("an incremental backup has no databases")),
        }
    }

    /// JetOpenFile. `name` is a file's name in the backup or its path in the source. Answers the handle and the
    /// length. In the published protocol one file at a time; a failure there ends the whole backup once the
    /// databases are done (section 2.3). In a frozen backup any number, and a failure ends nothing.
    pub fn open_file(&self, name: &OsStr) -> JetResult<(FileHandle, u64)> {
        let mut inner = self.enter()?;
        let backup = inner.backup()?;
        if name.is_empty() {
            return Err(parameter("the name is empty"));
        }
        if self.readers == Readers::One && backup.has_open_stream() {
            return Err(JetError::rule(
                JetErr::OutOfMemory,
                "a file is open already: close it first",
            ));
        }
        match self.open_in_phase(backup, name) {
            Ok(file) => {
                self.tell_opened(&file);
                Ok(inner.keep_open(file))
            }
            Err(error) => {
                self.open_failed(&mut inner, name, &error);
                Err(error)
            }
        }
    }

    /// The open file behind a handle, to read at any offset without the session's lock. A frozen
    /// backup, or a session for many readers.
    pub fn file(&self, handle: FileHandle) -> JetResult<Arc<OpenFile>> {
        let mut inner = self.enter()?;
        let backup = inner.backup()?;
        if self.readers == Readers::One && !matches!(backup.phase, Phase::Frozen { .. }) {
            return Err(sequence("only a frozen backup is read at an offset"));
        }
        backup.open_file(handle).cloned().ok_or_else(bad_handle)
    }

    /// Bytes in a page of an open file.
    pub fn page_size(&self, handle: FileHandle) -> JetResult<PageSize> {
        let mut inner = self.enter()?;
        let file = inner.backup()?.open_file(handle).ok_or_else(bad_handle)?;
        Ok(file.backup_file().page_size())
    }

    /// Reads at `offset` until `buf` is full or the file ends. Frozen backups only.
    pub fn read_at(&self, handle: FileHandle, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        self.file(handle)?.read_at(buf, offset)
    }

    /// JetReadFile: the next bytes; 0 at the end. `buf` must hold whole pages (sections 4.2 and 4.6). When a database
    /// cannot be read, its handle is closed and the other databases go on; when a log cannot, the backup ends.
    pub fn read_file(&self, handle: FileHandle, buf: &mut [u8]) -> JetResult<usize> {
        let file = {
            let mut inner = self.enter()?;
            let backup = inner.backup()?;
            backup.open_file(handle).cloned().ok_or_else(bad_handle)?
        };
        match file.read_next(buf) {
            Ok(read) => Ok(read),
            Err(ReadFailure::Argument(error)) => Err(error),
            Err(ReadFailure::File(error)) => {
                self.read_failed(handle, error.code());
                Err(error)
            }
        }
    }

    /// JetCloseFile; also after JetStopBackup. A file that was read to its end counts as copied from now on.
    pub fn close_file(&self, handle: FileHandle) -> JetResult<()> {
        self.pass()?;
        let mut inner = self.inner.lock();
        let backup = inner.backup_even_if_stopped()?;
        let file = backup.take_open(handle).ok_or_else(bad_handle)?;
        self.tell_closed(&file);
        if file.delivered().is_complete() {
            let name = file.source_file().name.clone();
            backup.copies.insert(name, Arc::clone(file.delivered()));
        }
        Ok(())
    }

    /// JetGetLogInfo: the logs of the backup. The first call ends the database phase for good; if it fails, the
    /// backup ends (section 12.1). In a frozen backup it only lists.
    pub fn get_log_info(&self) -> JetResult<LogSet> {
        let mut inner = self.enter()?;
        let set = self.prepared(&mut inner)?;
        Ok(set.logs.clone())
    }

    /// JetGetTruncateLogInfo: the logs that JetTruncateLog would delete; `None` for none. Ends the database phase as
    /// [`get_log_info`](Self::get_log_info) does.
    pub fn get_truncate_log_info(&self) -> JetResult<Option<LogRange>> {
        let mut inner = self.enter()?;
        self.prepared(&mut inner)?;
        let copied = inner.backup()?.copied_databases();
        self.source.truncatable(&copied)
    }

    /// JetTruncateLog: deletes the logs that no database needs any more. JET_errLogFileNotCopied until every
    /// generation of the set was copied; in a frozen backup, until every byte of every file was.
    pub fn truncate_log(&self) -> JetResult<()> {
        let mut inner = self.enter()?;
        let backup = inner.backup()?;
        if backup.has_open_stream() {
            return Err(sequence("a file is open"));
        }
        if backup.set().is_none() {
            return Err(sequence("the logs of the backup are not known yet"));
        }
        if !backup.may_truncate() {
            self.source.tell(&BackupEvent::LogsNotCopied);
            return Err(JetError::rule(
                JetErr::LogFileNotCopied,
                "not every file of the set was copied",
            ));
        }
        let copied = backup.copied_databases();
        let range = self.source.truncatable(&copied)?;
        // What counts is that deletion was reached, not that it succeeded (section 2.8).
        if let Phase::Logs { truncated, .. } | Phase::Frozen { truncated, .. } = &mut backup.phase {
            *truncated = true;
        }
        let Some(range) = range else {
            self.source.tell(&BackupEvent::NothingTruncated);
            return Ok(());
        };
        self.source.truncate(range)
    }

    /// JetEndExternalBackupInstance: ends normally.
    pub fn end(&self) -> JetResult<()> {
        self.end_with(EndGrbit::NORMAL.bits())
    }

    /// JetEndExternalBackupInstance2. `grbit` as published: exactly one of normal and abort. Succeeds whenever a
    /// backup was in progress; what it came to, [`outcome`](Self::outcome) tells.
    pub fn end_with(&self, grbit: u32) -> JetResult<()> {
        self.pass()?;
        let grbit = EndGrbit::from_bits_truncate(grbit);
        if grbit.contains(EndGrbit::NORMAL) == grbit.contains(EndGrbit::ABORT) {
            return Err(parameter("exactly one of normal and abort must be asked for"));
        }
        let mut inner = self.inner.lock();
        let backup = inner.backup_in_any_phase()?;
        let (outcome, ending) = self.conclude(backup, grbit);
        self.finish(&mut inner, outcome, &ending);
        Ok(())
    }

    /// JetStopBackupInstance: from now on every call but close and end answers JET_errBackupAbortByServer. A read
    /// that is under way finishes. Without effect when there is no backup.
    pub fn stop_backup(&self) -> JetResult<()> {
        self.check_handle()?;
        if let State::InProgress(backup) = &self.inner.lock().state {
            backup.barrier.set(Some(JetErr::BackupAbortByServer));
        }
        Ok(())
    }

    /// JetStopServiceInstance: every call but this and [`stop_backup`](Self::stop_backup) answers
    /// JET_errClientRequestToStopJetService, for ever. The backup itself stays as it is.
    pub fn stop_service(&self) -> JetResult<()> {
        self.check_handle()?;
        self.gate.stop_service();
        Ok(())
    }

    /// Ends a backup because the instance ends, a time limit passed or the like. The owner's call: it passes the
    /// gate, and does nothing when there is no backup.
    pub fn abort_by_server(&self) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, State::InProgress(_)) {
            self.finish(&mut inner, BackupOutcome::AbortedByServer, &Ending::Aborted);
        }
    }

    /// The caller vouches that its copy of a file equals the source, although it did not read all of it: rsync
    /// resuming, `umount --copied`, `verify --for`. A file of a frozen backup,
    /// or a log of a session for many readers.
    pub fn vouch_for(&self, name: &OsStr) -> JetResult<()> {
        let mut inner = self.enter()?;
        let backup = inner.backup()?;
        let role = backup.set().and_then(|set| set.find(name)).map(|file| file.role);
        let is_ours = match backup.phase {
            Phase::Frozen { .. } => true,
            Phase::Logs { .. } => self.readers == Readers::Many && role != Some(FileRole::Database),
            _ => false,
        };
        if !is_ours {
            return Err(sequence("only what cannot change any more can be vouched for"));
        }
        let delivered = backup.copies.get(name).ok_or_else(|| not_in_the_set(name))?;
        delivered.add_all();
        Ok(())
    }

    /// What the last backup really came to; `None` while one is in progress and before the first.
    pub fn outcome(&self) -> Option<BackupOutcome> {
        match &self.inner.lock().state {
            State::NotStarted { last } => last.clone(),
            State::InProgress(_) => None,
        }
    }

    /// Where the backup stands.
    pub fn phase(&self) -> PhaseName {
        match &self.inner.lock().state {
            State::NotStarted { .. } => PhaseName::NotStarted,
            State::InProgress(backup) => backup.name(),
        }
    }

    /// Whether the backup in progress was stopped.
    pub fn is_stopped(&self) -> bool {
        match &self.inner.lock().state {
            State::NotStarted { .. } => false,
            State::InProgress(backup) => backup.barrier.is_closed(),
        }
    }

    /// How far each file is, once the set is known: from Begin in a frozen backup, from JetGetLogInfo otherwise. Before
    /// that: the databases that were copied.
    pub fn progress(&self) -> Vec<FileProgress> {
        match &self.inner.lock().state {
            State::NotStarted { .. } => Vec::new(),
            State::InProgress(backup) => progress_of(backup),
        }
    }
}

/// What the calls share.
impl BackupSession {
    /// The gate. An instance that has ended has taken the backup with it.
    fn pass(&self) -> JetResult<()> {
        self.gate.check()?;
        let instance = self.source.instance_state();
        if instance == InstanceState::Terminated {
            self.abort_by_server();
        }
        instance.check()
    }

    fn check_handle(&self) -> JetResult<()> {
        self.gate.check_handle()?;
        match self.source.instance_state() {
            gone @ InstanceState::Terminated => gone.check(),
            _ => Ok(()),
        }
    }

    fn enter(&self) -> JetResult<MutexGuard<'_, Inner>> {
        self.pass()?;
        Ok(self.inner.lock())
    }

    fn begun(&self, grbit: BeginGrbit) -> JetResult<Backup> {
        let scope = if grbit.contains(BeginGrbit::INCREMENTAL) {
            Scope::Incremental
        } else {
            Scope::Full
        };
        if grbit.contains(BeginGrbit::SNAPSHOT) {
            return Ok(Backup::frozen(self.fix_set(scope)?));
        }
        Ok(Backup::new(match scope {
            _ if grbit.contains(BeginGrbit::SURROGATE) => Phase::Surrogate,
            Scope::Full => Phase::Databases {
                open: OpenFiles::new(),
            },
            Scope::Incremental => Phase::IncrementalBegun,
        }))
    }

    /// Fixes what belongs to the backup. Databases created meanwhile belong to it (section 1.6).
    fn fix_set(&self, scope: Scope) -> JetResult<Set> {
        let logs = self.source.prepare_logs()?;
        let databases = match scope {
            Scope::Full => self.source.databases()?,
            Scope::Incremental => Vec::new(),
        };
        Ok(Set {
            scope,
            databases,
            logs,
        })
    }

    /// The set; the first call in the published protocol fixes it. A failure ends the backup instead of leaving it
    /// half prepared (sections 2.6 and 12.1).
    fn prepared<'a>(&self, inner: &'a mut Inner) -> JetResult<&'a Set> {
        let backup = inner.backup()?;
        if backup.has_open_stream() {
            return Err(sequence("a file is open"));
        }
        let scope = match backup.phase {
            Phase::Databases { .. } => Some(Scope::Full),
            Phase::IncrementalBegun => Some(Scope::Incremental),
            Phase::Logs { .. } | Phase::Frozen { .. } | Phase::Surrogate => None,
        };
        if let Some(scope) = scope {
            match self.fix_set(scope) {
                Ok(set) => {
                    if self.readers == Readers::Many {
                        backup.copies.extend(nothing_read(&set.logs.files));
                    }
                    backup.phase = Phase::Logs {
                        set,
                        truncated: false,
                        open: OpenFiles::new(),
                    }
                }
                Err(error) => {
                    self.fail(inner, error.code());
                    return Err(error);
                }
            }
        }
        inner.backup()?.set().ok_or_else(no_backup)
    }

    fn open_in_phase(&self, backup: &Backup, name: &OsStr) -> JetResult<OpenFile> {
        let file = match &backup.phase {
            Phase::Databases { .. } => self.attached(name)?.ok_or_else(|| not_attached(name))?,
            Phase::Frozen { set, .. } => set.find(name).cloned().ok_or_else(|| not_in_the_set(name))?,
            Phase::IncrementalBegun => {
                self.refuse_database(name)?;
                return Err(not_in_the_set(name));
            }
            Phase::Logs { set, .. } => {
                self.refuse_database(name)?;
                let listed = set.logs.files.iter().find(|file| file.is_called(name));
                listed.cloned().ok_or_else(|| not_in_the_set(name))?
            }
            Phase::Surrogate => return Err(no_backup()),
        };
        let opened = self
            .source
            .open(&file)
            .map_err(|error| missing_log(&file, error))?;
        let delivered = match &backup.phase {
            Phase::Frozen { .. } => backup.copies.get(&file.name).cloned(),
            Phase::Logs { .. } if self.readers == Readers::Many => backup.copies.get(&file.name).cloned(),
            _ => None,
        };
        let delivered = delivered.unwrap_or_else(|| Arc::new(Delivered::new(opened.len())));
        Ok(OpenFile::new(
            file,
            opened,
            delivered,
            self.gate.barrier(),
            Arc::clone(&backup.barrier),
        ))
    }

    fn attached(&self, name: &OsStr) -> JetResult<Option<SourceFile>> {
        let databases = self.source.databases()?;
        Ok(databases.into_iter().find(|file| file.is_called(name)))
    }

    fn refuse_database(&self, name: &OsStr) -> JetResult<()> {
        match self.attached(name)? {
            Some(_) => Err(sequence(
                "databases can only be opened before the logs are listed",
            )),
            None => Ok(()),
        }
    }

    fn tell_opened(&self, file: &OpenFile) {
        let SourceFile { role, path, len, .. } = file.source_file().clone();
        if role == FileRole::Database {
            self.source.tell(&BackupEvent::DatabaseOpened { path, len });
        }
    }

    fn tell_closed(&self, file: &OpenFile) {
        let (SourceFile { role, path, .. }, delivered) = (file.source_file().clone(), file.delivered());
        let len = file.backup_file().len();
        if !delivered.is_complete() {
            let read = delivered.bytes();
            self.source
                .tell(&BackupEvent::ClosedBeforeEnd { path, read, len });
        } else if role == FileRole::Database {
            self.source.tell(&BackupEvent::DatabaseCopied { path });
        }
    }

    /// The phase rule (section 2.3): a database leaves the backup, a log ends it, a frozen backup goes on. Where there are
    /// many readers, what one of them does must not end the backup of the others.
    fn open_failed(&self, inner: &mut Inner, name: &OsStr, error: &JetError) {
        if self.readers == Readers::Many {
            return;
        }
        let Ok(backup) = inner.backup_even_if_stopped() else {
            return;
        };
        match backup.phase {
            Phase::Databases { .. } => {
                let path = match self.attached(name) {
                    Ok(Some(file)) => {
                        backup.copies.remove(&file.name);
                        file.path
                    }
                    _ => name.into(),
                };
                let code = error.code();
                self.source.tell(&BackupEvent::DatabaseFailed { code, path });
            }
            Phase::IncrementalBegun | Phase::Logs { .. } => {
                if error.code() == JetErr::MissingFileToBackup {
                    let path = error.place().file.clone().unwrap_or_else(|| name.into());
                    self.source.tell(&BackupEvent::LogMissing { path });
                }
                self.fail(inner, error.code());
            }
            Phase::Frozen { .. } | Phase::Surrogate => {}
        }
    }

    fn read_failed(&self, handle: FileHandle, code: JetErr) {
        let mut inner = self.inner.lock();
        let Ok(backup) = inner.backup_even_if_stopped() else {
            return;
        };
        // The read went on without the lock: the file may be closed by now, or the backup be another one.
        let Some(file) = backup.open_file(handle).cloned() else {
            return;
        };
        let SourceFile { name, path, .. } = file.source_file().clone();
        match backup.phase {
            Phase::Databases { .. } => {
                backup.take_open(handle);
                backup.copies.remove(&name);
                self.source.tell(&BackupEvent::DatabaseFailed { code, path });
                self.tell_closed(&file);
            }
            Phase::Logs { .. } => {
                self.source.tell(&BackupEvent::LogFailed { code, path });
                self.fail(&mut inner, code);
            }
            Phase::IncrementalBegun | Phase::Frozen { .. } | Phase::Surrogate => {}
        }
    }
}

impl Inner {
    /// The backup of a data call: there is one, and it was not stopped.
    fn backup(&mut self) -> JetResult<&mut Backup> {
        let backup = self.backup_even_if_stopped()?;
        backup.barrier.check()?;
        Ok(backup)
    }

    /// A surrogate backup is none to the data calls.
    fn backup_even_if_stopped(&mut self) -> JetResult<&mut Backup> {
        let backup = self.backup_in_any_phase()?;
        if matches!(backup.phase, Phase::Surrogate) {
            return Err(no_backup());
        }
        Ok(backup)
    }

    fn backup_in_any_phase(&mut self) -> JetResult<&mut Backup> {
        match &mut self.state {
            State::InProgress(backup) => Ok(backup),
            State::NotStarted { .. } => Err(no_backup()),
        }
    }

    fn keep_open(&mut self, file: OpenFile) -> (FileHandle, u64) {
        self.last_handle += 1;
        let handle = FileHandle(self.last_handle);
        let len = file.backup_file().len();
        if let State::InProgress(backup) = &mut self.state {
            backup.keep_open(handle, Arc::new(file));
        }
        (handle, len)
    }
}

fn progress_of(backup: &Backup) -> Vec<FileProgress> {
    let Some(set) = backup.set() else {
        let copied = backup.copies.iter().map(|(name, copy)| FileProgress {
            name: name.clone(),
            len: copy.bytes(),
            delivered: copy.bytes(),
            complete: copy.is_complete(),
        });
        return copied.collect();
    };
    set.files()
        .map(|file| FileProgress {
            name: file.name.clone(),
            len: file.len,
            delivered: backup.copies.get(&file.name).map_or(0, |copy| copy.bytes()),
            complete: backup.is_copied(&file.name),
        })
        .collect()
}

/// A listed log that is not there (event 459).
fn missing_log(file: &SourceFile, error: JetError) -> JetError {
    if file.role != FileRole::Database && error.code() == JetErr::FileNotFound {
        return error.with_code(JetErr::MissingFileToBackup);
    }
    error
}
