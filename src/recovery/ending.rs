//! The end of a recovery: what is open is undone, and what is attached becomes clean
//! (log-and-recovery.md section 6.8).

use super::backup_copy::forget_backups;
use super::database::{ReplayedDatabase, Standing};
use super::databases::{Databases, Deferred, MISSING};
use super::files::InstanceFiles;
use super::plan::Options;
use super::redo::{Counts, LogEnding, Redo};
use super::start::Start;
use super::undo::{Undone, undo_all};
use super::undo_log::UndoLog;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{LogRecord, Marker, RecoveryUndo2, Term2};
use crate::format::{DatabaseHeader, LogHeader, LogPosition, LogTime};
use crate::io::FileSystem;
use crate::store::log_reader::LogFile;
use crate::store::log_writer::{LogAppender, LogNaming, LogWrites};
use crate::store::read_header::open_if_there;
use crate::store::{Overlay, read_database_header};
use std::path::{Path, PathBuf};

/// What a recovery comes to. Nothing of it is written yet.
#[derive(Debug)]
pub struct Replayed {
    /// The databases that the logs concern, clean.
    pub databases: Vec<Recovered>,
    /// Databases that stay as they are.
    pub untouched: Vec<Untouched>,
    /// Where redo began; `None` without logs.
    pub start: Option<LogPosition>,
    /// The last generation that was read.
    pub last_generation: u32,
    /// The last time that the logs tell.
    pub time: LogTime,
    /// How much was replayed.
    pub counts: Counts,
    /// How much was undone.
    pub undone: Undone,
    /// What the log gets; `None` if it ends well as it is, or if nothing can be appended (only with best effort).
    pub tail: Option<LogTail>,
    /// Why the replay stopped early; only with best effort.
    pub shortfalls: Vec<JetError>,
}

/// What a log gets at the end of a recovery, in the order in which it must become durable.
#[derive(Debug)]
pub struct LogTail {
    /// What was undone.
    pub undo: LogWrites,
    /// That all pages are written.
    pub shut_down: LogWrites,
    /// That all databases are clean.
    pub end: LogWrites,
    /// Position of the record that ends the recovery: the new checkpoint.
    pub quit: LogPosition,
    /// Header of the last generation.
    pub header: LogHeader,
}

/// A database after recovery.
#[derive(Debug)]
pub struct Recovered {
    /// The file.
    pub path: PathBuf,
    /// Its pages.
    pub overlay: Overlay,
    /// The header that is in the file; `None` if the logs made the database.
    pub original: Option<Box<DatabaseHeader>>,
    /// The header that it gets.
    pub header: Box<DatabaseHeader>,
}

impl Recovered {
    /// Whether the file will be another one.
    pub fn changes(&self) -> bool {
        self.original.as_deref() != Some(&*self.header)
            || !self.overlay.changed().is_empty()
            || self.overlay.is_resized()
    }
}

/// A database that stays as it is.
#[derive(Debug)]
pub struct Untouched {
    /// The file.
    pub path: PathBuf,
    /// Its header.
    pub header: Box<DatabaseHeader>,
    /// Why.
    pub why: String,
}

impl Replayed {
    /// Nothing had to be replayed.
    pub(super) fn of_clean(databases: &[(PathBuf, DatabaseHeader)]) -> Replayed {
        Replayed {
            databases: Vec::new(),
            untouched: databases
                .iter()
                .map(|(path, header)| Untouched {
                    path: path.to_path_buf(),
                    header: Box::new(header.clone()),
                    why: "there are no logs".into(),
                })
                .collect(),
            start: None,
            last_generation: 0,
            time: LogTime::default(),
            counts: Counts::default(),
            undone: Undone::default(),
            tail: None,
            shortfalls: Vec::new(),
        }
    }
}

/// What the end of a recovery works with.
pub(super) struct Ending<'p> {
    /// The files of the system.
    pub(super) fs: &'p dyn FileSystem,
    /// The instance.
    pub(super) files: &'p InstanceFiles,
    /// How it is done.
    pub(super) options: &'p Options,
    /// Where redo began.
    pub(super) start: &'p Start,
    /// The last log that was read.
    pub(super) last_log: Option<&'p LogFile>,
    /// Why the replay stopped early; only with best effort.
    pub(super) shortfalls: Vec<JetError>,
}

impl Ending<'_> {
    /// Undoes what is open, and makes everything clean.
    ///
    /// # Errors
    /// Logs that a database needs are missing, a page is not explained, an operation cannot be undone.
    pub(super) fn finish(mut self, mut redo: Redo<'_>) -> JetResult<Replayed> {
        let last_generation = redo.now.position.generation;
        if self.options.best_effort {
            self.note_doubts(&mut redo);
        }
        let end = self.last_log.map(LogFile::end_position);
        if let Err(error) = check_complete(&mut redo, self.start, end, last_generation) {
            self.forgive(error)?;
        }
        let deferred: Vec<Deferred> = redo.databases.deferred().cloned().collect();
        if let Some(missing) = deferred.iter().find(|deferred| deferred.why == MISSING)
            && !self.options.ignore_missing
        {
            self.forgive(missing_database(missing))?;
        }
        let is_open = redo.databases.attached().next().is_some();
        // A restored set goes on in a generation of its own, even where its logs ended well.
        let is_restored = self.options.backup_from.is_some() && self.options.new_generation_in.is_some();
        let (undone, tail) = if is_open || is_restored || !matches!(redo.ending, LogEnding::Closed(_)) {
            self.undo(&mut redo)?
        } else {
            (Undone::default(), None)
        };
        let mut replayed = Replayed {
            databases: Vec::new(),
            untouched: Vec::new(),
            start: Some(self.start.position),
            last_generation,
            time: redo.now.time,
            counts: redo.counts,
            undone,
            tail,
            shortfalls: Vec::new(),
        };
        self.sort_out(redo.databases, &deferred, &mut replayed)?;
        replayed.shortfalls = self.shortfalls;
        Ok(replayed)
    }

    /// Takes note of the pages that no record explains, which would otherwise keep a database from being clean.
    fn note_doubts(&mut self, redo: &mut Redo<'_>) {
        for database in redo.databases.attached() {
            if let Err(error) = database.check_explained() {
                self.shortfalls.push(error);
                database.forget_doubts();
            }
        }
    }

    /// The undo phase, and the records that end the run (section 6.8, steps 4 to 6).
    fn undo(&mut self, redo: &mut Redo<'_>) -> JetResult<(Undone, Option<LogTail>)> {
        let time = self.options.time.unwrap_or(redo.now.time);
        let mut log = match self.appender(time) {
            Ok(appender) => UndoLog::Appended(Box::new(appender)),
            Err(error) => {
                self.forgive(error)?;
                UndoLog::unwritten(redo.now.position)
            }
        };
        let undo_from = match (redo.ending, redo.shutdown_mark) {
            (LogEnding::ShutDownMark, Some(mark)) => mark,
            _ => log.append(&LogRecord::RecoveryUndo2(RecoveryUndo2 { time }))?,
        };
        let undone = match undo_all(redo, &mut log) {
            Ok(undone) => undone,
            Err(error) => {
                self.forgive(error)?;
                Undone::default()
            }
        };
        let undo = log.take_writes();
        let consistent = log.append(&LogRecord::ShutDownMark(Marker {}))?;
        log.close_segment();
        let shut_down = log.take_writes();
        redo.databases.detach_all(consistent, time)?;
        let quit = log.append(&LogRecord::RecoveryQuit2(Term2 {
            start: undo_from,
            redo_from: self.start.position,
            hard: u8::from(self.options.backup_from.is_some()),
            time,
        }))?;
        log.close_segment();
        let end = log.take_writes();
        let tail = log.into_header().map(|header| LogTail {
            undo,
            shut_down,
            end,
            quit,
            header,
        });
        Ok((undone, tail))
    }

    /// Appends after the last record, or where it was asked for in a new generation.
    fn appender(&self, time: LogTime) -> JetResult<LogAppender> {
        let Some(last) = self.last_log else {
            let what = "no log was read";
            return Err(JetError::rule(JetErr::MissingLogFile, what));
        };
        let paths = self.start.logs.iter().map(|log| log.path.as_path());
        let Some(naming) = LogNaming::of(paths, self.options.log_digits) else {
            let what = "has no name of a log";
            return Err(JetError::rule(JetErr::InvalidPath, what).in_file(last.path()));
        };
        match &self.options.new_generation_in {
            None => LogAppender::after(last, naming, time),
            Some(directory) => LogAppender::in_next_generation(last, naming.in_directory(directory), time),
        }
    }

    /// Tells those that were recovered from those that stay as they are, which must not need any log.
    fn sort_out(
        &mut self,
        databases: Databases<'_>,
        deferred: &[Deferred],
        replayed: &mut Replayed,
    ) -> JetResult<()> {
        let detached = databases
            .into_all()
            .into_iter()
            .filter(|database| database.standing == Standing::Detached);
        replayed.databases = detached.map(recovered).collect();
        if self.options.backup_from.is_some() {
            let headers = replayed.databases.iter_mut().map(|database| &mut database.header);
            headers.for_each(|header| forget_backups(header));
        }
        for path in &self.files.databases {
            if replayed.databases.iter().any(|database| database.path == *path) {
                continue;
            }
            let why = deferred.iter().find(|deferred| deferred.path == *path);
            match untouched(self.fs, path, self.start, why.map(|deferred| deferred.why)) {
                Ok(untouched) => replayed.untouched.push(untouched),
                Err(error) => self.forgive(error)?,
            }
        }
        Ok(())
    }

    /// With best effort an error is noted; else it ends the recovery.
    fn forgive(&mut self, error: JetError) -> JetResult<()> {
        if !self.options.best_effort {
            return Err(error);
        }
        self.shortfalls.push(error);
        Ok(())
    }
}

/// Every generation that a database needs was read, and every page is explained (section 6.8, step 1).
fn check_complete(redo: &mut Redo<'_>, start: &Start, end: Option<LogPosition>, last: u32) -> JetResult<()> {
    let is_short = end.is_none_or(|end| end < start.position);
    if redo.counts.records == 0 && start.position.sector > 1 && is_short {
        let what = format!(
            "the log ends before {}, where replaying should begin",
            start.position
        );
        return Err(JetError::rule(JetErr::LogFileCorrupt, what));
    }
    for database in redo.databases.attached() {
        let header = &database.header;
        let missing = |code, high: u32| {
            let first = last.saturating_add(1);
            let what = if first == high {
                format!("needs generation {high:#x}, which is missing")
            } else {
                format!("needs generations {first:#x} to {high:#x}, which are missing")
            };
            Err(JetError::rule(code, what).in_file(&database.path))
        };
        if header.generation_max_required > last {
            return missing(JetErr::RequiredLogFilesMissing, header.generation_max_required);
        }
        if header.generation_max_committed > last {
            return missing(JetErr::CommittedLogFilesMissing, header.generation_max_committed);
        }
        database.check_explained()?;
    }
    Ok(())
}

fn recovered(database: ReplayedDatabase) -> Recovered {
    Recovered {
        path: database.path,
        overlay: database.overlay,
        original: database.original,
        header: database.header,
    }
}

/// A database that is attached when the log ends, and that nobody has: it would be lost without a word.
fn missing_database(missing: &Deferred) -> JetError {
    let what = format!(
        "is attached at the end of the log as {}, but is not there",
        missing.logged.path
    );
    let error = JetError::rule(JetErr::AttachedDatabaseMismatch, what).in_file(&missing.path);
    error.advise("Say where it is with --map OLD=NEW, or leave it out on purpose with --ignore-missing.")
}

/// A database that no record concerned: it must not need any.
fn untouched(
    fs: &dyn FileSystem,
    path: &Path,
    start: &Start,
    why: Option<&'static str>,
) -> JetResult<Untouched> {
    let Some(file) = open_if_there(fs, path)? else {
        return Err(JetError::rule(JetErr::DatabaseNotFound, "is gone").in_file(path));
    };
    let header = Box::new(read_database_header(file.as_ref()).map_err(|error| error.in_file(path))?);
    if header.state.is_clean() {
        let why = why
            .unwrap_or("it is clean, and the logs do not concern it")
            .to_owned();
        return Ok(Untouched {
            path: path.to_path_buf(),
            header,
            why,
        });
    }
    let why = match why {
        Some(why) => why,
        None if header.log_signature != start.signature => "it belongs to another log sequence",
        None => "no log says that it is attached",
    };
    let what = format!("was not shut down cleanly, and these logs do not make it clean: {why}");
    Err(JetError::rule(JetErr::AttachedDatabaseMismatch, what).in_file(path))
}
