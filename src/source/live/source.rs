//! What the session asks of a running instance.

use super::database_file::DatabaseFile;
use crate::backup::{
    BackupEvent, BackupFile, BeginGrbit, Ending, FileRole, Findings, InstanceState, LogRange, LogSet,
    LogStanding, Marks, Obstacles, Source, SourceFile,
};
use crate::engine::backup::{LiveBackup, Scope};
use crate::engine::core::Core;
use crate::engine::shared::Life;
use crate::engine::{Event, Instance};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::source::at_rest::DistinctNames;
use crate::source::verified::{BlockFile, FoundIn, Retries, Standing, WatchedFile, live_database, live_log};
use crate::store::SpillDirectory;
use parking_lot::Mutex;
use std::ffi::OsString;
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
        Self::of(Arc::clone(instance.core()), options)
    }

    pub(crate) fn of(core: Arc<Core>, options: LiveOptions) -> Self {
        let told = Arc::clone(&core);
        let hears = move |event: &BackupEvent| tell(&told, event);
        LiveSource {
            core,
            options,
            findings: Arc::new(Findings::heard_by(hears)),
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

    /// Bytes in a page of the instance.
    pub(crate) fn page_size(&self) -> PageSize {
        self.core.page_size
    }

    /// The logs of the set, if they are known already.
    ///
    /// # Errors
    /// No backup is in progress.
    pub(crate) fn prepared_logs(&self) -> JetResult<Vec<SourceFile>> {
        let InProgress { backup, .. } = self.in_progress()?;
        let paths = backup
            .prepared()
            .map(|logs| backup.log_paths(logs))
            .unwrap_or_default();
        let files = paths
            .into_iter()
            .map(|(generation, path)| self.log_file(generation, path));
        Ok(files.collect())
    }

    /// The bytes of a file of the set, which are not judged yet.
    ///
    /// # Errors
    /// It is not in the set; it cannot be opened.
    pub(crate) fn bytes_of(&self, file: &SourceFile) -> JetResult<Box<dyn BlockFile>> {
        let InProgress { backup, .. } = self.in_progress()?;
        match file.role {
            FileRole::Database => Ok(Box::new(self.database_file(file, &backup)?)),
            _ => Ok(Box::new(self.log_bytes(file)?)),
        }
    }

    fn database_file(&self, file: &SourceFile, backup: &LiveBackup) -> JetResult<DatabaseFile> {
        let copy = backup.databases().iter().find(|copy| copy.path() == &file.path);
        let copy = copy.ok_or_else(|| JetError::rule(JetErr::DatabaseNotFound, "is not in the backup"))?;
        Ok(DatabaseFile {
            copy: Arc::clone(copy),
            size: self.page_size(),
            found: FoundIn {
                findings: Arc::clone(&self.findings),
                name: file.name.clone(),
                path: file.path.clone(),
            },
        })
    }

    fn log_bytes(&self, file: &SourceFile) -> JetResult<WatchedFile> {
        let fs = &*self.core.shared.fs;
        let stat = fs.stat(&file.path);
        let stat = stat.map_err(|error| JetError::io("open", error).in_file(&file.path))?;
        WatchedFile::open(fs, file, stat, &self.findings, &Arc::<Standing>::default())
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

/// To `tracing` and to the event sink of the instance.
fn tell(core: &Core, event: &BackupEvent) {
    event.trace();
    let (number, what) = (event.number(), event.to_string());
    core.parameters.events.tell(&Event::Backup { number, what });
}

fn place_of(error: &JetError) -> PathBuf {
    error.place().file.clone().unwrap_or_default()
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_os_string()
}

impl Source for LiveSource {
    fn instance_state(&self) -> InstanceState {
        let shared = &self.core.shared;
        match (shared.life(), shared.failure()) {
            (Life::Ended, _) => InstanceState::Terminated,
            (Life::Ending, _) => InstanceState::Terminating,
            (Life::Running, _) if shared.is_stopping() => InstanceState::ServiceStopped,
            (Life::Running, None) => InstanceState::Running,
            (Life::Running, Some(JetErr::LogDiskFull)) => InstanceState::UnavailableDueToFullLogDisk,
            (Life::Running, Some(_)) => InstanceState::Unavailable,
        }
    }

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
        let backup = LiveBackup::begin(&self.core, scope, spill.as_ref());
        self.tell_begin(scope, backup.as_ref().err());
        let backup = Arc::new(backup?);
        let begun = self.core.backup.show(self.core.shared.clock.now());
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
        if file.role != FileRole::Database {
            return live_log(self.log_bytes(file)?, self.page_size());
        }
        let retries = Retries {
            count: self.options.retries,
            clock: Arc::clone(&self.core.shared.clock),
        };
        let database = self.database_file(file, &backup)?;
        Ok(live_database(database, self.page_size(), retries))
    }

    fn log_standing(&self) -> JetResult<LogStanding> {
        let InProgress { backup, .. } = self.in_progress()?;
        let [begin, checkpoint, roll] = backup.marks().map(Marks::text);
        Ok(LogStanding {
            marks: Marks {
                begin,
                checkpoint,
                roll,
            },
            pinned: backup.pinned(),
        })
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
        tell(&self.core, event);
    }
}
