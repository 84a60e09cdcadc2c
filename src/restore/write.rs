//! Writes a restored set (external-backup.md section 8.3, steps 9 to 11).
//!
//! ```text
//! 1  the marker         the destination is not complete
//! 2  copies             of logs and databases: the databases say that they are copies from a backup, not clean
//! 3  the result         pages, a new generation of the log, then clean headers, then the checkpoint
//! 4  the marker goes
//! ```
//!
//! Each line is durable before the next begins. What an interruption leaves is never a database that looks clean and is
//! not; it is removed, and the restore is run again.

use super::restorable_set::RestorableSet;
use crate::error::{JetError, JetResult};
use crate::io::{Clock, File, FileSystem, OpenMode};
use crate::recovery::in_place::{Durability, LockedSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that says that a restore is not complete.
pub const MARKER: &str = "jetfs-restore-is-incomplete.txt";

const MARKER_TEXT: &[u8] = b"A restore into this directory has not ended, or was interrupted.\n\
    If no `jetfs restore` is running, remove the directory and run it again.\n";

/// Bytes that are copied between two reports of progress.
const COPIED_AT_ONCE: usize = 16 << 20;

/// How far the writing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteProgress {
    /// So many bytes more were copied.
    Copied(u64),
    /// So many bytes of changed pages more were written.
    Changed(u64),
}

impl RestorableSet {
    /// Writes the set. `progress` can end it with an error while files are copied. If it does not come to its end,
    /// what was written is removed again.
    ///
    /// # Errors
    /// What the system says (`JET_errDiskFull`); that of `progress`.
    pub fn write(
        self,
        fs: &dyn FileSystem,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(WriteProgress) -> JetResult<()>,
    ) -> JetResult<()> {
        let mut made = Made {
            fs,
            destination: self.destination.clone(),
            files: Vec::new(),
            is_kept: false,
        };
        made.mark()?;
        let copies = self.copies.clone();
        for (from, to) in &copies {
            made.copy(from, to, progress)?;
        }
        made.sync_names()?;
        let created = self.databases.iter().filter(|database| database.copy.is_none());
        made.files.extend(created.map(|database| database.path.clone()));
        let new_names = self.writable.names();
        made.files.extend(new_names.iter().cloned());
        let paths = self.databases.iter().map(|database| database.path.as_path());
        let mut set = LockedSet::lock(fs, paths)?;
        let changed = &mut |bytes| {
            // Here an error can no longer be heard.
            let _ = progress(WriteProgress::Changed(bytes));
        };
        self.writable.write(&mut set, Durability::Copy, clock, changed)?;
        if let Some((model, _)) = copies.first() {
            new_names
                .iter()
                .try_for_each(|path| made.permit_as(model, path))?;
        }
        made.finish()
    }
}

/// What was made so far; removed when dropped, unless all is done.
struct Made<'f> {
    fs: &'f dyn FileSystem,
    destination: PathBuf,
    files: Vec<PathBuf>,
    is_kept: bool,
}

impl Made<'_> {
    fn mark(&mut self) -> JetResult<()> {
        let directory = &self.destination;
        let made = self.fs.create_dir_all(directory);
        made.map_err(|error| JetError::io("create", error).in_file(directory))?;
        let file = self.create(&self.marker())?;
        file.write_all_at(MARKER_TEXT, 0)
            .and_then(|()| file.sync())
            .map_err(|error| JetError::io("write", error).in_file(&self.marker()))?;
        self.sync_names()
    }

    fn marker(&self) -> PathBuf {
        self.destination.join(MARKER)
    }

    fn create(&mut self, path: &Path) -> JetResult<Arc<dyn File>> {
        let file = self.fs.open(path, OpenMode::CreateNew);
        let file = file.map_err(|error| JetError::io("create", error).in_file(path))?;
        self.files.push(path.to_path_buf());
        Ok(file)
    }

    /// Copies a file and makes the copy durable.
    fn copy(
        &mut self,
        from: &Path,
        to: &Path,
        progress: &mut dyn FnMut(WriteProgress) -> JetResult<()>,
    ) -> JetResult<()> {
        let source = self.fs.open(from, OpenMode::ReadOnly);
        let source = source.map_err(|error| JetError::io("open", error).in_file(from))?;
        let copy = self.create(to)?;
        copy.take_mode_of(source.as_ref())
            .map_err(|error| JetError::io("set the permissions", error).in_file(to))?;
        let mut offset = 0;
        loop {
            let copied = copy.copy_from(source.as_ref(), offset, COPIED_AT_ONCE);
            let copied = copied.map_err(|error| JetError::io("copy", error).in_file(to))? as u64;
            if copied == 0 {
                break;
            }
            offset += copied;
            progress(WriteProgress::Copied(copied))?;
        }
        copy.sync()
            .map_err(|error| JetError::io("sync", error).in_file(to))
    }

    /// What is new may be read by those who may read the sets' logs.
    fn permit_as(&self, model: &Path, path: &Path) -> JetResult<()> {
        let (Ok(model), Ok(file)) = (
            self.fs.open(model, OpenMode::ReadOnly),
            self.fs.open(path, OpenMode::ReadWrite),
        ) else {
            return Ok(());
        };
        file.take_mode_of(model.as_ref())
            .map_err(|error| JetError::io("set the permissions", error).in_file(path))
    }

    /// Makes the names of all files durable.
    fn sync_names(&self) -> JetResult<()> {
        let mut directories: Vec<&Path> = self.files.iter().filter_map(|path| path.parent()).collect();
        directories.sort_unstable();
        directories.dedup();
        directories.into_iter().try_for_each(|directory| {
            let synced = self.fs.sync_dir(directory);
            synced.map_err(|error| JetError::io("sync the directory", error).in_file(directory))
        })
    }

    fn finish(mut self) -> JetResult<()> {
        let marker = self.marker();
        let removed = self.fs.remove(&marker);
        removed.map_err(|error| JetError::io("remove", error).in_file(&marker))?;
        self.sync_names()?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // Databases go first and the marker last: whatever cannot be removed stays marked.
        for path in self.files.iter().rev() {
            let _ = self.fs.remove(path);
        }
    }
}
