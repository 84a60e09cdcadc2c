//! A database is made (log-and-recovery.md section 4.7): its file and header here, its contents by the catalog.
//!
//! ```text
//! file: room, header just created, name ── CreateDB durable ── contents, by ordinary records ── CreateDBFinish ── header dirty
//! ```
//!
//! Until the end a crash leaves a file that nobody attaches, and the checkpoint stays before the creation, so that
//! recovery makes the database anew.
//!
//! The file comes first, although section 5.5 wants the record first: where the file or its room cannot be had, the log
//! knows nothing of it, and the instance goes on. What recovery finds of such a file, it makes anew. A creation that the
//! log has begun cannot be taken back: no record says so, and the genuine engine stops then too (`ErrDBCreateDatabase`).

use super::attach::make_attached;
use super::attachments::{AttachedFile, logged_path, set_counters};
use super::catalog;
use super::checkpoint::counters_of;
use super::core::Core;
use super::events::Event;
use super::session_ids::SessionIds;
use super::signature::new_signature;
use super::state::AttachedDatabase;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{CreateDatabase, CreateDatabaseFinish, CreateFlags, LogRecord, LoggedPath};
use crate::format::{DatabaseHeader, DbState, LogPosition};
use crate::io::{File, FileSystem, LockKind, OpenMode};
use crate::store::{lock_file, read_database_header, write_database_header};
use parking_lot::MutexGuard;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the record: its contents follow as ordinary records.
const CONTENTS_FOLLOW: (u16, u16) = (2, 0);
/// The dbtime of a new database before its first change, as recovery has it (`dbtimeStart`).
const FIRST_DBTIME: u64 = 0x40;

/// A database that is being made. Nobody attaches, detaches or makes another one meanwhile.
#[derive(Debug)]
#[must_use = "a creation that is dropped stops the instance"]
pub(crate) struct Creation<'c> {
    core: &'c Core,
    file: Arc<AttachedFile>,
    position: LogPosition,
    is_finished: bool,
    _administration: MutexGuard<'c, ()>,
}

impl Core {
    /// Makes a database, which is attached then (`JetCreateDatabase`).
    ///
    /// # Errors
    /// As [`begin_creation`](Self::begin_creation), and nothing is left of it. Where the log or the contents cannot be
    /// written, the instance has stopped.
    pub(crate) fn create_database(&self, path: &Path) -> JetResult<Arc<AttachedDatabase>> {
        let creation = self.begin_creation(path)?;
        catalog::create_database(&self.shared, creation.database(), catalog::INITIAL_PAGES)?;
        creation.finish()
    }

    /// Begins to make a database: there is a file that holds nothing but its header, and room. The caller makes
    /// the contents by changes, in transactions that have ended when he calls [`Creation::finish`].
    ///
    /// # Errors
    /// The file exists (`JET_errDatabaseDuplicate`); its directory does not (`JET_errInvalidPath`); six databases are
    /// attached; the file cannot be written, or there is no room (`JET_errDiskFull`): nothing is left of it. The log
    /// cannot be written: the instance has stopped.
    pub(crate) fn begin_creation(&self, path: &Path) -> JetResult<Creation<'_>> {
        self.shared.check()?;
        let administration = self.administration.lock();
        let path = self.new_path(path)?;
        let dbid = self.free_dbid()?;
        self.check_list(&path)?;
        let mut header = DatabaseHeader::new(self.page_size, new_signature(&*self.shared.clock))?;
        header.state = DbState::JustCreated;
        header.dbid = dbid.into();
        header.log_signature = self.signature;
        header.dbtime_dirtied = FIRST_DBTIME;
        let file = self.make_file(dbid, path, header)?;
        let logged = self.log_creation(&file);
        let position = logged.map_err(|error| {
            self.remove_file(&file);
            self.fail(error)
        })?;
        self.attachments.add(Arc::clone(&file));
        self.shared.add_database(Arc::clone(&file.database));
        Ok(Creation {
            core: self,
            file,
            position,
            is_finished: false,
            _administration: administration,
        })
    }

    /// The absolute path of a file that is not there. What a creation left that was not finished goes.
    fn new_path(&self, path: &Path) -> JetResult<PathBuf> {
        let fs = &*self.shared.fs;
        let invalid = |what| Err(JetError::rule(JetErr::InvalidPath, what).in_file(path));
        let Some(name) = path.file_name() else {
            return invalid("has no name of a file");
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let Ok(directory) = fs.canonicalize(directory.unwrap_or(Path::new("."))) else {
            return invalid("is in a directory that does not exist");
        };
        let path = directory.join(name);
        match fs.open(&path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
            Err(error) => Err(JetError::io("open", error).in_file(&path)),
            Ok(file) => {
                remove_unfinished(fs, &path, &*file)?;
                Ok(path)
            }
        }
    }

    fn log_creation(&self, file: &AttachedFile) -> JetResult<LogPosition> {
        let dbid = file.database.dbid;
        let path = logged_path(&file.database.path.to_string_lossy());
        let record = LogRecord::CreateDatabase(CreateDatabase {
            session: SessionIds::of_database(dbid),
            database: dbid,
            grbit: 0,
            pages_most: 0,
            signature: file.header().signature,
            flags: CreateFlags::VERSION | CreateFlags::UNICODE,
            version: Some(CONTENTS_FOLLOW),
            path: LoggedPath::new(&path, true),
        });
        let appended = self.shared.log.append(&[record])?;
        self.shared.log.flush_to(appended.end)?;
        Ok(appended.first)
    }

    /// A file of two headers, with room for the first pages. If it cannot be made, nothing is left of it. It gets its
    /// name when it says that it was just created: a power cut leaves nothing that is in the way of another creation.
    fn make_file(&self, dbid: u8, path: PathBuf, mut header: DatabaseHeader) -> JetResult<Arc<AttachedFile>> {
        let fs = &*self.shared.fs;
        header.header_flush_signature = new_signature(&*self.shared.clock);
        let new = name_meanwhile(&path);
        let file = create_anew(fs, &new)?;
        let filled = self.fill_file(&*file, &new, &header);
        let named = filled.and_then(|()| give_name(fs, &new, &path));
        named.inspect_err(|_| remove_locked(fs, &new, &*file))?;
        let attached = self.attach_new(dbid, &path, Arc::clone(&file), header);
        attached.inspect_err(|_| remove_locked(fs, &path, &*file))
    }

    fn fill_file(&self, file: &dyn File, path: &Path, header: &DatabaseHeader) -> JetResult<()> {
        let io = |operation| move |error| JetError::io(operation, error).in_file(path);
        lock_file(file, LockKind::Exclusive, path)?;
        let len = self.page_size.offset_of(catalog::INITIAL_PAGES + 1);
        file.grow(len).map_err(io("extend"))?;
        write_database_header(file, header).map_err(|error| error.in_file(path))
    }

    fn attach_new(
        &self,
        dbid: u8,
        path: &Path,
        file: Arc<dyn File>,
        header: DatabaseHeader,
    ) -> JetResult<Arc<AttachedFile>> {
        let synced = self.shared.fs.sync_dir(path.parent().unwrap_or(Path::new("/")));
        synced.map_err(|error| JetError::io("sync the directory", error).in_file(path))?;
        let database = self.database(dbid, path.to_path_buf(), file, &header)?;
        self.attached_file(&database, header)
    }

    /// The file and its journal go, as far as they can.
    fn remove_file(&self, file: &AttachedFile) {
        let fs = &*self.shared.fs;
        let _ = file.remove_journal(fs);
        remove_locked(fs, &file.database.path, &*file.database.file);
    }
}

impl Creation<'_> {
    /// The database, to be filled.
    pub(crate) fn database(&self) -> &Arc<AttachedDatabase> {
        &self.file.database
    }

    /// The contents are complete: from now on it is an attached database.
    ///
    /// # Errors
    /// The log or the header cannot be written: the instance has stopped.
    pub(crate) fn finish(mut self) -> JetResult<Arc<AttachedDatabase>> {
        self.is_finished = true;
        let finished = self.finish_now();
        finished.map_err(|error| self.core.fail(error))?;
        let path = self.file.database.path.clone();
        self.core
            .parameters
            .events
            .tell(&Event::DatabaseAttached { path });
        Ok(Arc::clone(&self.file.database))
    }

    fn finish_now(&self) -> JetResult<()> {
        let core = self.core;
        let record = LogRecord::CreateDatabaseFinish(CreateDatabaseFinish {
            session: self.file.database.own_session(),
            database: self.file.database.dbid,
        });
        let appended = core.shared.log.append(&[record])?;
        core.shared.log.flush_to(appended.end)?;
        let dbid = self.file.database.dbid;
        let (time, newest) = (core.now(), core.newest_generation());
        let counters = counters_of(&self.file);
        self.file.change_header(|header| {
            make_attached(header, dbid, core.signature, self.position, time, newest);
            set_counters(header, counters);
        })
    }
}

impl Drop for Creation<'_> {
    /// What the log has begun cannot be taken back; recovery ends it.
    fn drop(&mut self) {
        if !self.is_finished {
            let what = "the creation of a database was given up";
            let error = JetError::rule(JetErr::DatabaseCorrupted, what);
            self.core.fail(error.in_file(&self.file.database.path));
        }
    }
}

/// What the file of a database is called until it is one.
fn name_meanwhile(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".jetfs-new");
    name.into()
}

/// A new file. One that a crash left, and nobody uses, goes.
fn create_anew(fs: &dyn FileSystem, path: &Path) -> JetResult<Arc<dyn File>> {
    let io = |operation| move |error| JetError::io(operation, error).in_file(path);
    match fs.open(path, OpenMode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        file => return file.map_err(io("create")),
    }
    let left = fs.open(path, OpenMode::ReadWrite).map_err(io("open"))?;
    lock_file(&*left, LockKind::Exclusive, path)?;
    fs.remove(path).map_err(io("remove"))?;
    fs.open(path, OpenMode::CreateNew).map_err(io("create"))
}

fn give_name(fs: &dyn FileSystem, new: &Path, path: &Path) -> JetResult<()> {
    match fs.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(JetError::io("stat", error).in_file(path)),
        Ok(_) => return Err(JetError::rule(JetErr::DatabaseDuplicate, "is there already").in_file(path)),
    }
    let renamed = fs.rename(new, path);
    renamed.map_err(|error| JetError::io("rename", error).in_file(new))
}

/// Removes a file that this engine has made and nobody else uses, if that can be done.
fn remove_locked(fs: &dyn FileSystem, path: &Path, file: &dyn File) {
    let _ = file.unlock();
    let _ = fs.remove(path);
}

/// Removes a file whose creation was not finished.
fn remove_unfinished(fs: &dyn FileSystem, path: &Path, file: &dyn File) -> JetResult<()> {
    let header = read_database_header(file);
    if !header.is_ok_and(|header| header.state == DbState::JustCreated) {
        return Err(JetError::rule(JetErr::DatabaseDuplicate, "is there already").in_file(path));
    }
    lock_file(file, LockKind::Exclusive, path)?;
    fs.remove(path)
        .map_err(|error| JetError::io("remove", error).in_file(path))
}
