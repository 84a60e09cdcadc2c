//! The whole way of a recovery: what is to be done, and doing it without writing anything.

use super::databases::{Databases, Now, Sequence};
use super::ending::{Ending, Replayed};
use super::files::InstanceFiles;
use super::read_ahead::ReadAhead;
use super::redo::Redo;
use super::start::{self, Start};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{LogRecord, LogRecordType};
use crate::format::{DatabaseHeader, LogHeader, LogTime, Signature};
use crate::io::FileSystem;
use crate::store::SpillDirectory;
use crate::store::log_reader::{LogFile, LogPlace, LogReader};
use crate::store::log_writer::{LogDigits, LogNaming};
use std::path::PathBuf;

/// Records between two reports of progress.
const REPORT_EVERY: u64 = 4096;

/// What a replay ends with that somebody stops.
pub const INTERRUPTED: JetErr = JetErr::ClientRequestToStopJetService;

/// How a recovery is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of pages that are kept in memory for each database; what is changed beyond goes to a temporary file.
    pub memory: usize,
    /// Where the temporary file is made.
    pub spill: SpillDirectory,
    /// The time of the clean shutdown; `None`: the last time that the logs tell, so that the same input gives the same
    /// bytes.
    pub time: Option<LogTime>,
    /// The files are a backup set that begins with this generation: a hard recovery.
    pub backup_from: Option<u32>,
    /// The last generation of the backup set; those behind it are rolled forward. `None`: the last one that a database
    /// needs.
    pub backup_to: Option<u32>,
    /// Replay what can be replayed, and say what could not.
    pub best_effort: bool,
    /// Whether a second thread fetches the next log and its pages meanwhile.
    pub read_ahead: bool,
    /// Leave databases alone that are attached at the end of the log, and whose files are not there.
    pub ignore_missing: bool,
    /// Stop after this generation.
    pub until_generation: Option<u32>,
    /// Where a new generation is made for what is undone; `None`: after the last record, in the same log.
    pub new_generation_in: Option<PathBuf>,
    /// How a new generation is written in names where no log that is there tells it.
    pub log_digits: LogDigits,
}

impl Options {
    /// Bytes of pages that are kept in memory, unless something else is said.
    pub const MEMORY: usize = 512 << 20;

    /// A recovery of everything, in the same log, that gives the same bytes for the same input.
    pub fn new(spill: SpillDirectory) -> Self {
        Options {
            memory: Self::MEMORY,
            spill,
            time: None,
            backup_from: None,
            backup_to: None,
            best_effort: false,
            read_ahead: true,
            ignore_missing: false,
            until_generation: None,
            new_generation_in: None,
            log_digits: LogDigits::FiveOrEight,
        }
    }
}

/// What a recovery will do.
#[derive(Debug)]
pub struct Plan<'f> {
    fs: &'f dyn FileSystem,
    files: &'f InstanceFiles,
    options: Options,
    /// Where redo begins; `None` if there are no logs.
    pub start: Option<Start>,
    /// The databases that are there, and their headers.
    pub databases: Vec<(PathBuf, DatabaseHeader)>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The generation that is read.
    pub generation: u32,
    /// The first one.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// Records that were read.
    pub records: u64,
    /// Bytes of logs that were read.
    pub log_bytes: u64,
}

impl<'f> Plan<'f> {
    /// Looks at headers and checkpoint. Nothing is written, now or later.
    ///
    /// # Errors
    /// A log that must be there is missing, or a header cannot be read; without logs, a dirty database
    /// (`JET_errDatabaseDirtyShutdown`).
    pub fn new(
        fs: &'f dyn FileSystem,
        files: &'f InstanceFiles,
        mut options: Options,
    ) -> JetResult<Plan<'f>> {
        // All logs tell, not only those that are replayed.
        let paths = files.logs.values().map(|log| log.path.as_path());
        if let Some(naming) = LogNaming::of(paths, options.log_digits) {
            options.log_digits = naming.digits();
        }
        let databases = start::database_headers(fs, files);
        let start = start::find(fs, files, &databases, &options)?;
        if start.is_none() && !options.best_effort {
            check_clean_without_logs(&databases)?;
        }
        Ok(Plan {
            fs,
            files,
            options,
            start,
            databases,
        })
    }

    /// The databases that the logs name from the start on: their paths as they were logged, and their signatures. Damage
    /// ends the search: the replay says what it is.
    pub fn logged_databases(&self) -> Vec<(String, Signature)> {
        let Some(start) = &self.start else {
            return Vec::new();
        };
        let listed = start.attached.iter();
        let mut named: Vec<(String, Signature)> = listed
            .map(|logged| (logged.path.clone(), logged.signature))
            .collect();
        let mut reader = LogReader::new(self.fs, start.logs.clone()).starting_at(start.position);
        while let Ok(true) = reader.advance() {
            if ![LogRecordType::CREATE_DATABASE, LogRecordType::ATTACH_DATABASE]
                .contains(&reader.record_type())
            {
                continue;
            }
            let Ok(Some(logged)) = reader.record() else {
                break;
            };
            let named_here = match logged.record {
                LogRecord::AttachDatabase(record) => (record.path.text(), record.signature),
                LogRecord::CreateDatabase(record) => (record.path.text(), record.signature),
                _ => continue,
            };
            if !named.contains(&named_here) {
                named.push(named_here);
            }
        }
        named
    }

    /// Replays the logs, undoes what was never committed, and says what the databases become. Nothing is written.
    ///
    /// # Errors
    /// A log, a record or a page that does not fit the others; with `best_effort` only what prevents even a look.
    pub fn replay(&self, progress: &mut dyn FnMut(Progress)) -> JetResult<Replayed> {
        self.replay_or_stop(&mut |report| {
            progress(report);
            Ok(())
        })
    }

    /// As [`replay`](Self::replay); stops with the error that `progress` returns, whose `JET_err` should be
    /// [`INTERRUPTED`].
    ///
    /// # Errors
    /// Those of [`replay`](Self::replay) and of `progress`.
    pub fn replay_or_stop(&self, progress: &mut dyn FnMut(Progress) -> JetResult<()>) -> JetResult<Replayed> {
        let Some(start) = &self.start else {
            return Ok(Replayed::of_clean(&self.databases));
        };
        let sequence = Sequence {
            signature: start.signature,
            page_size: start.page_size,
        };
        let databases = Databases::new(
            self.fs,
            self.files,
            self.options.memory,
            self.options.spill.clone(),
            sequence,
            self.options.backup_from.is_some(),
        );
        let now = Now {
            position: start.position,
            time: LogTime::default(),
            generation_time: LogTime::default(),
        };
        let mut redo = Redo::new(databases, now);
        let until = self.options.until_generation.unwrap_or(u32::MAX);
        let logs = start.logs.iter().filter(|log| log.generation <= until);
        let logs: Vec<LogPlace> = logs.cloned().collect();
        if !self.options.read_ahead {
            let reader = LogReader::new(self.fs, logs).starting_at(start.position);
            return self.redo_and_finish(start, reader, redo, progress);
        }
        std::thread::scope(|scope| {
            let ahead = ReadAhead::start(scope, self.fs, logs.clone());
            redo.read_ahead = Some(ahead.shared());
            let reader = LogReader::loading_with(ahead, logs).starting_at(start.position);
            self.redo_and_finish(start, reader, redo, progress)
        })
    }

    fn redo_and_finish(
        &self,
        start: &Start,
        mut reader: LogReader<'_>,
        mut redo: Redo<'f>,
        progress: &mut dyn FnMut(Progress) -> JetResult<()>,
    ) -> JetResult<Replayed> {
        let mut shortfalls = Vec::new();
        if let Err(error) = self.redo(start, &mut reader, &mut redo, progress) {
            if !self.options.best_effort || error.code() == INTERRUPTED {
                return Err(self.explain(&mut redo, error));
            }
            shortfalls.push(error);
        }
        let ending = Ending {
            fs: self.fs,
            files: self.files,
            options: &self.options,
            start,
            last_log: reader.current(),
            shortfalls,
        };
        ending.finish(redo)
    }

    fn redo(
        &self,
        start: &Start,
        reader: &mut LogReader<'_>,
        redo: &mut Redo<'f>,
        progress: &mut dyn FnMut(Progress) -> JetResult<()>,
    ) -> JetResult<()> {
        let until = self.options.until_generation.unwrap_or(u32::MAX);
        let mut report = Progress {
            generation: start.position.generation,
            first: start.position.generation,
            last: start.last.generation.min(until),
            records: 0,
            log_bytes: 0,
        };
        let mut generation = None;
        loop {
            let more = reader.advance()?;
            // The last log may have no records yet, but it is there.
            if let Some(log) = reader.current()
                && generation != Some(log.header().generation)
            {
                let header = log.header();
                self.check_torn(log)?;
                self.enter_generation(start, redo, header, generation.is_none())?;
                generation = Some(header.generation);
                report.generation = header.generation;
                report.log_bytes += header.file_len();
                progress(report)?;
            }
            if !more {
                progress(report)?;
                return Ok(());
            }
            if let Some(logged) = reader.record()? {
                redo.replay(&logged)?;
            }
            report.records += 1;
            if report.records.is_multiple_of(REPORT_EVERY) {
                progress(report)?;
            }
        }
    }

    fn enter_generation(
        &self,
        start: &Start,
        redo: &mut Redo<'f>,
        header: &LogHeader,
        is_first: bool,
    ) -> JetResult<()> {
        if is_first {
            redo.begin_at(header);
            // The checkpoint may be the end of a generation: the first record is in the next one then, but that the
            // databases need only logs from the checkpoint on is as true.
            let now = Now {
                position: start.position,
                ..redo.now
            };
            for logged in &start.attached {
                redo.databases.attach(logged.clone(), now)?;
            }
        }
        redo.enter_generation(header)?;
        redo.take_pages()
    }

    /// Logs of a backup were closed before they were copied: one whose end was torn is not what was copied. Soft
    /// recovery, whose last log is what a crash left, uses the segment's second copy instead.
    ///
    /// # Errors
    /// `JET_errLogTornWriteDuringHardRestore`.
    fn check_torn(&self, log: &LogFile) -> JetResult<()> {
        if self.options.backup_from.is_none() || !log.is_torn() {
            return Ok(());
        }
        let what = "the last write to this log was torn";
        Err(JetError::rule(JetErr::LogTornWriteDuringHardRestore, what).in_file(log.path()))
    }

    /// Damage of a log means something else where no database needs it (section 6.2).
    fn explain(&self, redo: &mut Redo<'f>, error: JetError) -> JetError {
        let generation = redo.now.position.generation;
        let (mut required, mut committed) = (0, 0);
        for database in redo.databases.attached() {
            required = required.max(database.header.generation_max_required);
            committed = committed.max(database.header.generation_max_committed);
        }
        let in_set = self.options.backup_to.unwrap_or(required);
        let damaged = if redo.counts.records == 0 {
            generation
        } else {
            self.damaged_generation(&error, generation)
        };
        let hard = self.options.backup_from.is_some();
        match error.code() {
            JetErr::LogFileCorrupt if hard && damaged <= in_set => {
                error.with_code(JetErr::LogCorruptDuringHardRestore)
            }
            JetErr::LogFileCorrupt if hard => {
                stop_before(error.with_code(JetErr::LogCorruptDuringHardRecovery), damaged)
            }
            JetErr::LogTornWriteDuringHardRestore if damaged > in_set => {
                stop_before(error.with_code(JetErr::LogTornWriteDuringHardRecovery), damaged)
            }
            JetErr::RedoAbruptEnded if !hard => error.with_code(JetErr::LogFileCorrupt),
            JetErr::LogFileCorrupt if damaged > required && damaged <= committed => {
                error.with_code(JetErr::CommittedLogFileCorrupt)
            }
            _ => error,
        }
    }

    /// The generation of the file that an error names.
    fn damaged_generation(&self, error: &JetError, otherwise: u32) -> u32 {
        let named = error.place().file.as_ref().and_then(|file| {
            let mut logs = self.files.logs.values();
            logs.find(|log| log.path == *file).map(|log| log.generation)
        });
        named.unwrap_or(otherwise)
    }
}

/// What is behind the backup can be left out.
fn stop_before(error: JetError, generation: u32) -> JetError {
    let last = generation.saturating_sub(1);
    error.advise(format!(
        "Take the log from another copy, or end before it with --until {last:#x}."
    ))
}

/// Without logs a database is as it is: clean, or beyond help.
fn check_clean_without_logs(databases: &[(PathBuf, DatabaseHeader)]) -> JetResult<()> {
    for (path, header) in databases {
        if header.state.is_clean() {
            continue;
        }
        let what = match header.required_generations() {
            Some((low, high)) => {
                format!(
                    "was not shut down cleanly and needs the logs {low:#x} to {high:#x}, but there are no logs"
                )
            }
            None => format!(
                "was not shut down cleanly ({:?}), and there are no logs",
                header.state
            ),
        };
        return Err(JetError::rule(JetErr::DatabaseDirtyShutdown, what).in_file(path));
    }
    Ok(())
}
