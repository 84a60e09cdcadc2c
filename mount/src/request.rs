//! What is to be mounted where and how: from the command line to the mount process.

use crate::live_backup::LiveRequest;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A mount that was asked for. It travels as JSON to the mount process; `OsString` keeps names that are not UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountRequest {
    /// Directories or files; absolute.
    pub(crate) sources: Vec<OsString>,
    /// The mount point; canonical.
    pub(crate) mount_point: OsString,
    /// Where the logs are, if not in the source.
    pub(crate) log_dir: Option<OsString>,
    /// Where the checkpoint is, if not in the source.
    pub(crate) system_dir: Option<OsString>,
    /// Further databases.
    pub(crate) databases: Vec<OsString>,
    /// Whether others than the mounting user may enter.
    pub(crate) allow_other: bool,
    /// Owner of the files; the mounting user by default.
    pub(crate) uid: Option<u32>,
    /// Group of the files; the mounting user's by default.
    pub(crate) gid: Option<u32>,
    /// Permission bits of the files; 0400 by default.
    pub(crate) mode: Option<u16>,
    /// Whether damaged pages are delivered as they are.
    pub(crate) allow_damaged: bool,
    /// Whether files are verified once and then read by the kernel itself.
    pub(crate) trust_source: bool,
    /// Whether the source is not locked.
    pub(crate) no_lock: bool,
    /// Whether the databases are shown as recovery makes them, and how that is done.
    pub(crate) recovered: Option<RecoveryRequest>,
    /// What is asked of the backup of a running instance.
    pub(crate) live: LiveRequest,
    /// Where a spool is made; the system's directory of temporary files by default.
    pub(crate) spool_dir: Option<OsString>,
}

/// How a recovered view is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecoveryRequest {
    /// Whether what can be replayed is shown where recovery is impossible.
    pub(crate) best_effort: bool,
    /// Whether databases may be missing that are attached at the end of the logs.
    pub(crate) ignore_missing: bool,
    /// What databases of the logs are now.
    pub(crate) map: Vec<(String, OsString)>,
    /// Bytes of changed pages of each database that are kept in memory.
    pub(crate) memory: usize,
    /// Where the other changed pages go.
    pub(crate) temp_dir: OsString,
}

impl MountRequest {
    /// The mount point.
    pub(crate) fn mount_point(&self) -> &Path {
        Path::new(&self.mount_point)
    }

    /// Every path that is read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = PathBuf> {
        let directories = self.log_dir.iter().chain(&self.system_dir);
        self.sources
            .iter()
            .chain(directories)
            .chain(&self.databases)
            .map(PathBuf::from)
    }
}
