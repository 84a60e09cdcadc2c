//! Which files the user means: the regular files of the directories, and the files given one by one. Whatever else
//! lies there is reported and left alone.

use crate::error::{JetError, JetResult};
use crate::io::{DirEntry, FileKind, FileStat, FileSystem};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the files of an instance are.
#[derive(Debug, Clone, Default)]
pub struct AtRestPaths {
    /// Directories, listed without those below them, or files.
    pub sources: Vec<PathBuf>,
    /// A further directory, of which the logs belong to the set (JET_paramLogFilePath).
    pub log_dir: Option<PathBuf>,
    /// A further directory, of which the checkpoint belongs to the set (JET_paramSystemPath).
    pub system_dir: Option<PathBuf>,
    /// Further databases.
    pub databases: Vec<PathBuf>,
}

/// Which of a place's files are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Everything,
    Logs,
    Checkpoint,
    Database,
}

/// A regular file that may belong to the set.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) name: OsString,
    pub(super) stat: FileStat,
    pub(super) wanted: Wanted,
    /// The user named this very file.
    pub(super) explicit: bool,
}

/// An entry of a source directory that is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub reason: IgnoredReason,
}

/// Why an entry is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredReason {
    /// A file of another kind.
    NotEse,
    /// A directory.
    Directory,
    /// A device, socket or pipe.
    NotRegular,
    /// A symbolic link to something outside of the directory.
    LinkOutside,
    /// It cannot be looked at; the system's answer.
    Unreadable(String),
}

impl fmt::Display for IgnoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IgnoredReason::NotEse => f.write_str("not an ESE file"),
            IgnoredReason::Directory => f.write_str("a directory"),
            IgnoredReason::NotRegular => f.write_str("a device, socket or pipe"),
            IgnoredReason::LinkOutside => f.write_str("a symbolic link out of the directory, not followed"),
            IgnoredReason::Unreadable(answer) => write!(f, "cannot be read: {answer}"),
        }
    }
}

/// Everything that the paths lead to.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) candidates: Vec<Candidate>,
    pub(super) ignored: Vec<Ignored>,
    /// Canonical paths, so that a file given twice counts once.
    seen: BTreeSet<PathBuf>,
}

/// Lists what `paths` name, in their order; a directory in the order of its names.
///
/// # Errors
/// A path that the user gave does not exist or cannot be listed.
pub(super) fn list(fs: &dyn FileSystem, paths: &AtRestPaths) -> JetResult<Listing> {
    let mut listing = Listing::default();
    for path in &paths.sources {
        listing.add_given(fs, path, Wanted::Everything)?;
    }
    if let Some(path) = &paths.log_dir {
        listing.add_given(fs, path, Wanted::Logs)?;
    }
    if let Some(path) = &paths.system_dir {
        listing.add_given(fs, path, Wanted::Checkpoint)?;
    }
    for path in &paths.databases {
        listing.add_given(fs, path, Wanted::Database)?;
    }
    Ok(listing)
}

impl Listing {
    pub(super) fn ignore(&mut self, path: &Path, reason: IgnoredReason) {
        self.ignored.push(Ignored {
            path: path.to_path_buf(),
            reason,
        });
    }

    /// A path that the user gave: links are followed, and failures are the user's to know.
    fn add_given(&mut self, fs: &dyn FileSystem, path: &Path, wanted: Wanted) -> JetResult<()> {
        let failed = |operation| move |error| JetError::io(operation, error).in_file(path);
        let stat = fs.stat(path).map_err(failed("look at"))?;
        match stat.kind {
            FileKind::Directory => self.add_directory(fs, path, wanted),
            FileKind::Regular => {
                let canonical = fs.canonicalize(path).map_err(failed("look at"))?;
                self.add_file(path, canonical, stat, wanted, true);
                Ok(())
            }
            FileKind::Other => {
                self.ignore(path, IgnoredReason::NotRegular);
                Ok(())
            }
        }
    }

    fn add_directory(&mut self, fs: &dyn FileSystem, directory: &Path, wanted: Wanted) -> JetResult<()> {
        let failed = |error| JetError::io("list the directory", error).in_file(directory);
        let canonical = fs.canonicalize(directory).map_err(failed)?;
        for entry in fs.list(directory).map_err(failed)? {
            let path = directory.join(&entry.name);
            match look_at(fs, &canonical, &path, &entry) {
                Ok((target, stat)) => self.add_file(&path, target, stat, wanted, false),
                Err(reason) => self.ignore(&path, reason),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, canonical: PathBuf, stat: FileStat, wanted: Wanted, explicit: bool) {
        if !self.seen.insert(canonical) {
            return;
        }
        self.candidates.push(Candidate {
            path: path.to_path_buf(),
            name: path.file_name().unwrap_or_default().to_os_string(),
            stat,
            wanted,
            explicit,
        });
    }
}

/// The canonical path and the state of a regular file. Looking at a pipe or a device never opens it.
fn look_at(
    fs: &dyn FileSystem,
    directory: &Path,
    path: &Path,
    entry: &DirEntry,
) -> Result<(PathBuf, FileStat), IgnoredReason> {
    let unreadable = |error: std::io::Error| IgnoredReason::Unreadable(error.to_string());
    let target = if entry.is_symlink {
        fs.canonicalize(path).map_err(unreadable)?
    } else {
        directory.join(&entry.name)
    };
    if !target.starts_with(directory) {
        return Err(IgnoredReason::LinkOutside);
    }
    let stat = fs.stat(path).map_err(unreadable)?;
    match stat.kind {
        FileKind::Regular => Ok((target, stat)),
        FileKind::Directory => Err(IgnoredReason::Directory),
        FileKind::Other => Err(IgnoredReason::NotRegular),
    }
}
