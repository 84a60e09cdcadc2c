//! The databases of a set while its log is replayed: created, attached, detached (log-and-recovery.md sections 4.7
//! and 6.5).

use super::attach::{LoggedAttach, Verdict, judge};
use super::backup_copy::merge_trailer;
use super::database::{ReplayedDatabase, Standing};
use super::files::InstanceFiles;
use super::read_ahead::PageFile;
use super::withheld::Withheld;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{CreateDatabase, ReAttach, SetDatabaseVersion};
use crate::format::{
    BackupInfo, DatabaseHeader, DbState, LogHeader, LogPosition, LogTime, PageSize, Signature,
};
use crate::io::FileSystem;
use crate::store::read_header::open_if_there;
use crate::store::{Overlay, SpillDirectory, read_database_header};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first dbtime of a new database (section 0).
const FIRST_DBTIME: u64 = 0x40;

/// Why a database is not replayed whose file is not there.
pub(super) const MISSING: &str = "its file is not there";

/// What the databases of a replay have in common.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    /// `signLog`.
    pub(super) signature: Signature,
    /// The page size of the instance.
    pub(super) page_size: PageSize,
}

/// The databases of a set.
#[derive(Debug)]
pub(super) struct Databases<'f> {
    fs: &'f dyn FileSystem,
    files: &'f InstanceFiles,
    memory: usize,
    spill: SpillDirectory,
    sequence: Sequence,
    is_hard: bool,
    all: Vec<ReplayedDatabase>,
    /// Which of them a `dbid` means now.
    attached: BTreeMap<u8, usize>,
    /// Attachments whose records do not concern the file that is there.
    deferred: BTreeMap<u8, Deferred>,
}

/// A database that the log says is attached, but that is not replayed now.
#[derive(Debug, Clone)]
pub(super) struct Deferred {
    /// What the log says.
    pub(super) logged: LoggedAttach,
    /// Where it should be.
    pub(super) path: PathBuf,
    /// Why its records are passed over.
    pub(super) why: &'static str,
}

/// What happens now, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The record.
    pub(super) position: LogPosition,
    /// The last time that the log tells.
    pub(super) time: LogTime,
    /// `tmCreate` of the generation.
    pub(super) generation_time: LogTime,
}

impl<'f> Databases<'f> {
    /// Nothing is attached yet.
    pub(super) fn new(
        fs: &'f dyn FileSystem,
        files: &'f InstanceFiles,
        memory: usize,
        spill: SpillDirectory,
        sequence: Sequence,
        is_hard: bool,
    ) -> Self {
        Databases {
            fs,
            files,
            memory,
            spill,
            sequence,
            is_hard,
            all: Vec::new(),
            attached: BTreeMap::new(),
            deferred: BTreeMap::new(),
        }
    }

    /// The database that `dbid` means now.
    pub(super) fn get_mut(&mut self, dbid: u8) -> Option<&mut ReplayedDatabase> {
        let index = *self.attached.get(&dbid)?;
        self.all.get_mut(index)
    }

    /// The files in which the pages of the attached databases are.
    pub(super) fn page_files(&self) -> BTreeMap<u8, PageFile> {
        let attached = self.attached.iter();
        let files = attached.filter_map(|(dbid, index)| {
            let overlay = &self.all.get(*index)?.overlay;
            let (file, last) = overlay.base()?;
            let page_size = overlay.page_size();
            Some((
                *dbid,
                PageFile {
                    file,
                    page_size,
                    last,
                },
            ))
        });
        files.collect()
    }

    /// Those that are attached.
    pub(super) fn attached(&mut self) -> impl Iterator<Item = &mut ReplayedDatabase> {
        let indexes: Vec<usize> = self.attached.values().copied().collect();
        let all = self.all.iter_mut().enumerate();
        all.filter(move |(index, _)| indexes.contains(index))
            .map(|(_, database)| database)
    }

    /// All that records concerned, or that are attached.
    pub(super) fn into_all(self) -> Vec<ReplayedDatabase> {
        self.all
    }

    /// What was passed over and never replayed.
    pub(super) fn deferred(&self) -> impl Iterator<Item = &Deferred> {
        self.deferred.values()
    }

    /// A new generation is read.
    ///
    /// # Errors
    /// It is not the generation that a database knows (`JET_errRequiredLogFilesMissing`), or its required logs are done
    /// and a page is not explained.
    pub(super) fn enter_generation(&mut self, log: &LogHeader) -> JetResult<()> {
        for database in self.attached() {
            check_create_time(database, log)?;
            database.enter_generation(log.generation)?;
        }
        Ok(())
    }

    /// The log says that a database is attached.
    ///
    /// # Errors
    /// The file cannot be that database, or cannot be read.
    pub(super) fn attach(&mut self, logged: LoggedAttach, now: Now) -> JetResult<()> {
        let path = self.files.resolve(&logged.path, logged.signature)?;
        let Some(index) = self.find_or_open(&path)? else {
            self.defer(logged, path, MISSING);
            return Ok(());
        };
        let Some(database) = self.all.get_mut(index) else {
            return Ok(());
        };
        let in_file = |error: JetError| error.in_file(&path).on_page(0);
        let verdict = judge(&database.header, &logged, self.sequence.signature, now.position);
        match verdict.map_err(in_file)? {
            Verdict::Defer(why) => self.defer(logged, path, why),
            Verdict::Now { stamp } => {
                check_attachable(&database.header, now, self.is_hard).map_err(in_file)?;
                check_page_size(database, self.sequence.page_size).map_err(in_file)?;
                if stamp {
                    stamp_attach(&mut database.header, &logged, self.sequence.signature, now);
                }
                database.standing = Standing::Attached { at: logged.attach };
                database.dbtime = database.dbtime.max(logged.dbtime);
                database.has_future = now.position.generation <= database.header.generation_max_required;
                self.attached.insert(logged.dbid, index);
                self.deferred.remove(&logged.dbid);
            }
        }
        Ok(())
    }

    /// `ReAttach`: the database stayed attached over a recovery.
    ///
    /// # Errors
    /// Those of [`attach`](Self::attach).
    pub(super) fn reattach(&mut self, record: &ReAttach, now: Now) -> JetResult<()> {
        if let Some(database) = self.get_mut(record.database) {
            let header = &mut database.header;
            (header.attach, header.consistent) = (record.attach, record.consistent);
            (header.last_reattach, header.last_reattach_time) = (now.position, now.time);
            return Ok(());
        }
        let Some(deferred) = self.deferred.remove(&record.database) else {
            return Ok(());
        };
        let logged = LoggedAttach {
            attach: record.attach,
            consistent: record.consistent,
            signature: record.signature,
            log_signature: self.sequence.signature,
            from_list: false,
            ..deferred.logged
        };
        self.attach(logged, now)
    }

    /// `CreateDB`: the file is made, unless it went on since.
    ///
    /// # Errors
    /// The file that is there cannot be read, or the version of the record tells nothing of the contents.
    pub(super) fn create(&mut self, record: &CreateDatabase<'_>, now: Now) -> JetResult<()> {
        let logged = LoggedAttach {
            path: record.path.text(),
            dbid: record.database,
            attach: now.position,
            consistent: LogPosition::default(),
            signature: record.signature,
            log_signature: self.sequence.signature,
            dbtime: 0,
            from_list: false,
        };
        let path = self.files.resolve(&logged.path, logged.signature)?;
        let index = match self.existing(&path, &logged)? {
            Existing::Defer(why) => {
                self.defer(logged, path, why);
                return Ok(());
            }
            Existing::Continue(index) => index,
            Existing::Unfinished(index) => {
                let database = self.created(&path, record, &logged, now)?;
                if let Some(unfinished) = self.all.get_mut(index) {
                    *unfinished = database;
                }
                index
            }
            Existing::None => {
                self.all.push(self.created(&path, record, &logged, now)?);
                self.all.len() - 1
            }
        };
        if let Some(database) = self.all.get_mut(index) {
            database.standing = Standing::Attached { at: now.position };
            database.has_future = now.position.generation <= database.header.generation_max_required;
        }
        self.attached.insert(record.database, index);
        self.deferred.remove(&record.database);
        Ok(())
    }

    /// `DetachDB`, or the end of a run: the database is consistent with everything before `consistent`.
    ///
    /// # Errors
    /// A page is not what the records said.
    pub(super) fn detach(&mut self, dbid: u8, consistent: LogPosition, time: LogTime) -> JetResult<()> {
        self.deferred.remove(&dbid);
        let Some(index) = self.attached.remove(&dbid) else {
            return Ok(());
        };
        match self.all.get_mut(index) {
            Some(database) => database.make_clean(consistent, time),
            None => Ok(()),
        }
    }

    /// The end of a run: all are detached.
    ///
    /// # Errors
    /// A page is not what the records said.
    pub(super) fn detach_all(&mut self, consistent: LogPosition, time: LogTime) -> JetResult<()> {
        let attached: Vec<u8> = self.attached.keys().copied().collect();
        self.deferred.clear();
        attached
            .into_iter()
            .try_for_each(|dbid| self.detach(dbid, consistent, time))
    }

    fn defer(&mut self, logged: LoggedAttach, path: PathBuf, why: &'static str) {
        tracing::debug!(file = %path.display(), attach = %logged.attach, why, "not replayed here");
        self.attached.remove(&logged.dbid);
        self.deferred.insert(logged.dbid, Deferred { logged, path, why });
    }

    /// The database at this path, opened if that was not done yet; `None` if there is no file.
    fn find_or_open(&mut self, path: &Path) -> JetResult<Option<usize>> {
        if let Some(index) = self.all.iter().position(|database| database.path == path) {
            return Ok(Some(index));
        }
        let Some(file) = open_if_there(self.fs, path)? else {
            return Ok(None);
        };
        let original = Box::new(read_database_header(file.as_ref()).map_err(|error| error.in_file(path))?);
        let mut header = original.clone();
        let base = Some(Arc::clone(&file));
        let mut overlay = Overlay::new(base, path, header.page_size, self.memory, self.spill.clone())?;
        if self.is_hard {
            merge_trailer(
                file.as_ref(),
                path,
                &mut header,
                &mut overlay,
                self.sequence.signature,
            )?;
        }
        self.all.push(replayed(path, overlay, Some(original), header));
        Ok(Some(self.all.len() - 1))
    }

    /// A database that its log makes from nothing.
    fn created(
        &self,
        path: &Path,
        record: &CreateDatabase<'_>,
        logged: &LoggedAttach,
        now: Now,
    ) -> JetResult<ReplayedDatabase> {
        if record.version.is_none_or(|(version, _)| version < 2) {
            let what = "creates a database whose first contents are not in the log";
            let error = JetError::rule(JetErr::BadLogVersion, what).in_file(path);
            return Err(error.advise("Such logs can be replayed only onto a copy of the database."));
        }
        let page_size = self.sequence.page_size;
        let mut header = DatabaseHeader::new(page_size, logged.signature)?;
        header.state = DbState::JustCreated;
        (header.attach, header.attach_time) = (now.position, now.time);
        header.log_signature = self.sequence.signature;
        header.dbid = logged.dbid.into();
        header.dbtime_dirtied = FIRST_DBTIME;
        let overlay = Overlay::new(None, path, page_size, self.memory, self.spill.clone())?;
        Ok(replayed(path, overlay, None, Box::new(header)))
    }

    /// What lies where the log makes a database (section 6.5).
    fn existing(&mut self, path: &Path, logged: &LoggedAttach) -> JetResult<Existing> {
        let index = match self.find_or_open(path) {
            Ok(Some(index)) => index,
            Ok(None) => return Ok(Existing::None),
            // What a crash left of a creation is made anew.
            Err(error) if error.code() == JetErr::DatabaseCorrupted => return Ok(Existing::None),
            Err(error) => return Err(error),
        };
        let Some(header) = self.all.get(index).map(|database| &database.header) else {
            return Ok(Existing::None);
        };
        Ok(if header.state == DbState::JustCreated {
            Existing::Unfinished(index)
        } else if header.log_signature != self.sequence.signature && !self.is_hard {
            Existing::Defer("it belongs to another log sequence")
        } else if header.attach != logged.attach {
            Existing::Defer("it was attached at another position")
        } else if header.signature != logged.signature {
            Existing::Defer("it is another database")
        } else if header.attach <= header.consistent {
            Existing::Defer("it is consistent with a later position of the log")
        } else {
            Existing::Continue(index)
        })
    }
}

/// What lies where a log makes a database.
enum Existing {
    /// Nothing, or what is no database.
    None,
    /// A creation that a crash interrupted.
    Unfinished(usize),
    /// The database itself, from a time when it was attached.
    Continue(usize),
    /// A file that the record does not concern; why.
    Defer(&'static str),
}

fn replayed(
    path: &Path,
    overlay: Overlay,
    original: Option<Box<DatabaseHeader>>,
    header: Box<DatabaseHeader>,
) -> ReplayedDatabase {
    ReplayedDatabase {
        path: path.to_path_buf(),
        dbtime: header.dbtime_dirtied,
        objid_last: header.objid_last,
        overlay,
        original,
        header,
        standing: Standing::Untouched,
        withheld: Withheld::default(),
        has_future: false,
        position: LogPosition::default(),
        newest_page: (0, 0),
    }
}

/// `SetDbVersion`: the format is at least this.
///
/// # Errors
/// Nobody knows what such a database looks like (`JET_errInvalidDatabaseVersion`).
pub(super) fn set_version(header: &mut DatabaseHeader, record: &SetDatabaseVersion) -> JetResult<()> {
    let present = (header.version, header.update_major, header.update_minor);
    let logged = (record.major, record.update_major, record.update_minor);
    if logged > present {
        (header.version, header.update_major, header.update_minor) = logged;
    }
    Ok(header.check_version()?)
}

/// The generations that a database needs must begin where redo begins, and a backup needs a hard recovery.
fn check_attachable(header: &DatabaseHeader, now: Now, is_hard: bool) -> JetResult<()> {
    let low = header.generation_min_required;
    let generation = now.position.generation;
    if low != 0 && low < generation && header.state != DbState::DirtyAndPatchedShutdown && !is_hard {
        let what =
            format!("needs the logs from generation {low:#x} on, but the logs begin with {generation:#x}");
        return Err(JetError::rule(JetErr::RequiredLogFilesMissing, what));
    }
    if header.backup_full_current != BackupInfo::default()
        && header.backup_full_current.generation_low != 0
        && !is_hard
    {
        let what = "is a copy from a backup, which only a restore makes consistent";
        return Err(JetError::rule(JetErr::SoftRecoveryOnBackupDatabase, what));
    }
    Ok(())
}

fn check_page_size(database: &ReplayedDatabase, expected: PageSize) -> JetResult<()> {
    let found = database.header.page_size;
    if found == expected {
        return Ok(());
    }
    let what = format!(
        "has pages of {} bytes, but its logs are for pages of {}",
        found.bytes(),
        expected.bytes()
    );
    Err(JetError::rule(JetErr::PageSizeMismatch, what))
}

/// The newest generation that a database knows must be the very one that is there (section 6.2).
fn check_create_time(database: &ReplayedDatabase, log: &LogHeader) -> JetResult<()> {
    let Some(header) = &database.original else {
        return Ok(());
    };
    let newest = match header.generation_max_committed {
        0 => header.generation_max_required,
        committed => committed,
    };
    let known = header.generation_max_create_time;
    if log.generation != newest || !known.is_set() || known.is_same_second(log.create_time) {
        return Ok(());
    }
    let what = format!(
        "knows generation {newest:#x} as created at {known}, but the one that is there was created at {}",
        log.create_time
    );
    Err(JetError::rule(JetErr::RequiredLogFilesMissing, what).in_file(&database.path))
}

/// What attaching writes into the header (section 5.5).
fn stamp_attach(header: &mut DatabaseHeader, logged: &LoggedAttach, sequence: Signature, now: Now) {
    header.state = DbState::DirtyShutdown;
    (header.attach, header.attach_time) = (logged.attach, now.time);
    (header.detach, header.detach_time) = (LogPosition::default(), LogTime::default());
    header.log_signature = sequence;
    header.dbid = logged.dbid.into();
    let generation = now.position.generation;
    header.generation_min_required = generation;
    header.generation_min_consistent = generation;
    header.generation_max_required = generation;
    header.generation_max_committed = generation;
    header.generation_max_create_time = now.generation_time;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Signature;

    #[test]
    fn a_record_of_a_version_that_nobody_knows_is_refused() {
        let mut header = DatabaseHeader::new(crate::format::PageSize::Kib4, Signature::default()).unwrap();
        let known = SetDatabaseVersion {
            database: 1,
            major: header.version,
            update_major: header.update_major + 1,
            update_minor: 0,
        };
        set_version(&mut header, &known).unwrap();
        assert_eq!(header.update_major, known.update_major);
        let unknown = SetDatabaseVersion {
            major: 0x9847_0000,
            ..known
        };
        let error = set_version(&mut header, &unknown).unwrap_err();
        assert_eq!(error.code(), JetErr::InvalidDatabaseVersion);
    }
}
