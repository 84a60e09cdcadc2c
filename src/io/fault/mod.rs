//! Faults on top of any file system: operations that fail, and a power switch.
//!
//! # Fault model
//!
//! What a program built on [`FileSystem`] must survive, and what it need not. The tests at the end of this folder
//! show each line; recovery, engine and backup are tested against it.
//!
//! | where | may happen | must hold afterwards |
//! | --- | --- | --- |
//! | any operation | fails with an error, once or from then on | a clear error; nothing committed is lost; trying again later works |
//! | `read_at`, `write_at` | transfers fewer bytes than asked | the caller goes on with the rest |
//! | `write_at` that fails | a part of it was written | the old contents count as damaged |
//! | `sync` that fails | later calls report success for writes that never arrive | no trust in the file before a restart |
//! | power cut: unsynced writes | none arrives; or all that came before a moment, the last one torn at a 512-byte sector; or any sectors in any order; or all | what a `sync` had confirmed is there |
//! | power cut: unsynced length | the old or the new length, or anything between that the arrived writes need; holes read as zeros | as above |
//! | power cut: names | names created, renamed, removed in a directory after its last `sync_dir` may be as before; each directory keeps a prefix of its changes, a rename is atomic | names that `sync_dir` confirmed are there; a name made durable says nothing about the bytes behind it |
//! | power cut | every handle and lock ends; every operation fails until [`restart`](FaultFileSystem::restart) | |
//!
//! A sector holds one of the contents that it had since the last `sync`, never a mixture of two that were not there
//! together. Not in the model, because nothing local can survive it or because it is tested elsewhere: synced bytes
//! that rot (checksums; mutators flip bits), a disk that lies about `sync`, directories that vanish (a created
//! directory is durable at once), renames between two directories (refused: jetfs makes none).
//!
//! # Use
//!
//! ```
//! use jetfs::io::{FaultFileSystem, FileSystem, OpenMode, Which};
//! use std::path::Path;
//!
//! for seed in 0..100 {
//!     let fs = FaultFileSystem::in_memory();
//!     let file = fs.open(Path::new("/a"), OpenMode::CreateNew)?;
//!     file.write_all_at(b"kept", 0)?;
//!     file.sync()?;
//!     fs.sync_dir(Path::new("/"))?;
//!     file.write_all_at(b"perhaps", 4)?;
//!     let cut = fs.cut_power(seed)?; // Its Display tells the seed: print it when something is wrong.
//!     fs.restart();
//!     let file = fs.open(Path::new("/a"), OpenMode::ReadOnly)?;
//!     let mut bytes = [0; 4];
//!     file.read_exact_at(&mut bytes, 0)?;
//!     assert_eq!(&bytes, b"kept", "{cut}");
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod file;
mod journal;
mod moment;
#[cfg(test)]
mod tests;

pub use journal::{CutKind, CutReport};
pub use moment::Moment;

use super::{DirEntry, File, FileStat, FileSystem, MemoryFileSystem, OpenMode};
use file::FaultFile;
use journal::Journal;
use moment::Watcher;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names under which removed and replaced files wait until their directory is synced; never listed.
const HIDDEN: &str = ".jetfs-fault-";

/// The operations that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are those of the methods of File and FileSystem"
)]
pub enum Operation {
    Open,
    CreateNew,
    Read,
    Write,
    SetLen,
    Sync,
    Stat,
    Lock,
    List,
    Canonicalize,
    Rename,
    Remove,
    CreateDir,
    SyncDir,
}

impl Operation {
    /// Whether it changes the disk or makes changes durable.
    pub fn changes(self) -> bool {
        use Operation::*;
        matches!(
            self,
            CreateNew | Write | SetLen | Sync | Rename | Remove | CreateDir | SyncDir
        )
    }
}

/// Which operations a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// Those that change the disk or make changes durable.
    Changing,
    /// One kind.
    Only(Operation),
}

impl Which {
    fn counts(self, operation: Operation) -> bool {
        match self {
            Which::Any => true,
            Which::Changing => operation.changes(),
            Which::Only(kind) => kind == operation,
        }
    }
}

/// Calls `run` with k = 1, 2, 3 … until it returns `false`: the k-th operation was not reached any more, so the run
/// succeeded. Returns how many runs met the fault.
///
/// ```
/// use jetfs::io::{FaultFileSystem, FileSystem, OpenMode, Which, count_up};
///
/// let met = count_up(|k| {
///     let fs = FaultFileSystem::in_memory();
///     fs.fail(k, Which::Any, std::io::ErrorKind::StorageFull);
///     let result = fs.open("/a".as_ref(), OpenMode::CreateNew).and_then(|file| file.sync());
///     assert_eq!(result.is_err(), fs.reached());
///     fs.reached()
/// });
/// assert_eq!(met, 2);
/// ```
pub fn count_up(mut run: impl FnMut(u64) -> bool) -> u64 {
    let mut k = 1;
    while run(k) {
        k += 1;
    }
    k - 1
}

/// A file system with faults. Clones are the same machine.
#[derive(Debug, Clone)]
pub struct FaultFileSystem(Arc<Machine>);

#[derive(Debug)]
struct Machine {
    inner: Arc<dyn FileSystem>,
    state: Mutex<State>,
    watcher: Watcher,
}

#[derive(Debug, Default)]
struct State {
    is_off: bool,
    operations: u64,
    armed: Option<Armed>,
    reached: bool,
    short_transfers: bool,
    handles: BTreeMap<u64, Open>,
    last_number: u64,
    journal: Journal,
    last_cut: Option<CutReport>,
}

/// An open handle of the machine. It goes when the power goes, and its lock with it.
#[derive(Debug)]
struct Open {
    file: Arc<dyn File>,
    identity: (u64, u64),
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    which: Which,
    /// Counted operations until the fault, itself included.
    remaining: u64,
    fault: Fault,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Fail { kind: io::ErrorKind, for_ever: bool },
    CutPower { seed: u64 },
}

impl FaultFileSystem {
    /// Faults on top of `inner`, which from now on nobody else may change. Nothing fails until told.
    pub fn new(inner: Arc<dyn FileSystem>) -> Self {
        FaultFileSystem(Arc::new(Machine {
            inner,
            state: Mutex::default(),
            watcher: Watcher::default(),
        }))
    }

    /// Faults on top of a new, empty [`MemoryFileSystem`].
    pub fn in_memory() -> Self {
        Self::new(Arc::new(MemoryFileSystem::default()))
    }

    /// The k-th operation from now (1 is the next one) of those that `which` counts fails with `kind`; then all is well again.
    pub fn fail(&self, k: u64, which: Which, kind: io::ErrorKind) {
        self.arm(
            k,
            which,
            Fault::Fail {
                kind,
                for_ever: false,
            },
        );
    }

    /// As [`fail`](Self::fail), but every later operation that `which` counts fails too: a disk that stays full.
    pub fn fail_from(&self, k: u64, which: Which, kind: io::ErrorKind) {
        self.arm(k, which, Fault::Fail { kind, for_ever: true });
    }

    /// The power goes in the k-th operation from now of those that `which` counts.
    pub fn cut_power_at(&self, k: u64, which: Which, seed: u64) {
        self.arm(k, which, Fault::CutPower { seed });
    }

    /// Shows the disk at every operation that changes it or makes changes durable, until another watcher comes: before
    /// anybody is told that the operation was done. One run shows all its moments so, where
    /// [`cut_power_at`](Self::cut_power_at) needs a run for each. `see` must not use this file system.
    pub fn watch(&self, see: impl FnMut(&Moment<'_>) + Send + 'static) {
        self.0.watcher.set(see);
    }

    fn arm(&self, k: u64, which: Which, fault: Fault) {
        let mut state = self.0.state.lock();
        state.reached = false;
        state.armed = Some(Armed {
            which,
            remaining: k.max(1),
            fault,
        });
    }

    /// Takes back what [`fail`](Self::fail), [`fail_from`](Self::fail_from) and [`cut_power_at`](Self::cut_power_at) ordered.
    pub fn disarm(&self) {
        self.0.state.lock().armed = None;
    }

    /// Whether the fault ordered last has happened.
    pub fn reached(&self) -> bool {
        self.0.state.lock().reached
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.0.state.lock().operations
    }

    /// Whether reads and writes transfer at most 512 bytes at once.
    pub fn set_short_transfers(&self, short: bool) {
        self.0.state.lock().short_transfers = short;
    }

    /// Cuts the power now. What becomes of unsynced changes follows from `seed`. Errors are those of the file system below.
    pub fn cut_power(&self, seed: u64) -> io::Result<CutReport> {
        self.0.cut_power(&mut self.0.state.lock(), seed)
    }

    /// What the last power cut did.
    pub fn last_cut(&self) -> Option<CutReport> {
        self.0.state.lock().last_cut
    }

    /// Starts again: after a power cut the disk holds what arrived; without one (the process died) everything written
    /// is still in the system's cache, unsynced. Old handles stay dead, their locks are gone, no fault is armed.
    pub fn restart(&self) {
        let mut state = self.0.state.lock();
        state.is_off = false;
        state.armed = None;
        state.handles.clear();
        state.journal.trust_syncs_again();
    }
}

impl Machine {
    /// Counts an operation and performs it, unless a fault is due.
    fn run<T>(
        &self,
        operation: Operation,
        perform: impl FnOnce(&mut State, &dyn FileSystem) -> io::Result<T>,
    ) -> io::Result<T> {
        self.run_or(operation, perform, |_| ())
    }

    /// As [`run`](Self::run); an operation that is made to fail does `instead`.
    fn run_or<T>(
        &self,
        operation: Operation,
        perform: impl FnOnce(&mut State, &dyn FileSystem) -> io::Result<T>,
        instead: impl FnOnce(&mut State),
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        match state.count(operation)? {
            None if matches!(operation, Operation::Sync | Operation::SyncDir) => {
                self.watcher.show(operation, &state.journal);
                perform(&mut state, &*self.inner)
            }
            None => {
                let done = perform(&mut state, &*self.inner);
                self.watcher.show(operation, &state.journal);
                done
            }
            Some(Fault::Fail { kind, .. }) => {
                instead(&mut state);
                Err(kind.into())
            }
            Some(Fault::CutPower { seed }) => {
                // The operation in flight may have arrived, but nobody can have been told that it is durable.
                if !matches!(operation, Operation::Sync | Operation::SyncDir) {
                    let _ = perform(&mut state, &*self.inner);
                }
                self.cut_power(&mut state, seed)?;
                Err(power_is_off())
            }
        }
    }

    fn cut_power(&self, state: &mut State, seed: u64) -> io::Result<CutReport> {
        if state.is_off {
            return Err(power_is_off());
        }
        state.is_off = true;
        state.handles.clear();
        let report = std::mem::take(&mut state.journal).cut_power(&*self.inner, seed)?;
        state.last_cut = Some(report);
        Ok(report)
    }
}

impl State {
    fn count(&mut self, operation: Operation) -> io::Result<Option<Fault>> {
        if self.is_off {
            return Err(power_is_off());
        }
        self.operations += 1;
        let Some(armed) = self.armed.as_mut().filter(|armed| armed.which.counts(operation)) else {
            return Ok(None);
        };
        armed.remaining = armed.remaining.saturating_sub(1);
        if armed.remaining > 0 {
            return Ok(None);
        }
        let fault = armed.fault;
        if !matches!(fault, Fault::Fail { for_ever: true, .. }) {
            self.armed = None;
        }
        self.reached = true;
        Ok(Some(fault))
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

/// The directory of `path` without links, and the path in it.
fn place_of(inner: &dyn FileSystem, path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = inner.canonicalize(parent)?;
    let place = directory.join(name);
    Ok((directory, place))
}

impl FileSystem for FaultFileSystem {
    fn available(&self, directory: &Path) -> io::Result<u64> {
        self.0.inner.available(directory)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let operation = match mode {
            OpenMode::CreateNew => Operation::CreateNew,
            OpenMode::ReadOnly | OpenMode::ReadWrite => Operation::Open,
        };
        let number = self.0.run(operation, |state, inner| {
            let file = inner.open(path, mode)?;
            let identity = file.stat()?.identity;
            if mode != OpenMode::ReadOnly {
                state
                    .journal
                    .watch(identity, || inner.open(path, OpenMode::ReadWrite))?;
            }
            if mode == OpenMode::CreateNew {
                let (directory, place) = place_of(inner, path)?;
                state.journal.created(directory, place);
            }
            let number = state.number();
            state.handles.insert(number, Open { file, identity });
            Ok(number)
        })?;
        Ok(Arc::new(FaultFile::new(Arc::clone(&self.0), number)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.run(Operation::List, |_, inner| {
            let mut entries = inner.list(directory)?;
            entries.retain(|entry| !entry.name.as_encoded_bytes().starts_with(HIDDEN.as_bytes()));
            Ok(entries)
        })
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.0.run(Operation::Stat, |_, inner| inner.stat(path))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.0
            .run(Operation::Canonicalize, |_, inner| inner.canonicalize(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.run(Operation::Rename, |state, inner| {
            let (directory, from) = place_of(inner, from)?;
            let (target_directory, to) = place_of(inner, to)?;
            if directory != target_directory {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "renames between directories are outside the fault model",
                ));
            }
            state.journal.rename(inner, directory, from, to)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.run(Operation::Remove, |state, inner| {
            let (directory, path) = place_of(inner, path)?;
            state.journal.remove(inner, directory, path)
        })
    }

    fn create_dir_all(&self, directory: &Path) -> io::Result<()> {
        self.0
            .run(Operation::CreateDir, |_, inner| inner.create_dir_all(directory))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.0.run(Operation::SyncDir, |state, inner| {
            let directory = inner.canonicalize(directory)?;
            inner.sync_dir(&directory)?;
            state.journal.synced_directory(inner, &directory)
        })
    }
}
