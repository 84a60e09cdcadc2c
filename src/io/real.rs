//! The operating system's files and clock.

use super::{Clock, DirEntry, File, FileKind, FileStat, FileSystem, LockKind, OpenMode};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, copy_file_range, fallocate, fcntl};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The operating system's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFileSystem;

#[derive(Debug)]
struct RealFile(fs::File);

fn stat_of(metadata: &fs::Metadata) -> io::Result<FileStat> {
    let kind = match metadata.file_type() {
        t if t.is_file() => FileKind::Regular,
        t if t.is_dir() => FileKind::Directory,
        _ => FileKind::Other,
    };
    Ok(FileStat {
        kind,
        len: metadata.len(),
        modified: metadata.modified()?,
        identity: (metadata.dev(), metadata.ino()),
    })
}

impl FileSystem for RealFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        // A pipe that took the place of a file must not make the opening wait for a writer.
        options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        match mode {
            OpenMode::ReadOnly => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn available(&self, directory: &Path) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(directory)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = fs::read_dir(directory)?
            .map(|entry| {
                let entry = entry?;
                Ok(DirEntry {
                    name: entry.file_name(),
                    is_symlink: entry.file_type()?.is_symlink(),
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        stat_of(&fs::metadata(path)?)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        fs::File::open(directory)?.sync_all()
    }
}

impl File for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn grow(&self, len: u64) -> io::Result<()> {
        let old = self.0.metadata()?.len();
        let added = len.saturating_sub(old);
        let (Ok(offset), Ok(more)) = (i64::try_from(old), i64::try_from(added)) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        if more == 0 {
            return Ok(());
        }
        match fallocate(&self.0, FallocateFlags::empty(), offset, more) {
            Ok(()) => Ok(()),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => self.0.set_len(len),
            Err(error) => {
                // What was given is given back.
                self.0.set_len(old)?;
                Err(error.into())
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn stat(&self) -> io::Result<FileStat> {
        stat_of(&self.0.metadata()?)
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let lock = whole_file(match kind {
            LockKind::Shared => nix::libc::F_RDLCK,
            LockKind::Exclusive => nix::libc::F_WRLCK,
        });
        match fcntl(self.0.as_fd(), FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        let lock = whole_file(nix::libc::F_UNLCK);
        fcntl(self.0.as_fd(), FcntlArg::F_OFD_SETLK(&lock))?;
        Ok(())
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn will_need(&self, offset: u64, len: u64) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
            return;
        };
        // Only a hint: a file system that does not take it reads as before.
        let _ = posix_fadvise(&self.0, offset, len, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
    }

    fn take_mode_of(&self, other: &dyn File) -> io::Result<()> {
        let Some(other) = other.raw_fd() else {
            return Ok(());
        };
        let mut permissions = fs::File::from(other.try_clone_to_owned()?)
            .metadata()?
            .permissions();
        permissions.set_mode(permissions.mode() | 0o600);
        self.0.set_permissions(permissions)
    }

    fn copy_from(&self, source: &dyn File, offset: u64, len: usize) -> io::Result<usize> {
        let through_memory = || super::copy_through_memory(self, source, offset, len);
        let (Some(from), Ok(start)) = (source.raw_fd(), i64::try_from(offset)) else {
            return through_memory();
        };
        let (mut read_at, mut write_at) = (start, start);
        match copy_file_range(from, Some(&mut read_at), &self.0, Some(&mut write_at), len) {
            Ok(copied) => Ok(copied),
            // Not between these file systems, or not by this kernel.
            Err(Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM) => {
                through_memory()
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn take_attributes_of(&self, other: &dyn File) -> io::Result<()> {
        let Some(other) = other.raw_fd() else {
            return Ok(());
        };
        let theirs = fs::File::from(other.try_clone_to_owned()?).metadata()?;
        // Only root may give files away. Changing the owner clears some permissions, so they come after.
        let _ = std::os::unix::fs::fchown(&self.0, Some(theirs.uid()), Some(theirs.gid()));
        self.0.set_permissions(theirs.permissions())
    }
}

fn whole_file(l_type: nix::libc::c_int) -> nix::libc::flock {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "F_RDLCK, F_WRLCK, F_UNLCK and SEEK_SET are 0 to 2"
    )]
    nix::libc::flock {
        l_type: l_type as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_is_copied_to_the_same_place_and_nothing_behind_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let create = |name| {
            let path = directory.path().join(name);
            RealFileSystem.open(&path, OpenMode::CreateNew).unwrap()
        };
        let (from, to) = (create("from"), create("to"));
        from.write_all_at(b"0123456789", 0).unwrap();
        assert_eq!(to.copy_from(&*from, 4, 3).unwrap(), 3);
        assert_eq!(to.copy_from(&*from, 7, 100).unwrap(), 3);
        assert_eq!(to.copy_from(&*from, 10, 100).unwrap(), 0);
        let mut copied = [1; 10];
        to.read_exact_at(&mut copied, 0).unwrap();
        assert_eq!(&copied, b"\0\0\0\x00456789");
    }

    #[test]
    fn opening_a_pipe_without_a_writer_does_not_wait() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("edb.log");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let file = RealFileSystem.open(&pipe, OpenMode::ReadOnly).unwrap();
        assert_eq!(file.stat().unwrap().kind, FileKind::Other);
    }
}
