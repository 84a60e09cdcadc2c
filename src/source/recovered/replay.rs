//! From files at rest to recovered databases: locks, replay, and what each database is shown as.

use super::image::DatabaseImage;
use super::instance;
use crate::backup::{FileRole, ManifestRecovery, ManifestUndone, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{DatabaseHeader, DbState};
use crate::io::{File, FileSystem};
use crate::recovery::in_place::LockedSet;
use crate::recovery::{INTERRUPTED, InstanceFiles, Options, Plan, Progress, Recovered, Replayed};
use crate::source::at_rest::{
    AtRestPaths, AtRestSource, DatabaseEntry, DistinctNames, Entry, Inventory, Warning,
};
use crate::store::{Database, SpillDirectory};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is composed of files is this much newer than the newest of them (design section 5).
const LATER: Duration = Duration::from_secs(1);

/// How a recovered view is made.
#[derive(Debug, Clone)]
pub struct RecoveredOptions {
    /// Hold shared locks on databases and checkpoints, so that no engine opens them meanwhile.
    pub lock: bool,
    /// Deliver damaged pages that nothing replayed as they are, instead of refusing them.
    pub allow_damaged: bool,
    /// Show what can be replayed where recovery is impossible.
    pub best_effort: bool,
    /// Show the others where a database is attached at the end of the log whose file is not there.
    pub ignore_missing: bool,
    /// `OLD=NEW`: the path of a database as it stands in the logs, and the file, one of the source, that it is now.
    pub map: Vec<(String, PathBuf)>,
    /// Bytes of pages that are kept in memory for each database; what is changed beyond goes to a temporary file.
    pub memory: usize,
    /// Where the temporary file is made.
    pub spill: SpillDirectory,
}

/// How far the replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The replay's own account.
    pub replay: Progress,
    /// Bytes of logs that are to be read in all.
    pub total_bytes: u64,
}

/// A database of the view.
#[derive(Debug)]
pub(super) struct Shown {
    /// As readers see it.
    pub(super) file: SourceFile,
    /// Its header.
    pub(super) header: Option<DatabaseHeader>,
    /// Where its bytes come from.
    pub(super) contents: Contents,
}

/// Where the bytes of a database come from.
#[derive(Debug)]
pub(super) enum Contents {
    /// From the file as it is.
    AsItIs,
    /// From the file and what recovery changed.
    Composed {
        /// The bytes.
        image: Arc<DatabaseImage>,
        /// The file below; `None` if the logs made the database.
        base: Option<Box<Entry>>,
        /// The last page that the database owns, if its space tree is good.
        last_owned: Option<u32>,
    },
}

/// What a replay comes to.
#[derive(Debug)]
pub(super) struct View {
    /// The databases.
    pub(super) shown: Vec<Shown>,
    /// How they came to be.
    pub(super) recovery: ManifestRecovery,
    /// What the user should know, one sentence each.
    pub(super) warnings: Vec<String>,
    /// The time of what is composed.
    pub(super) modified: SystemTime,
}

/// Replays the logs of what `source` holds, which has begun.
///
/// # Errors
/// Recovery is impossible, unless `best_effort` takes what there is; a file changed meanwhile; `progress` stops it.
pub(super) fn replay(
    fs: &dyn FileSystem,
    paths: &AtRestPaths,
    source: &AtRestSource,
    options: &RecoveredOptions,
    progress: &mut dyn FnMut(ReplayProgress) -> JetResult<()>,
) -> JetResult<View> {
    let inventory = source.inventory();
    let mut view = View {
        shown: Vec::new(),
        recovery: ManifestRecovery::default(),
        warnings: Vec::new(),
        modified: inventory.newest() + LATER,
    };
    let replayed = match run(fs, paths, inventory, options, &mut view, progress) {
        Ok(replayed) => Some(replayed),
        Err(error) if options.best_effort && error.code() != INTERRUPTED => {
            view.recovery.shortfalls.push(error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    check_unchanged(fs, inventory)?;
    let databases = replayed.map_or_else(Vec::new, |replayed| view.account(replayed));
    view.show(inventory, databases)?;
    view.warn(inventory);
    Ok(view)
}

fn run(
    fs: &dyn FileSystem,
    paths: &AtRestPaths,
    inventory: &Inventory,
    options: &RecoveredOptions,
    view: &mut View,
    progress: &mut dyn FnMut(ReplayProgress) -> JetResult<()>,
) -> JetResult<Replayed> {
    let files = instance::find(fs, paths, inventory, &options.map)?;
    files
        .databases
        .iter()
        .try_for_each(|path| check_whole(fs, path))?;
    let plan = Plan::new(fs, &files, recovery_options(fs, &files, inventory, options)?)?;
    let start = plan.start.as_ref();
    if let Some(problem) = start.and_then(|start| start.checkpoint_problem.as_ref()) {
        view.warnings
            .push(format!("the checkpoint was not used: {problem}"));
    }
    let logs = start.map_or(&[][..], |start| &start.logs);
    let lengths = logs.iter().filter_map(|log| fs.stat(&log.path).ok());
    let total_bytes = lengths.map(|stat| stat.len).sum();
    plan.replay_or_stop(&mut |replay| progress(ReplayProgress { replay, total_bytes }))
}

/// A database that a recovery in place had begun to write may have torn pages.
fn check_whole(fs: &dyn FileSystem, database: &Path) -> JetResult<()> {
    if !LockedSet::is_interrupted(fs, database) {
        return Ok(());
    }
    let what = "a recovery or an instance was interrupted while it wrote this database";
    let error = JetError::rule(JetErr::DatabaseDirtyShutdown, what).in_file(database);
    Err(error.advise("Run `jetfs recover` on the set again, or into a copy with -o: it finishes first."))
}

fn recovery_options(
    fs: &dyn FileSystem,
    files: &InstanceFiles,
    inventory: &Inventory,
    options: &RecoveredOptions,
) -> JetResult<Options> {
    let newest = files.logs.values().next_back();
    let directory = newest.and_then(|log| log.path.parent());
    // What is undone then gets a generation of its own, which nobody writes.
    let is_old = files.end_with_version_7(fs)?;
    Ok(Options {
        memory: options.memory,
        backup_from: first_of_backup(inventory),
        best_effort: options.best_effort,
        ignore_missing: options.ignore_missing,
        new_generation_in: directory.filter(|_| is_old).map(Path::to_path_buf),
        ..Options::new(options.spill.clone())
    })
}

/// Databases that a streaming backup copied say with which generation it begins (external-backup.md section 7.3).
fn first_of_backup(inventory: &Inventory) -> Option<u32> {
    let headers = inventory
        .databases
        .iter()
        .filter_map(|database| database.facts.as_ref().ok());
    let copies = headers.filter(|facts| !facts.header.state.is_clean());
    let first = copies.map(|facts| facts.header.backup_full_current.generation_low);
    first.filter(|generation| *generation != 0).min()
}

/// What was replayed is what was found.
fn check_unchanged(fs: &dyn FileSystem, inventory: &Inventory) -> JetResult<()> {
    let mut entries = inventory.entries();
    let changed = entries.find(|entry| fs.stat(&entry.file.path).ok() != Some(entry.stat));
    changed.map_or(Ok(()), |entry| {
        let what = "the file changed while the logs were replayed";
        let error = JetError::rule(JetErr::DiskIO, what).in_file(&entry.file.path);
        Err(error.advise("Stop the program that writes to it, or copy the files first."))
    })
}

impl View {
    /// Notes what was done, and leaves the databases that change.
    fn account(&mut self, replayed: Replayed) -> Vec<Recovered> {
        let recovery = &mut self.recovery;
        recovery.start = replayed.start.map(|start| start.to_string());
        recovery.last_generation = replayed.start.map(|_| replayed.last_generation);
        recovery.records = replayed.counts.records;
        recovery.applied = replayed.counts.applied;
        recovery.undone = ManifestUndone {
            transactions: replayed.undone.transactions,
            operations: replayed.undone.operations,
        };
        let shortfalls = replayed.shortfalls.iter().map(ToString::to_string);
        recovery.shortfalls.extend(shortfalls);
        let databases = replayed.databases.into_iter();
        databases.filter(Recovered::changes).collect()
    }

    /// The databases that are there, and those that the logs made.
    fn show(&mut self, inventory: &Inventory, mut recovered: Vec<Recovered>) -> JetResult<()> {
        let mut names = DistinctNames::reserving(&["backup.json", ".jetfs"]);
        for database in &inventory.databases {
            names.give(&database.entry.file.name);
            let path = &database.entry.file.path;
            let index = recovered.iter().position(|recovered| recovered.path == *path);
            let shown = match index.map(|index| recovered.remove(index)) {
                Some(recovered) => self.compose(recovered, &database.entry.file, Some(&database.entry))?,
                None => as_it_is(database),
            };
            self.shown.push(shown);
        }
        for database in recovered {
            let file = SourceFile {
                name: names.give(database.path.file_name().unwrap_or_default()),
                path: database.path.clone(),
                role: FileRole::Database,
                len: 0,
                modified: self.modified,
            };
            let shown = self.compose(database, &file, None)?;
            self.shown.push(shown);
        }
        Ok(())
    }

    fn compose(&self, recovered: Recovered, file: &SourceFile, base: Option<&Entry>) -> JetResult<Shown> {
        let header = if self.recovery.shortfalls.is_empty() {
            *recovered.header
        } else {
            self.unfinished(&recovered)
        };
        let image = Arc::new(DatabaseImage::new(header.clone(), recovered.overlay.freeze()?));
        let opened = Database::open(Arc::clone(&image) as Arc<dyn File>, &recovered.path);
        Ok(Shown {
            file: SourceFile {
                len: image.pages().file_len(),
                modified: self.modified,
                ..file.clone()
            },
            header: Some(header),
            contents: Contents::Composed {
                image,
                base: base.cloned().map(Box::new),
                last_owned: opened.ok().and_then(|database| database.last_owned_page().ok()),
            },
        })
    }

    /// The header of a database whose recovery fell short: nobody must take it for clean.
    fn unfinished(&self, recovered: &Recovered) -> DatabaseHeader {
        match recovered.original.as_deref() {
            Some(original) if !original.state.is_clean() => original.clone(),
            _ => {
                let mut header = (*recovered.header).clone();
                header.state = DbState::DirtyShutdown;
                header.generation_min_required = header.attach.generation;
                let last = self.recovery.last_generation.unwrap_or(header.attach.generation);
                header.generation_max_required = last.max(header.attach.generation);
                header.generation_max_committed = header.generation_max_required;
                header
            }
        }
    }

    /// What fell short, what is not clean, and what of the inventory's warnings still holds.
    fn warn(&mut self, inventory: &Inventory) {
        let shortfalls = self.recovery.shortfalls.iter();
        let mut warnings: Vec<String> = shortfalls.map(|what| format!("not replayed: {what}")).collect();
        warnings.extend(self.shown.iter().filter_map(Shown::warning));
        let kept = inventory.warnings.iter().filter(|warning| self.holds(warning));
        warnings.extend(kept.map(ToString::to_string));
        self.warnings.append(&mut warnings);
    }

    /// A recovery that is complete answers every question about logs; a database that it made anew is no longer what the
    /// inventory saw.
    fn holds(&self, warning: &Warning) -> bool {
        if !self.recovery.shortfalls.is_empty() {
            return warning.code != JetErr::DatabaseDirtyShutdown;
        }
        let mut as_they_are = self
            .shown
            .iter()
            .filter(|shown| matches!(shown.contents, Contents::AsItIs));
        as_they_are.any(|shown| warning.file.as_ref() == Some(&shown.file.name))
    }
}

impl Shown {
    fn warning(&self) -> Option<String> {
        let header = self.header.as_ref()?;
        let name = self.file.name.display();
        match &self.contents {
            Contents::AsItIs if !header.state.is_clean() => {
                Some(format!("{name}: is shown as it is, not clean ({})", header.state))
            }
            Contents::Composed { .. } if !header.state.is_clean() => Some(format!(
                "{name}: is shown as far as its logs could be replayed, not clean ({})",
                header.state
            )),
            Contents::Composed { last_owned: None, .. } => {
                Some(format!("{name}: the space tree that tells its size is damaged"))
            }
            _ => None,
        }
    }
}

fn as_it_is(database: &DatabaseEntry) -> Shown {
    Shown {
        file: database.entry.file.clone(),
        header: database.facts.as_ref().ok().map(|facts| facts.header.clone()),
        contents: Contents::AsItIs,
    }
}
