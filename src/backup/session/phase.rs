//! Where a backup stands. Each phase carries what exists only in it, so that a wrong state cannot be written
//! (external-backup.md sections 1.3, 1.4 and 12.1).

use super::delivered::Delivered;
use super::gate::Barrier;
use super::open_file::{FileHandle, OpenFile};
use super::outcome::{BackupKind, BackupOutcome, Scope};
use crate::backup::source::{FileRole, LogSet, SourceFile};
use crate::error::JetErr;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// The session: idle, or with a backup.
#[derive(Debug)]
pub(super) enum State {
    /// How the last backup ended, if there was one.
    NotStarted { last: Option<BackupOutcome> },
    /// A backup is in progress.
    InProgress(Backup),
}

/// A backup in progress.
#[derive(Debug)]
pub(super) struct Backup {
    /// Closed by JetStopBackup, and for good when the backup ends. Being stopped is independent of the phase.
    pub(super) barrier: Arc<Barrier>,
    pub(super) phase: Phase,
    /// Files with a complete or growing copy. Published protocol: entered by JetCloseFile after the last byte.
    /// Frozen: every file of the set, from Begin on.
    pub(super) copies: BTreeMap<OsString, Arc<Delivered>>,
}

/// The published protocol has at most one open file, unless the session is for many readers; a frozen backup any number.
#[derive(Debug)]
pub(super) enum Phase {
    /// Full backup: databases can be opened.
    Databases { open: OpenFiles },
    /// Incremental backup before JetGetLogInfo: nothing is listed, so nothing can be opened.
    IncrementalBegun,
    /// The logs are listed; no database can be opened any more.
    Logs {
        set: Set,
        truncated: bool,
        open: OpenFiles,
    },
    /// Everything is listed and can be opened in any order.
    Frozen {
        set: Set,
        truncated: bool,
        open: OpenFiles,
    },
    /// A replica is being backed up; the data calls see no backup (section 1.3).
    Surrogate,
}

/// Open files.
pub(super) type OpenFiles = BTreeMap<FileHandle, Arc<OpenFile>>;

/// What belongs to the backup, fixed when the logs are.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) scope: Scope,
    /// Empty in an incremental backup.
    pub(super) databases: Vec<SourceFile>,
    pub(super) logs: LogSet,
}

/// A phase's name, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// No backup is in progress.
    NotStarted,
    /// Full backup, databases are read.
    Databases,
    /// Logs are read, or (incremental) are still to be listed.
    Logs,
    /// Frozen backup.
    Frozen,
    /// Surrogate backup.
    Surrogate,
}

impl Set {
    pub(super) fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.databases.iter().chain(&self.logs.files)
    }

    pub(super) fn find(&self, name: &OsStr) -> Option<&SourceFile> {
        self.files().find(|file| file.is_called(name))
    }
}

/// What is counted of these files, whoever reads them.
pub(super) fn nothing_read<'a>(
    files: impl IntoIterator<Item = &'a SourceFile>,
) -> BTreeMap<OsString, Arc<Delivered>> {
    let files = files.into_iter();
    files
        .map(|file| (file.name.clone(), Arc::new(Delivered::new(file.len))))
        .collect()
}

impl Backup {
    pub(super) fn new(phase: Phase) -> Self {
        Backup {
            barrier: Arc::default(),
            phase,
            copies: BTreeMap::new(),
        }
    }

    /// A frozen backup counts each file's bytes from the start.
    pub(super) fn frozen(set: Set) -> Self {
        Backup {
            copies: nothing_read(set.files()),
            ..Backup::new(Phase::Frozen {
                set,
                truncated: false,
                open: OpenFiles::new(),
            })
        }
    }

    pub(super) fn name(&self) -> PhaseName {
        match self.phase {
            Phase::Databases { .. } => PhaseName::Databases,
            Phase::IncrementalBegun | Phase::Logs { .. } => PhaseName::Logs,
            Phase::Frozen { .. } => PhaseName::Frozen,
            Phase::Surrogate => PhaseName::Surrogate,
        }
    }

    /// The set, once it is fixed.
    pub(super) fn set(&self) -> Option<&Set> {
        match &self.phase {
            Phase::Logs { set, .. } | Phase::Frozen { set, .. } => Some(set),
            Phase::Databases { .. } | Phase::IncrementalBegun | Phase::Surrogate => None,
        }
    }

    /// Whether a file of the published protocol is open. A frozen backup's open files are in nobody's way.
    pub(super) fn has_open_stream(&self) -> bool {
        match &self.phase {
            Phase::Databases { open } | Phase::Logs { open, .. } => !open.is_empty(),
            Phase::IncrementalBegun | Phase::Frozen { .. } | Phase::Surrogate => false,
        }
    }

    pub(super) fn open_file(&self, handle: FileHandle) -> Option<&Arc<OpenFile>> {
        match &self.phase {
            Phase::Databases { open } | Phase::Logs { open, .. } | Phase::Frozen { open, .. } => {
                open.get(&handle)
            }
            Phase::IncrementalBegun | Phase::Surrogate => None,
        }
    }

    pub(super) fn keep_open(&mut self, handle: FileHandle, file: Arc<OpenFile>) {
        match &mut self.phase {
            Phase::Databases { open } | Phase::Logs { open, .. } | Phase::Frozen { open, .. } => {
                open.insert(handle, file);
            }
            Phase::IncrementalBegun | Phase::Surrogate => {}
        }
    }

    pub(super) fn take_open(&mut self, handle: FileHandle) -> Option<Arc<OpenFile>> {
        match &mut self.phase {
            Phase::Databases { open } | Phase::Logs { open, .. } | Phase::Frozen { open, .. } => {
                open.remove(&handle)
            }
            Phase::IncrementalBegun | Phase::Surrogate => None,
        }
    }

    pub(super) fn is_copied(&self, name: &OsStr) -> bool {
        self.copies
            .get(name)
            .is_some_and(|delivered| delivered.is_complete())
    }

    /// Databases that were copied completely.
    pub(super) fn copied_databases(&self) -> Vec<OsString> {
        let databases = self.set().map_or(&[][..], |set| &set.databases);
        self.names(databases.iter().filter(|file| self.is_copied(&file.name)))
    }

    /// Files of the set that were not.
    pub(super) fn unread(&self) -> Vec<OsString> {
        match self.set() {
            Some(set) => self.names(set.files().filter(|file| !self.is_copied(&file.name))),
            None => Vec::new(),
        }
    }

    fn names<'a>(&self, files: impl Iterator<Item = &'a SourceFile>) -> Vec<OsString> {
        files.map(|file| file.name.clone()).collect()
    }

    /// Whether every generation of the range was copied: a set, where the genuine engine compares sums, which a log
    /// read twice can satisfy (sections 5.2 and 12.1). A frozen backup asks for every byte of the whole set.
    pub(super) fn may_truncate(&self) -> bool {
        match &self.phase {
            Phase::Logs { set, .. } => self.every_generation_is_copied(set),
            Phase::Frozen { set, .. } => self.every_generation_is_copied(set) && self.unread().is_empty(),
            Phase::Databases { .. } | Phase::IncrementalBegun | Phase::Surrogate => false,
        }
    }

    fn every_generation_is_copied(&self, set: &Set) -> bool {
        let Some(range) = set.logs.range else {
            return true;
        };
        let copied: BTreeSet<u32> = set
            .logs
            .files
            .iter()
            .filter(|file| self.is_copied(&file.name))
            .filter_map(|file| match file.role {
                FileRole::ArchivedLog { generation } | FileRole::CurrentLog { generation } => {
                    Some(generation)
                }
                _ => None,
            })
            .filter(|generation| range.contains(*generation))
            .collect();
        copied.len() as u64 == range.count()
    }

    /// What an End without error has come to.
    pub(super) fn normal_outcome(&self, truncated: bool) -> BackupOutcome {
        let Some(set) = self.set() else {
            return match self.phase {
                Phase::Surrogate => BackupOutcome::Failed {
                    code: JetErr::SurrogateBackupInProgress,
                },
                // Ended before it asked for the logs (section 12.1).
                _ => BackupOutcome::AbortedByCaller,
            };
        };
        let files = self.unread();
        if files.is_empty() && self.every_generation_is_copied(set) {
            BackupOutcome::Complete {
                kind: BackupKind::of(set.scope, truncated),
            }
        } else {
            BackupOutcome::Incomplete { files }
        }
    }

    pub(super) fn truncated(&self) -> bool {
        matches!(
            self.phase,
            Phase::Logs { truncated: true, .. } | Phase::Frozen { truncated: true, .. }
        )
    }
}
