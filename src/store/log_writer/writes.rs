//! Logs on their way to the disk (log-and-recovery.md section 1.3).

use super::naming::LogNaming;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogTime;
use crate::io::{File, FileSystem, OpenMode};
use crate::store::log_reader::LogFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Logs that are to be written, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogWrites {
    files: Vec<LogFileWrite>,
}

/// One generation: its whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct LogFileWrite {
    /// Where its contents become durable first.
    pub(super) temporary: PathBuf,
    /// Its name.
    pub(super) path: PathBuf,
    /// What the log that has this name now is called from then on.
    pub(super) archive: Option<PathBuf>,
    pub(super) generation: u32,
    pub(super) create_time: LogTime,
    pub(super) bytes: Vec<u8>,
}

impl LogWrites {
    pub(super) fn push(&mut self, file: LogFileWrite) {
        self.files.push(file);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes that will be written.
    pub fn byte_count(&self) -> u64 {
        self.files.iter().map(|file| file.bytes.len() as u64).sum()
    }

    /// Generation and creation time of the last log among them: what `lGenMaxCommitted` and `logtimeGenMaxCreate` of
    /// a database must say before its pages follow.
    pub fn last_generation(&self) -> Option<(u32, LogTime)> {
        let last = self.files.last()?;
        Some((last.generation, last.create_time))
    }

    /// Paths of the logs, with the bytes that they will have; each replaces what has its name.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files
            .iter()
            .map(|file| (file.path.as_path(), file.bytes.as_slice()))
    }

    /// Every name that exists once the logs are written, or while they are.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter();
        files
            .flat_map(|file| [Some(&file.path), file.archive.as_ref(), Some(&file.temporary)])
            .flatten()
            .map(PathBuf::as_path)
    }

    /// Writes the logs. When it returns they are durable; when the power goes meanwhile, each of them is either what
    /// it was or what it will be, and those before it are what they will be.
    ///
    /// # Errors
    /// What the system says (`JET_errDiskFull`); a log with the archived name is already there. What was written is
    /// as above.
    pub fn write(&self, fs: &dyn FileSystem) -> JetResult<()> {
        self.files.iter().try_for_each(|file| file.write(fs))
    }
}

impl LogFileWrite {
    /// A log whose last write was torn, without what that left of it.
    pub(super) fn repairing(log: &LogFile, naming: &LogNaming) -> JetResult<LogFileWrite> {
        let (file, _) = log.image()?;
        Ok(Self::replacing(log, naming, file.to_vec()))
    }

    /// A log whose file becomes `bytes`.
    pub(in crate::store) fn replacing(log: &LogFile, naming: &LogNaming, bytes: Vec<u8>) -> LogFileWrite {
        LogFileWrite {
            temporary: naming.temporary(),
            path: log.path().to_path_buf(),
            archive: None,
            generation: log.header().generation,
            create_time: log.header().create_time,
            bytes,
        }
    }

    pub(in crate::store) fn write(&self, fs: &dyn FileSystem) -> JetResult<()> {
        // Links to a log stay links.
        let path = match fs.canonicalize(&self.path) {
            Ok(path) if self.archive.is_none() => path,
            _ => self.path.clone(),
        };
        let temporary = match self.temporary.file_name() {
            Some(name) => path.with_file_name(name),
            None => self.temporary.clone(),
        };
        self.prepare(fs, &temporary, &path)
            .map_err(|error| error.in_file(&temporary))?;
        if let Some(archive) = &self.archive {
            archive_log(fs, &path, archive)?;
        }
        fs.rename(&temporary, &path)
            .map_err(|error| JetError::io("rename", error).in_file(&temporary))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        fs.sync_dir(directory)
            .map_err(|error| JetError::io("sync the directory", error).in_file(directory))
    }

    /// The whole log under its temporary name, durable. A file that is there already is used: while the current log
    /// is missing, it tells that a generation was being begun.
    fn prepare(&self, fs: &dyn FileSystem, temporary: &Path, path: &Path) -> JetResult<()> {
        let file = open_or_create(fs, temporary).map_err(|error| JetError::io("create", error))?;
        if let Ok(model) = fs.open(path, OpenMode::ReadOnly) {
            file.take_attributes_of(&*model)
                .map_err(|error| JetError::io("set the permissions", error))?;
        }
        file.set_len(self.bytes.len() as u64)
            .and_then(|()| file.write_all_at(&self.bytes, 0))
            .map_err(|error| JetError::io("write", error))?;
        file.sync().map_err(|error| JetError::io("sync", error))
    }
}

pub(in crate::store) fn open_or_create(fs: &dyn FileSystem, path: &Path) -> io::Result<Arc<dyn File>> {
    match fs.open(path, OpenMode::ReadWrite) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs.open(path, OpenMode::CreateNew),
        other => other,
    }
}

pub(in crate::store) fn archive_log(fs: &dyn FileSystem, path: &Path, archive: &Path) -> JetResult<()> {
    if fs.stat(archive).is_ok() {
        let what = "this log is in the way of the one that is closed";
        return Err(JetError::rule(JetErr::FileAlreadyExists, what).in_file(archive));
    }
    fs.rename(path, archive)
        .map_err(|error| JetError::io("rename", error).in_file(path))
}
