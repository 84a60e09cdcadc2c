//! The recovered view as a source of backups: databases only, begun as a frozen backup.

use super::composed_file::ComposedFile;
use super::replay::{Contents, RecoveredOptions, ReplayProgress, Shown, View, replay};
use crate::backup::{BackupFile, BeginGrbit, Ending, Findings, LogRange, LogSet, Source, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::io::FileSystem;
use crate::source::at_rest::{AtRestOptions, AtRestPaths, AtRestSource, Inventory};
use std::ffi::OsString;
use std::sync::Arc;

/// The databases of files at rest as they will be after recovery.
#[derive(Debug)]
pub struct RecoveredSource {
    /// The files themselves: their locks, what reading them finds, and what stays as it is.
    pub(super) files: AtRestSource,
    pub(super) view: View,
    allow_damaged: bool,
}

impl RecoveredSource {
    /// Locks the files, replays their logs, and undoes what was never committed; nothing is written to them. The locks
    /// are held until the source is ended or dropped.
    ///
    /// # Errors
    /// There are no ESE files; somebody uses them; recovery is impossible, unless `best_effort` shows what there is
    /// then; `progress` returned an error, whose code should be
    /// [`INTERRUPTED`](crate::recovery::INTERRUPTED).
    pub fn open(
        fs: Arc<dyn FileSystem>,
        paths: &AtRestPaths,
        options: &RecoveredOptions,
        progress: &mut dyn FnMut(ReplayProgress) -> JetResult<()>,
    ) -> JetResult<RecoveredSource> {
        let inventory = Inventory::take(&*fs, paths)?;
        let at_rest = AtRestOptions {
            lock: options.lock,
            allow_damaged: options.allow_damaged,
            trust_source: false,
        };
        let files = AtRestSource::new(Arc::clone(&fs), inventory, at_rest);
        // Its locks must be held before anything is read.
        files.begin(BeginGrbit::SNAPSHOT)?;
        let view = replay(&*fs, paths, &files, options, progress)
            .map_err(|error| name_missing(error, files.inventory()))?;
        if view.shown.is_empty() {
            let error = JetError::rule(JetErr::DatabaseNotFound, "there is no database here");
            return Err(error.advise("Name the directory that holds the databases and their logs."));
        }
        Ok(RecoveredSource {
            files,
            view,
            allow_damaged: options.allow_damaged,
        })
    }

    /// The files that it is made of.
    pub fn inventory(&self) -> &Inventory {
        self.files.inventory()
    }

    /// What the user should know, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.view.warnings
    }

    fn find(&self, file: &SourceFile) -> JetResult<&Shown> {
        let mut shown = self.view.shown.iter();
        let found = shown.find(|shown| shown.file.name == file.name);
        found.ok_or_else(|| JetError::rule(JetErr::FileNotFound, "not one of the recovered databases"))
    }
}

/// Tells the generations that would be needed.
fn name_missing(error: JetError, inventory: &Inventory) -> JetError {
    let is_about_logs = matches!(
        error.code(),
        JetErr::RequiredLogFilesMissing
            | JetErr::CommittedLogFilesMissing
            | JetErr::MissingLogFile
            | JetErr::MissingPreviousLogFile
            | JetErr::DatabaseDirtyShutdown
    );
    if !is_about_logs {
        return error;
    }
    const OTHERWISE: &str = "put the logs into the set, or see what there is with --best-effort.";
    match inventory.missing_in_words() {
        Some(missing) => error.advise(format!("Missing: {missing}; {OTHERWISE}")),
        None => error.advise(format!("To go on, {OTHERWISE}")),
    }
}

impl Source for RecoveredSource {
    /// Frozen only; the locks are held already.
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        if grbit.contains(BeginGrbit::SNAPSHOT) {
            return Ok(());
        }
        let what = "a recovered view is shown frozen";
        Err(JetError::rule(JetErr::InvalidGrbit, what))
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        Ok(self.view.shown.iter().map(|shown| shown.file.clone()).collect())
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        Ok(LogSet::default())
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        match &self.find(file)?.contents {
            Contents::AsItIs => self.files.open(file),
            Contents::Composed {
                image,
                base,
                last_owned,
            } => {
                let base = base.as_deref().map(|entry| self.files.watch(entry)).transpose()?;
                let image = Arc::clone(image);
                Ok(Arc::new(ComposedFile::new(
                    image,
                    base,
                    *last_owned,
                    self.allow_damaged,
                )))
            }
        }
    }

    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>> {
        self.files.truncatable(copied)
    }

    fn truncate(&self, range: LogRange) -> JetResult<()> {
        self.files.truncate(range)
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        self.files.end(ending)
    }

    fn findings(&self) -> &Findings {
        self.files.findings()
    }
}
