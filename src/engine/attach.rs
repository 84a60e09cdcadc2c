//! Databases are attached and detached (log-and-recovery.md sections 4.7 and 5.5, database-file.md section 1.3).
//!
//! ```text
//! attach:  lock the file ── check the header ── AttachDB durable ── header dirty ── in use
//! detach:  nobody changes it any more ── pages written ── DetachDB durable ── header clean ── unlock
//! ```

use super::attachments::{AttachedFile, logged_path, make_clean, set_newest_generation};
use super::catalog;
use super::checkpoint::counters_of;
use super::core::Core;
use super::events::Event;
use super::flush::END;
use super::pages::Pages;
use super::session_ids::SessionIds;
use super::state::{AttachedDatabase, DatabaseState};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{
    AttachDatabase, AttachFlags, DetachDatabase, DetachFlags, LogRecord, LoggedPath,
};
use crate::format::{
    AttachList, Attachment, DatabaseHeader, DbState, FileType, LogPosition, LogTime, Signature,
};
use crate::io::File;
use crate::recovery::in_place::LockedSet;
use crate::store::{open_exclusively, read_database_header};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many databases an instance has at most.
const DATABASES_MOST: u8 = 6;
/// The formats that this engine writes (database-file.md section 1.5).
const UPDATES: std::ops::RangeInclusive<u32> = 0x11..=20;

impl Core {
    /// Attaches a database (`JetAttachDatabase`). One that is attached already stays so (`JET_wrnDatabaseAttached`).
    ///
    /// # Errors
    /// There is no such file (`JET_errFileNotFound`), or somebody uses it (`JET_errDatabaseInUse`); it was not shut down
    /// cleanly (`JET_errDatabaseDirtyShutdown`), has another page size (`JET_errPageSizeMismatch`) or a format that this
    /// engine does not write (`JET_errInvalidDatabaseVersion`); six databases are attached
    /// (`JET_errTooManyAttachedDatabases`); the log or the header cannot be written: the instance has stopped.
    pub(crate) fn attach(&self, path: &Path) -> JetResult<Arc<AttachedDatabase>> {
        self.shared.check()?;
        let _administration = self.administration.lock();
        let whole = self.shared.fs.canonicalize(path);
        let path = whole.map_err(|error| JetError::io("find", error).in_file(path))?;
        self.backup.check_none()?;
        if let Some(attached) = self.attached_as(&path) {
            return Ok(attached);
        }
        let dbid = self.free_dbid()?;
        let file = self.open(&path)?;
        let header = read_database_header(&*file);
        let header = header.and_then(|header| self.check_header(&header).map(|()| header));
        let header = header.map_err(|error| error.in_file(&path).on_page(0))?;
        self.check_list(&path)?;
        let database = self.database(dbid, path, file, &header)?;
        know_last_objid(&database)?;
        let file = self.attached_file(&database, header)?;
        self.log_attach(&file).map_err(|error| self.fail(error))?;
        self.shared.add_database(Arc::clone(&database));
        let path = database.path.clone();
        self.parameters.events.tell(&Event::DatabaseAttached { path });
        Ok(database)
    }

    /// Detaches a database (`JetDetachDatabase`): it is clean then.
    ///
    /// # Errors
    /// It is not attached (`JET_errDatabaseNotFound`), or an open transaction has changed it (`JET_errDatabaseInUse`); it
    /// cannot be written: the instance has stopped.
    pub(crate) fn detach(&self, path: &Path) -> JetResult<()> {
        self.shared.check()?;
        let _administration = self.administration.lock();
        self.backup.check_none()?;
        let whole = self.shared.fs.canonicalize(path);
        let whole = whole.unwrap_or_else(|_| path.to_path_buf());
        let attached = self.attachments.all();
        let Some(file) = attached.iter().find(|file| file.database.path == whole) else {
            return Err(JetError::rule(JetErr::DatabaseNotFound, "is not attached").in_file(path));
        };
        self.clean_up()?;
        self.close(&file.database)?;
        let detached = self.end_use(file);
        detached.map_err(|error| self.fail(error))?;
        self.parameters
            .events
            .tell(&Event::DatabaseDetached { path: whole });
        Ok(())
    }

    /// From now on nobody changes a database.
    fn close(&self, database: &AttachedDatabase) -> JetResult<()> {
        // Who changes it holds its lock meanwhile.
        let state = database.write_anyway();
        let open = self.shared.transactions.open_count();
        if state.versions.transactions() > 0 && open > 0 {
            let what = "is used by a transaction that is open";
            return Err(JetError::rule(JetErr::DatabaseInUse, what).in_file(&database.path));
        }
        database.close();
        Ok(())
    }

    /// Writes everything and makes the database clean.
    fn end_use(&self, file: &Arc<AttachedFile>) -> JetResult<()> {
        self.write_pages(file, END)?;
        check_written(file)?;
        let position = self.log_detach(file)?;
        let (time, counters) = (self.now(), counters_of(file));
        file.change_header(|header| make_clean(header, position, time, counters))?;
        self.forget(file)
    }

    /// Takes a database that is clean out of everything.
    pub(super) fn forget(&self, file: &AttachedFile) -> JetResult<()> {
        file.database.close();
        self.shared.remove_database(file.database.dbid);
        self.attachments.remove(file.database.dbid);
        let removed = file.remove_journal(&*self.shared.fs);
        // Whoever still has it must not keep others out.
        let _ = file.database.file.unlock();
        removed
    }

    fn attached_as(&self, path: &Path) -> Option<Arc<AttachedDatabase>> {
        let mut databases = self.shared.databases().into_iter();
        databases.find(|database| database.path == path)
    }

    pub(super) fn free_dbid(&self) -> JetResult<u8> {
        let attached = self.attachments.all();
        let is_free = |dbid: &u8| attached.iter().all(|file| file.database.dbid != *dbid);
        (1..=DATABASES_MOST).find(is_free).ok_or_else(|| {
            let what = format!("{DATABASES_MOST} databases are attached");
            JetError::rule(JetErr::TooManyAttachedDatabases, what)
        })
    }

    /// Opens the file for nobody else, and finishes what an interrupted recovery had begun to write into it.
    fn open(&self, path: &Path) -> JetResult<Arc<dyn File>> {
        let fs = &*self.shared.fs;
        let file = open_exclusively(fs, path)?;
        let mut set = LockedSet::lock(fs, [])?;
        set.add(path, Arc::clone(&file));
        set.finish_interrupted()?;
        Ok(file)
    }

    fn check_header(&self, header: &DatabaseHeader) -> JetResult<()> {
        let refuse = |code, what: String| Err(JetError::rule(code, what));
        if header.page_size != self.page_size {
            let (found, wanted) = (header.page_size.bytes(), self.page_size.bytes());
            let what = format!("has pages of {found} bytes, but JET_paramDatabasePageSize is {wanted}");
            return refuse(JetErr::PageSizeMismatch, what);
        }
        match header.state {
            DbState::CleanShutdown => {}
            DbState::DirtyShutdown | DbState::DirtyAndPatchedShutdown => {
                let what = "was not shut down cleanly, and the logs of this instance do not concern it";
                return refuse(JetErr::DatabaseDirtyShutdown, what.to_owned());
            }
            other => {
                let what = format!("is in state {}, and can be used only in state 3", other.number());
                return refuse(JetErr::DatabaseCorrupted, what);
            }
        }
        if header.attributes != 0 || header.file_type == FileType::TempDatabase {
            return refuse(
                JetErr::FileInvalidType,
                "is no database that can be attached".to_owned(),
            );
        }
        if !UPDATES.contains(&header.update_major) {
            let what = format!(
                "has the format {}, which this engine reads, but does not write",
                header.version_text()
            );
            return refuse(JetErr::InvalidDatabaseVersion, what);
        }
        self.check_sequence(header)
    }

    /// A database that is consistent with a position of this sequence that the log has not reached is of another time
    /// (section 6.5).
    fn check_sequence(&self, header: &DatabaseHeader) -> JetResult<()> {
        let end = self.shared.log.end();
        if !self.is_logged() || header.log_signature != self.signature || header.consistent <= end {
            return Ok(());
        }
        let what = format!(
            "is consistent with position {}, but the log ends at {end}: the log is an older copy",
            header.consistent
        );
        Err(JetError::rule(JetErr::ConsistentTimeMismatch, what))
    }

    /// The list of attached databases, which logs and checkpoint have, must have room for one more.
    pub(super) fn check_list(&self, path: &Path) -> JetResult<()> {
        let Some(text) = path.to_str() else {
            let what = "is no UTF-8, which a path must be to stand in a log";
            return Err(JetError::rule(JetErr::DatabaseInvalidPath, what).in_file(path));
        };
        let mut entries = self.attachments.list(END)?.attachments()?;
        entries.push(Attachment {
            dbid: DATABASES_MOST,
            flags: 0,
            dbtime: 0,
            objid_last: 0,
            pages_max: 0,
            attach: LogPosition::default(),
            consistent: LogPosition::default(),
            signature: Signature::default(),
            names: logged_path(text),
        });
        AttachList::new(&entries).map(drop).map_err(|_| {
            let what = "the paths of the attached databases are too long together";
            JetError::rule(JetErr::TooManyAttachedDatabases, what).in_file(path)
        })
    }

    pub(super) fn database(
        &self,
        dbid: u8,
        path: PathBuf,
        file: Arc<dyn File>,
        header: &DatabaseHeader,
    ) -> JetResult<Arc<AttachedDatabase>> {
        let stat = file.stat();
        let stat = stat.map_err(|error| JetError::io("stat", error).in_file(&path))?;
        let pages = stat.len / self.page_size.bytes_u64();
        let mut state = DatabaseState::new(Pages::new(Arc::clone(&self.shared.budget)));
        state.dbtime = header.dbtime_dirtied;
        state.last_objid = header.objid_last;
        state.last_page = u32::try_from(pages.saturating_sub(2)).unwrap_or(u32::MAX);
        Ok(Arc::new(AttachedDatabase::new(
            dbid,
            path,
            self.page_size,
            file,
            state,
        )))
    }

    pub(super) fn attached_file(
        &self,
        database: &Arc<AttachedDatabase>,
        header: DatabaseHeader,
    ) -> JetResult<Arc<AttachedFile>> {
        let file = AttachedFile::new(
            &*self.shared.fs,
            Arc::clone(&self.shared.clock),
            Arc::clone(database),
            header,
            self.is_logged(),
        )?;
        Ok(Arc::new(file))
    }

    /// Logs the attachment, and makes the header say it.
    fn log_attach(&self, file: &Arc<AttachedFile>) -> JetResult<()> {
        let header = file.header();
        let path = logged_path(&file.database.path.to_string_lossy());
        let record = LogRecord::AttachDatabase(AttachDatabase {
            session: SessionIds::OWN,
            database: file.database.dbid,
            pages_most: 0,
            consistent: header.consistent,
            signature: header.signature,
            log_signature: header.log_signature,
            flags: AttachFlags::UNICODE,
            path: LoggedPath::new(&path, true),
        });
        let log = &self.shared.log;
        let appended = log.append(&[record])?;
        log.close_segment()?;
        log.flush_to(appended.end)?;
        self.attachments.add(Arc::clone(file));
        let (position, time, dbid) = (appended.first, self.now(), file.database.dbid);
        let (sequence, newest) = (self.signature, self.newest_generation());
        file.change_header(|header| make_attached(header, dbid, sequence, position, time, newest))
    }

    fn log_detach(&self, file: &AttachedFile) -> JetResult<LogPosition> {
        let path = logged_path(&file.database.path.to_string_lossy());
        let record = LogRecord::DetachDatabase(DetachDatabase {
            session: SessionIds::OWN,
            database: file.database.dbid,
            flags: DetachFlags::UNICODE,
            path: LoggedPath::new(&path, true),
        });
        let appended = self.shared.log.append(&[record])?;
        self.shared.log.flush_to(appended.end)?;
        Ok(appended.first)
    }
}

/// The header of a database that is attached. Without a log it belongs to no sequence from now on: logs of before do not
/// lead to what it becomes.
pub(super) fn make_attached(
    header: &mut DatabaseHeader,
    dbid: u8,
    sequence: Signature,
    position: LogPosition,
    time: LogTime,
    newest: (u32, LogTime),
) {
    header.state = DbState::DirtyShutdown;
    if header.log_signature != sequence {
        // It is a position of another sequence.
        (header.consistent, header.consistent_time) = Default::default();
        header.log_signature = sequence;
    }
    (header.attach, header.attach_time) = (position, time);
    (header.detach, header.detach_time) = Default::default();
    header.dbid = dbid.into();
    header.generation_min_required = position.generation;
    header.generation_min_consistent = position.generation;
    set_newest_generation(header, newest.0, newest.1);
}

/// Nothing may be left in memory that is newer than the file.
pub(super) fn check_written(file: &AttachedFile) -> JetResult<()> {
    let left = file.database.look().pages.dirty_count();
    if left == 0 {
        return Ok(());
    }
    let what = format!("{left} pages cannot be written, because transactions are open");
    Err(JetError::rule(JetErr::DatabaseInUse, what).in_file(&file.database.path))
}

/// After a crash the header's `objidLast` may be older than the catalog.
fn know_last_objid(database: &AttachedDatabase) -> JetResult<()> {
    let size = database.page_size;
    let last = database.read(|state| catalog::last_objid(state, size))?;
    let mut state = database.write_anyway();
    state.last_objid = state.last_objid.max(last);
    Ok(())
}
