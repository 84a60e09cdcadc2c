//! The copy of a set that is recovered instead of the set itself.

use crate::exit::Failure;
use anyhow::{Context, Result};
use jetfs::recovery::InstanceFiles;
use jetfs::recovery::in_place::LockedSet;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A copy of a set.
pub(super) struct Copies {
    /// Where the files are now.
    pub(super) files: InstanceFiles,
    out: PathBuf,
    names: BTreeSet<OsString>,
    made: Vec<PathBuf>,
}

impl Copies {
    /// Copies the files of an instance into `out`, flat. If that fails, the copies go again.
    pub(super) fn make(files: &InstanceFiles, out: &Path) -> Result<Self> {
        make_empty(out)?;
        let mut copies = Copies {
            files: files.clone(),
            out: out.to_path_buf(),
            names: BTreeSet::new(),
            made: Vec::new(),
        };
        if let Err(error) = copies.copy_all(files) {
            copies.remove();
            return Err(error);
        }
        Ok(copies)
    }

    /// Removes the copies.
    pub(super) fn remove(&self) {
        // Nothing can be done about what cannot be removed, and the user gets the error that led here.
        for path in &self.made {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.out);
    }

    fn copy_all(&mut self, files: &InstanceFiles) -> Result<()> {
        for (generation, log) in &files.logs {
            let path = self.add(&log.path)?;
            if let Some(log) = self.files.logs.get_mut(generation) {
                log.path = path;
            }
        }
        // The current log is one of the logs.
        self.files.current = files.current.as_deref().map(|path| self.place(path));
        self.files.next = files.next.as_deref().map(|path| self.add(path)).transpose()?;
        let checkpoint = files.checkpoint.as_deref();
        self.files.checkpoint = checkpoint.map(|path| self.add(path)).transpose()?;
        let databases = files.databases.iter().map(|path| self.add_database(path));
        self.files.databases = databases.collect::<Result<_>>()?;
        let map = files.map.iter();
        self.files.map = map.map(|(old, new)| (old.clone(), self.place(new))).collect();
        self.files.system.clone_from(&self.out);
        let directory = fs::File::open(&self.out).and_then(|directory| directory.sync_all());
        directory.with_context(|| format!("cannot sync {}", self.out.display()))
    }

    /// A database, and the journal of an interrupted recovery of it.
    fn add_database(&mut self, path: &Path) -> Result<PathBuf> {
        let journal = LockedSet::journal_of(path);
        if journal.exists() {
            self.add(&journal)?;
        }
        self.add(path)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.out.join(path.file_name().unwrap_or_default())
    }

    /// Copies a file and makes the copy durable.
    fn add(&mut self, path: &Path) -> Result<PathBuf> {
        let name = path.file_name().unwrap_or_default().to_os_string();
        if !self.names.insert(name.to_ascii_lowercase()) {
            let what = format!("two files of the set are called {}", name.display());
            return Err(Failure::refused(what)
                .advise("Recover them one at a time, or in place.")
                .into());
        }
        let to = self.place(path);
        self.made.push(to.clone());
        let copied = fs::copy(path, &to).and_then(|_| {
            // The copy of a file that may only be read must be written.
            let mut permissions = fs::metadata(&to)?.permissions();
            let mode = std::os::unix::fs::PermissionsExt::mode(&permissions);
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, mode | 0o600);
            fs::set_permissions(&to, permissions)?;
            fs::OpenOptions::new().write(true).open(&to)?.sync_all()
        });
        copied.with_context(|| format!("cannot copy {} to {}", path.display(), to.display()))?;
        Ok(to)
    }
}

/// Makes the directory, or takes one that is empty.
fn make_empty(out: &Path) -> Result<()> {
    match fs::read_dir(out).map(|mut entries| entries.next()) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => {
            let what = format!("{} is not empty", out.display());
            Err(Failure::refused(what)
                .advise("Name a directory that does not exist yet.")
                .into())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot list {}", out.display())),
    }
}
