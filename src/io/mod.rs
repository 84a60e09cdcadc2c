//! Files and the clock behind traits, so that everything above runs on real files, in memory, or with faults.
//!
//! Errors here are the operating system's ([`std::io::Error`]); the caller, who knows the file, turns them into a
//! [`JetError`](crate::JetError).

mod fault;
mod lock_holder;
mod memory;
mod random;
mod real;
mod settable_clock;

pub use fault::{CutKind, CutReport, FaultFileSystem, Moment, Operation, Which, count_up};
pub use lock_holder::{LockHolder, lock_holder};
pub use memory::MemoryFileSystem;
pub use random::Seeded;
pub use real::{RealClock, RealFileSystem};
pub use settable_clock::SettableClock;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, read only. Never creates, never changes access times where the system allows to say so.
    ReadOnly,
    /// Existing file, read and write.
    ReadWrite,
    /// New file, read and write; fails if it exists.
    CreateNew,
}

/// Which lock on a whole file (an open file description lock: it belongs to the [`File`], not to the process).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Many may hold it; it needs only a read-only descriptor.
    Shared,
    /// One holds it; it needs a writable descriptor.
    Exclusive,
}

/// What kind of thing a path names, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// Anything else: device, socket, pipe.
    Other,
}

/// What the system knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Regular file, directory or other.
    pub kind: FileKind,
    /// Length in bytes.
    pub len: u64,
    /// Last modification, to the nanosecond where the system keeps it.
    pub modified: SystemTime,
    /// Device and inode number: two paths with the same pair are the same file.
    pub identity: (u64, u64),
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, which need not be UTF-8.
    pub name: OsString,
    /// Whether the entry itself is a symbolic link.
    pub is_symlink: bool,
}

/// An open file. Reads and writes are positioned, so one handle serves many threads.
pub trait File: Send + Sync + Debug {
    /// Reads at `offset`; 0 bytes means that the file ends there. May return less than asked.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; may write less than asked.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Extends the file to `len` bytes (with zeros), where the system can promise it with room on the disk for all of
    /// them.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no such room; the file is as long as before.
    fn grow(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
    /// Makes everything written so far durable, length included.
    fn sync(&self) -> io::Result<()>;
    /// Makes the bytes written so far durable, and of what the system knows about the file only what is needed to read
    /// them.
    ///
    /// # Errors
    /// The system's; what was written may be lost, whatever later calls say.
    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }
    /// Length, time and identity of the open file.
    fn stat(&self) -> io::Result<FileStat>;
    /// Tries to lock the whole file; `false` if somebody else holds a lock that forbids it.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
    /// Gives the lock up, if it has one, before the file is closed.
    ///
    /// # Errors
    /// The system says that it cannot.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
    /// The descriptor, where there is a real one (for passthrough).
    fn raw_fd(&self) -> Option<BorrowedFd<'_>>;

    /// These bytes will be read soon: the system may begin to fetch them. Nothing is promised.
    fn will_need(&self, _offset: u64, _len: u64) {}

    /// Takes over owner and permissions of another file, where there are such; the owner only if the system lets us.
    ///
    /// # Errors
    /// The system refuses to set the permissions.
    fn take_attributes_of(&self, _other: &dyn File) -> io::Result<()> {
        Ok(())
    }

    /// Copies up to `len` bytes at `offset` of `source` to the same place of this file; returns how many, 0 at the end
    /// of `source`. Where the system can, the bytes are shared or copied without passing through here.
    ///
    /// # Errors
    /// Either file's.
    fn copy_from(&self, source: &dyn File, offset: u64, len: usize) -> io::Result<usize> {
        copy_through_memory(self, source, offset, len)
    }

    /// Takes over the permissions of another file, where there are such, and lets the owner read and write.
    ///
    /// # Errors
    /// The system refuses it.
    fn take_mode_of(&self, _other: &dyn File) -> io::Result<()> {
        Ok(())
    }

    /// Reads until `buf` is full or the file ends; returns the bytes read.
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// Reads exactly `buf.len()` bytes; [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_full_at(buf, offset)? == buf.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Writes all of `buf`.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Bytes that are copied at once where the system cannot copy by itself.
const COPIED_AT_ONCE: usize = 1 << 20;

fn copy_through_memory<F: File + ?Sized>(
    to: &F,
    source: &dyn File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let mut bytes = vec![0; len.min(COPIED_AT_ONCE)];
    let read = source.read_full_at(&mut bytes, offset)?;
    bytes.truncate(read);
    to.write_all_at(&bytes, offset)?;
    Ok(read)
}

/// Directories and paths.
pub trait FileSystem: Send + Sync + Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// The entries of a directory, without `.` and `..`, in the order of their names' bytes.
    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>>;
    /// What a path names, links followed.
    fn stat(&self, path: &Path) -> io::Result<FileStat>;
    /// Bytes that can still be written to files in a directory. [`u64::MAX`] where the system does not say.
    ///
    /// # Errors
    /// The system's.
    fn available(&self, _directory: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    /// The absolute path with every link resolved.
    fn canonicalize(&self, path: &Path) -> io::Result<std::path::PathBuf>;
    /// Renames a file, replacing the target if it exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and those above it.
    fn create_dir_all(&self, directory: &Path) -> io::Result<()>;
    /// Makes names created, renamed and removed in a directory durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
}

/// Time, so that tests need not wait.
pub trait Clock: Send + Sync + Debug {
    /// The wall clock.
    fn now(&self) -> SystemTime;
    /// Waits.
    fn sleep(&self, duration: Duration);
}
