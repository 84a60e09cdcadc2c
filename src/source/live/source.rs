//! What the session asks of a running instance.

use super::database_file::{DatabaseFile, LivePages};
use crate::backup::{
    BackupEvent, BackupFile, BeginGrbit, Ending, FileRole, Findings, LogRange, LogSet, Obstacles, Source,
    SourceFile,
};
use crate::engine::backup::{DatabaseCopy, LiveBackup, Scope};
use crate::engine::core::Core;
use crate::engine::{Event, Instance};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::source::at_rest::DistinctNames;
use crate::source::verified::{LogSegments, PageRule, Standing, VerifyingFile, WatchedFile};
use crate::store::SpillDirectory;
use crate::store::read_header::read_log_header;
use parking_lot::Mutex;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// How a running instance is backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Where a frozen backup keeps pages that are overwritten; `JET_paramTempPath` if not set.
    pub kept_pages: Option<PathBuf>,
    /// How often a damaged page is read again before it is refused: 16, over 13.6 s (external-backup.md section 4.3).
    pub retries: u32,
}

impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions {
            kept_pages: None,
            retries: 16,
        }
    }
}

/// A running instance as a source.
#[derive(Debug)]
pub struct LiveSource {
    core: Arc<Core>,
    options: LiveOptions,
    findings: Arc<Findings>,
    in_progress: Mutex<Option<InProgress>>,
}

#[derive(Debug, Clone)]
struct InProgress {
    backup: Arc<LiveBackup>,
    begun: SystemTime,
}

impl LiveSource {
    /// A source of the databases and logs of an instance.
    pub fn new(instance: &Instance, options: LiveOptions) -> Self {
        LiveSource {
            core: Arc::clone(instance.core()),
            options,
            findings: Arc::default(),
            in_progress: Mutex::default(),
        }
    }

    /// The genuine engine tells of the begin before it looks at the checkpoint file (external-backup.md section 2.1).
    fn tell_begin(&self, scope: Scope, error: Option<&JetError>) {
        let event = match (error.map(JetError::code), scope) {
            (Some(JetErr::MissingFullBackup), _) => {
                let path = error.map(place_of).unwrap_or_default();
                BackupEvent::FullBackupMissing { path }
            }
            (
                Some(JetErr::BackupInProgress | JetErr::BackupNotAllowedYet | JetErr::InstanceUnavailable),
                _,
            ) => return,
            (_, Scope::Full) => BackupEvent::FullBegun,
            (_, Scope::Incremental) => BackupEvent::IncrementalBegun,
        };
        self.tell(&event);
    }

    fn in_progress(&self) -> JetResult<InProgress> {
        let none = || JetError::rule(JetErr::NoBackup, "no backup is in progress");
        self.in_progress.lock().clone().ok_or_else(none)
    }

    fn spill(&self) -> SpillDirectory {
        let directory = self.options.kept_pages.as_ref();
        SpillDirectory {
            fs: Arc::clone(&self.core.shared.fs),
            directory: directory.unwrap_or(&self.core.parameters.temp_path).clone(),
        }
    }

    fn page_size(&self) -> PageSize {
        self.core.page_size
    }

    fn database_file(&self, copy: &Arc<DatabaseCopy>, name: &OsStr) -> DatabaseFile {
        DatabaseFile {
            copy: Arc::clone(copy),
            name: name.to_os_string(),
            size: self.page_size(),
            findings: Arc::clone(&self.findings),
        }
    }

    fn open_database(&self, file: &SourceFile, backup: &LiveBackup) -> JetResult<Arc<dyn BackupFile>> {
        let copy = backup.databases().iter().find(|copy| copy.path() == &file.path);
        let copy = copy.ok_or_else(|| JetError::rule(JetErr::DatabaseNotFound, "is not in the backup"))?;
        let pages = LivePages {
            rule: PageRule {
                size: self.page_size(),
                allow_damaged: false,
            },
            page_last: copy.page_last(),
            retries: self.options.retries,
            clock: Arc::clone(&self.core.shared.clock),
        };
        let database = self.database_file(copy, &file.name);
        Ok(Arc::new(VerifyingFile::new(
            database,
            pages,
            self.page_size(),
            false,
        )))
    }

    fn open_log(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        let fs = &*self.core.shared.fs;
        let stat = fs.stat(&file.path);
        let stat = stat.map_err(|error| JetError::io("open", error).in_file(&file.path))?;
        // Recovery judges what the header says; here it only must be one.
        let header =
            read_log_header(fs, &file.path).map_err(|error| error.with_code(JetErr::LogReadVerifyFailure))?;
        let watched = WatchedFile::open(fs, file, stat, &self.findings, &Arc::<Standing>::default())?;
        let segments = LogSegments::new(stat.len, &Ok(Box::new(header)), false);
        Ok(Arc::new(VerifyingFile::new(
            watched,
            segments,
            self.page_size(),
            false,
        )))
    }

    /// An archived log of the set. One that is missing is noticed when it is opened (section 3.2).
    fn log_file(&self, generation: u32, path: PathBuf) -> SourceFile {
        let stat = self.core.shared.fs.stat(&path);
        let (len, modified) = match stat {
            Ok(stat) => (stat.len, stat.modified),
            Err(_) => (self.core.geometry.file_len, SystemTime::UNIX_EPOCH),
        };
        SourceFile {
            name: name_of(&path),
            path,
            role: FileRole::ArchivedLog { generation },
            len,
            modified,
        }
    }
}

fn place_of(error: &JetError) -> PathBuf {
    error.place().file.clone().unwrap_or_default()
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_os_string()
}

impl Source for LiveSource {
    fn obstacles(&self) -> Obstacles {
        let (core, log) = (&self.core, &self.core.shared.log);
        let mut obstacles = Obstacles::empty();
        obstacles.set(Obstacles::NOT_ALLOWED_YET, core.backup.is_refused());
        obstacles.set(Obstacles::LOGGING_DISABLED, !core.is_logged());
        obstacles.set(Obstacles::LOG_WRITER_DOWN, log.is_failed().is_some());
        obstacles.set(Obstacles::CIRCULAR_LOGGING, core.parameters.circular_log);
        obstacles.set(Obstacles::LOG_DISK_FULL, log.is_disk_full());
        obstacles.set(Obstacles::LOG_SEQUENCE_END, log.is_at_sequence_end());
        obstacles
    }

    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        if grbit.intersects(BeginGrbit::SURROGATE | BeginGrbit::INTERNAL_COPY) {
            let what = "backups of replicas are not offered";
            return Err(JetError::rule(JetErr::InvalidGrbit, what));
        }
        let scope = match grbit.contains(BeginGrbit::INCREMENTAL) {
            true => Scope::Incremental,
            false => Scope::Full,
        };
        let spill = grbit.contains(BeginGrbit::SNAPSHOT).then(|| self.spill());
        let begun = self.core.shared.clock.now();
        let backup = LiveBackup::begin(&self.core, scope, spill.as_ref());
        self.tell_begin(scope, backup.as_ref().err());
        let backup = Arc::new(backup?);
        *self.in_progress.lock() = Some(InProgress { backup, begun });
        Ok(())
    }

    /// Of an incremental backup the attached databases: they are stamped in the end, although they are not copied.
    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        let InProgress { backup, begun } = self.in_progress()?;
        let mut names = DistinctNames::reserving(&["backup.json", ".jetfs"]);
        let mut file = |path: &PathBuf, len| SourceFile {
            name: names.give(&name_of(path)),
            path: path.clone(),
            role: FileRole::Database,
            len,
            modified: begun,
        };
        if backup.scope() == Scope::Incremental {
            let attached = self.core.shared.databases();
            return Ok(attached.iter().map(|database| file(&database.path, 0)).collect());
        }
        let len = |page_last: u32| (u64::from(page_last) + 3) * self.page_size().bytes_u64();
        let copies = backup.databases().iter();
        Ok(copies
            .map(|copy| file(copy.path(), len(copy.page_last())))
            .collect())
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        let InProgress { backup, .. } = self.in_progress()?;
        let logs = backup.prepare_logs();
        if let Err(error) = &logs
            && error.code() == JetErr::MissingFileToBackup
        {
            let path = place_of(error);
            self.tell(&BackupEvent::LogMissing { path });
        }
        let logs = logs?;
        let paths = backup.log_paths(logs);
        if let (Some((_, first)), Some((_, last))) = (paths.first(), paths.last()) {
            let (first, last) = (first.clone(), last.clone());
            self.tell(&BackupEvent::LogsBegun { first, last });
        }
        let paths = paths.into_iter();
        Ok(LogSet {
            base: self.core.parameters.base_name.clone(),
            range: Some(LogRange {
                low: logs.first,
                high: logs.last,
            }),
            files: paths
                .map(|(generation, path)| self.log_file(generation, path))
                .collect(),
        })
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        let InProgress { backup, .. } = self.in_progress()?;
        match file.role {
            FileRole::Database => self.open_database(file, &backup),
            _ => self.open_log(file),
        }
    }

    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>> {
        let databases = self.databases()?;
        let is_copied = |path: &PathBuf| {
            let named = databases.iter().find(|file| &file.path == path);
            named.is_some_and(|file| copied.contains(&file.name))
        };
        let truncation = self.in_progress()?.backup.truncation(is_copied)?;
        Ok(truncation.map(|range| LogRange {
            low: range.first,
            high: range.last,
        }))
    }

    fn truncate(&self, range: LogRange) -> JetResult<()> {
        let InProgress { backup, .. } = self.in_progress()?;
        if let Some(naming) = &self.core.naming {
            let (first, last) = (naming.archived(range.low), naming.archived(range.high));
            self.tell(&BackupEvent::Truncated { first, last });
        }
        let count = backup.truncate(range.low, range.high)?.missing;
        if count > 0 {
            self.tell(&BackupEvent::TruncatedLogsMissing { count });
        }
        Ok(())
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        let databases = self.databases()?;
        let Some(InProgress { backup, .. }) = self.in_progress.lock().take() else {
            return Ok(());
        };
        match ending {
            Ending::Aborted => {
                backup.abort();
                Ok(())
            }
            Ending::Normal { truncated, stamp } => backup.end(*truncated, |path| {
                let named = databases.iter().find(|file| &file.path == path);
                named.is_some_and(|file| stamp.contains(&file.name))
            }),
        }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn tell(&self, event: &BackupEvent) {
        let (number, what) = (event.number(), event.to_string());
        tracing::info!(number, "{what}");
        self.core.parameters.events.tell(&Event::Backup { number, what });
    }
}
