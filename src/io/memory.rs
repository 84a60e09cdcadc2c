//! A file system in memory and a clock that tests set: for tests that need thousands of runs, and for the view of
//! a recovered database that must not touch its source.
//!
//! It behaves as a local POSIX file system does: names and files are separate things (a removed or replaced file
//! lives on in its open handles), locks belong to handles and end with them, symbolic links are followed. Nothing is
//! ever lost: [`FaultFileSystem`](super::FaultFileSystem) on top decides what a power cut takes away.

use super::{Clock, DirEntry, File, FileKind, FileStat, FileSystem, LockKind, OpenMode, SettableClock};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Symbolic links followed in one path before it counts as a loop, as on Linux.
const MAX_LINKS: u32 = 40;

/// Directories and files in memory. Clones share them. Relative paths start at `/`, which exists.
#[derive(Debug, Clone)]
pub struct MemoryFileSystem(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    names: RwLock<BTreeMap<PathBuf, Node>>,
    next_number: AtomicU64,
    space: Arc<Space>,
}

/// Bytes that all files may hold together, so that a full disk can be tested.
#[derive(Debug)]
struct Space {
    capacity: AtomicU64,
    used: AtomicU64,
}

#[derive(Debug, Clone)]
enum Node {
    Directory(u64),
    File(Arc<Inode>),
    Link(PathBuf),
}

#[derive(Debug)]
struct Inode {
    number: u64,
    content: RwLock<Content>,
    /// Handle number and kind of every lock held.
    locks: Mutex<Vec<(u64, LockKind)>>,
    space: Arc<Space>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    modified: SystemTime,
}

/// An open file; its locks end when it is dropped.
#[derive(Debug)]
struct Handle {
    number: u64,
    writable: bool,
    inode: Arc<Inode>,
    file_system: Arc<Shared>,
}

impl Default for MemoryFileSystem {
    fn default() -> Self {
        Self::new(Arc::new(SettableClock::default()))
    }
}

impl MemoryFileSystem {
    /// An empty file system whose modification times come from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let root = (PathBuf::from("/"), Node::Directory(1));
        MemoryFileSystem(Arc::new(Shared {
            clock,
            names: RwLock::new(BTreeMap::from([root])),
            next_number: AtomicU64::new(2),
            space: Arc::new(Space {
                capacity: AtomicU64::new(1 << 32),
                used: AtomicU64::new(0),
            }),
        }))
    }

    /// Bytes that all files may hold together (4 GiB at first); beyond it writes fail as on a full disk.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.space.capacity.store(bytes, Ordering::Relaxed);
    }

    /// Another file system with the same names and bytes, which nobody has open. Files keep their identities.
    pub fn fork(&self) -> Self {
        let space = Arc::new(Space {
            capacity: AtomicU64::new(self.0.space.capacity.load(Ordering::Relaxed)),
            used: AtomicU64::new(0),
        });
        let names = self.0.names.read();
        let mut inodes = BTreeMap::new();
        let forked = names.iter().map(|(path, node)| {
            let node = match node {
                Node::File(inode) => {
                    let copy = inodes.entry(inode.number).or_insert_with(|| inode.fork(&space));
                    Node::File(Arc::clone(copy))
                }
                other => other.clone(),
            };
            (path.clone(), node)
        });
        let forked: BTreeMap<PathBuf, Node> = forked.collect();
        MemoryFileSystem(Arc::new(Shared {
            clock: Arc::clone(&self.0.clock),
            names: RwLock::new(forked),
            next_number: AtomicU64::new(self.0.next_number.load(Ordering::Relaxed)),
            space,
        }))
    }

    /// The bytes of a file.
    pub fn read_file(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        Ok(self.0.inode(path.as_ref())?.content.read().bytes.clone())
    }

    /// Creates or overwrites a file, and the directories above it.
    pub fn write_file(&self, path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let path = path.as_ref();
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent)?;
        }
        let file = match self.open(path, OpenMode::ReadWrite) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.open(path, OpenMode::CreateNew)?,
            other => other?,
        };
        file.set_len(0)?;
        file.write_all_at(bytes, 0)
    }

    /// Sets a file's modification time.
    pub fn set_modified(&self, path: impl AsRef<Path>, time: SystemTime) -> io::Result<()> {
        self.0.inode(path.as_ref())?.content.write().modified = time;
        Ok(())
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, target: impl Into<PathBuf>, link: impl AsRef<Path>) -> io::Result<()> {
        let mut names = self.0.names.write();
        let link = place_of(&names, link.as_ref())?;
        if names.contains_key(&link) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(link, Node::Link(target.into()));
        Ok(())
    }
}

impl Shared {
    fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn inode(&self, path: &Path) -> io::Result<Arc<Inode>> {
        let names = self.names.read();
        match names.get(&resolve(&names, path)?) {
            Some(Node::File(inode)) => Ok(Arc::clone(inode)),
            Some(_) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<Inode>> {
        let mut names = self.names.write();
        let place = place_of(&names, path)?;
        if names.contains_key(&place) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = Arc::new(Inode {
            number: self.number(),
            content: RwLock::new(Content {
                bytes: Vec::new(),
                modified: self.clock.now(),
            }),
            locks: Mutex::default(),
            space: Arc::clone(&self.space),
        });
        names.insert(place, Node::File(Arc::clone(&inode)));
        Ok(inode)
    }
}

/// The name of a directory entry that need not exist: links above it are followed, the last one is not.
fn place_of(names: &BTreeMap<PathBuf, Node>, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = resolve(names, path.parent().unwrap_or(Path::new("/")))?;
    match names.get(&parent) {
        Some(Node::Directory(_)) => Ok(parent.join(name)),
        Some(_) => Err(io::ErrorKind::NotADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The absolute path without links, `.` and `..`. It need not exist.
fn resolve(names: &BTreeMap<PathBuf, Node>, path: &Path) -> io::Result<PathBuf> {
    let mut rest: Vec<PathBuf> = components_reversed(path);
    let mut resolved = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            resolved.pop();
            continue;
        }
        let next = resolved.join(part);
        if let Some(Node::Link(target)) = names.get(&next) {
            links += 1;
            if links > MAX_LINKS {
                return Err(nix::errno::Errno::ELOOP.into());
            }
            rest.extend(components_reversed(target));
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
        } else {
            resolved = next;
        }
    }
    Ok(resolved)
}

fn components_reversed(path: &Path) -> Vec<PathBuf> {
    let named = |component| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    let mut parts: Vec<PathBuf> = path.components().filter_map(named).collect();
    parts.reverse();
    parts
}

impl FileSystem for MemoryFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let inode = match mode {
            OpenMode::CreateNew => self.0.create(path)?,
            OpenMode::ReadOnly | OpenMode::ReadWrite => self.0.inode(path)?,
        };
        Ok(Arc::new(Handle {
            number: self.0.number(),
            writable: mode != OpenMode::ReadOnly,
            inode,
            file_system: Arc::clone(&self.0),
        }))
    }

    fn available(&self, _directory: &Path) -> io::Result<u64> {
        let space = &self.0.space;
        let capacity = space.capacity.load(Ordering::Relaxed);
        Ok(capacity.saturating_sub(space.used.load(Ordering::Relaxed)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.0.names.read();
        let directory = resolve(&names, directory)?;
        match names.get(&directory) {
            Some(Node::Directory(_)) => {}
            Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        let inside = names
            .iter()
            .filter(|(path, _)| path.parent() == Some(directory.as_path()));
        Ok(inside
            .map(|(path, node)| DirEntry {
                name: path.file_name().unwrap_or(OsStr::new("")).to_owned(),
                is_symlink: matches!(node, Node::Link(_)),
            })
            .collect())
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let names = self.0.names.read();
        match names.get(&resolve(&names, path)?) {
            Some(Node::File(inode)) => Ok(inode.stat()),
            Some(Node::Directory(number)) => Ok(FileStat {
                kind: FileKind::Directory,
                len: 0,
                modified: self.0.clock.now(),
                identity: (0, *number),
            }),
            Some(Node::Link(_)) | None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let names = self.0.names.read();
        let resolved = resolve(&names, path)?;
        if names.contains_key(&resolved) {
            Ok(resolved)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.0.names.write();
        let (from, to) = (place_of(&names, from)?, place_of(&names, to)?);
        if let Some(Node::Directory(_)) = names.get(&to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        match names.get(&from).cloned() {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            Some(node) => {
                names.remove(&from);
                names.insert(to, node);
                Ok(())
            }
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut names = self.0.names.write();
        let place = place_of(&names, path)?;
        match names.get(&place) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            Some(_) => {
                names.remove(&place);
                Ok(())
            }
        }
    }

    fn create_dir_all(&self, directory: &Path) -> io::Result<()> {
        let mut names = self.0.names.write();
        let resolved = resolve(&names, directory)?;
        for path in resolved.ancestors() {
            match names.get(path) {
                Some(Node::Directory(_)) => break,
                Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    names.insert(path.to_owned(), Node::Directory(self.0.number()));
                }
            }
        }
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.list(directory).map(|_| ())
    }
}

impl Inode {
    fn fork(&self, space: &Arc<Space>) -> Arc<Inode> {
        let content = self.content.read();
        space
            .used
            .fetch_add(content.bytes.len() as u64, Ordering::Relaxed);
        Arc::new(Inode {
            number: self.number,
            content: RwLock::new(Content {
                bytes: content.bytes.clone(),
                modified: content.modified,
            }),
            locks: Mutex::default(),
            space: Arc::clone(space),
        })
    }

    fn stat(&self) -> FileStat {
        let content = self.content.read();
        FileStat {
            kind: FileKind::Regular,
            len: content.bytes.len() as u64,
            modified: content.modified,
            identity: (0, self.number),
        }
    }
}

impl Handle {
    /// Changes the content, which may grow or shrink to `len(old)`, if the handle may write and there is space.
    fn change(&self, len: impl Fn(u64) -> u64, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        if !self.writable {
            return Err(nix::errno::Errno::EBADF.into());
        }
        let mut content = self.inode.content.write();
        let old = content.bytes.len() as u64;
        let new = len(old);
        self.inode.space.resize(old, new)?;
        let new = usize::try_from(new).map_err(|_| io::ErrorKind::FileTooLarge)?;
        content.bytes.resize(new, 0);
        write(&mut content.bytes);
        content.modified = self.file_system.clock.now();
        Ok(())
    }
}

impl Space {
    fn resize(&self, old: u64, new: u64) -> io::Result<()> {
        let capacity = self.capacity.load(Ordering::Relaxed);
        let resized = |used: u64| {
            let now = used.saturating_sub(old).saturating_add(new);
            (new <= old || now <= capacity).then_some(now)
        };
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, resized)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.inode.content.read();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let available = content.bytes.get(start..).unwrap_or_default();
        let len = available.len().min(buf.len());
        for (target, byte) in buf.iter_mut().zip(available) {
            *target = *byte;
        }
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buf.len() as u64);
        self.change(
            |old| if buf.is_empty() { old } else { old.max(end) },
            |bytes| {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                if let Some(target) = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..buf.len())) {
                    target.copy_from_slice(buf);
                }
            },
        )?;
        Ok(buf.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|_| len, |_| ())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn stat(&self) -> io::Result<FileStat> {
        Ok(self.inode.stat())
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        if kind == LockKind::Exclusive && !self.writable {
            return Err(nix::errno::Errno::EBADF.into());
        }
        let mut locks = self.inode.locks.lock();
        let forbids = |held: LockKind| held == LockKind::Exclusive || kind == LockKind::Exclusive;
        if locks
            .iter()
            .any(|&(owner, held)| owner != self.number && forbids(held))
        {
            return Ok(false);
        }
        locks.retain(|&(owner, _)| owner != self.number);
        locks.push((self.number, kind));
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        self.inode.locks.lock().retain(|&(owner, _)| owner != self.number);
        Ok(())
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let freed = self.content.get_mut().bytes.len() as u64;
        self.space.used.fetch_sub(freed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_system() -> MemoryFileSystem {
        let fs = MemoryFileSystem::default();
        fs.write_file("/d/a", b"hello").unwrap();
        fs
    }

    #[test]
    fn a_removed_file_lives_on_in_its_handles() {
        let fs = file_system();
        let open = fs.open(Path::new("/d/a"), OpenMode::ReadOnly).unwrap();
        fs.remove(Path::new("/d/a")).unwrap();
        let mut bytes = [0; 5];
        open.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"hello");
        let gone = fs.open(Path::new("/d/a"), OpenMode::ReadOnly).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_rename_replaces_the_target() {
        let fs = file_system();
        fs.write_file("/d/b", b"new").unwrap();
        fs.rename(Path::new("/d/b"), Path::new("/d/a")).unwrap();
        assert_eq!(fs.read_file("/d/a").unwrap(), b"new");
        assert_eq!(fs.list(Path::new("d")).unwrap().len(), 1);
    }

    #[test]
    fn an_exclusive_lock_keeps_others_out_until_its_handle_is_gone() {
        let fs = file_system();
        let path = Path::new("/d/a");
        let writer = fs.open(path, OpenMode::ReadWrite).unwrap();
        let reader = fs.open(path, OpenMode::ReadOnly).unwrap();
        assert!(writer.try_lock(LockKind::Exclusive).unwrap());
        assert!(!reader.try_lock(LockKind::Shared).unwrap());
        drop(writer);
        assert!(reader.try_lock(LockKind::Shared).unwrap());
        assert!(reader.try_lock(LockKind::Exclusive).is_err());
    }

    #[test]
    fn links_are_followed_and_a_loop_is_an_error() {
        let fs = file_system();
        fs.symlink("d", "/link").unwrap();
        fs.symlink("/loop", "/loop").unwrap();
        let canonical = fs.canonicalize(Path::new("/link/../link/a")).unwrap();
        assert_eq!(canonical, Path::new("/d/a"));
        assert!(fs.stat(Path::new("/loop")).is_err());
        let names = fs.list(Path::new("/")).unwrap();
        assert!(names.iter().any(|entry| entry.name == "link" && entry.is_symlink));
    }

    #[test]
    fn a_full_disk_refuses_growth_but_not_overwriting() {
        let fs = file_system();
        fs.set_capacity(6);
        let file = fs.open(Path::new("/d/a"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(b"HELLO!", 0).unwrap();
        let full = file.write_all_at(b"x", 6).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        file.set_len(2).unwrap();
        assert_eq!(fs.read_file("/d/a").unwrap(), b"HE");
    }

    #[test]
    fn a_fork_goes_its_own_way() {
        let fs = file_system();
        let open = fs.open(Path::new("/d/a"), OpenMode::ReadWrite).unwrap();
        assert!(open.try_lock(LockKind::Exclusive).unwrap());
        let fork = fs.fork();
        let copy = fork.open(Path::new("/d/a"), OpenMode::ReadWrite).unwrap();
        assert!(copy.try_lock(LockKind::Exclusive).unwrap());
        assert_eq!(copy.stat().unwrap(), open.stat().unwrap());
        copy.write_all_at(b"J", 0).unwrap();
        assert_eq!(fs.read_file("/d/a").unwrap(), b"hello");
        assert_eq!(fork.read_file("/d/a").unwrap(), b"Jello");
    }

    #[test]
    fn a_read_only_handle_does_not_write() {
        let fs = file_system();
        let file = fs.open(Path::new("/d/a"), OpenMode::ReadOnly).unwrap();
        assert!(file.write_at(b"x", 0).is_err() && file.set_len(0).is_err());
    }
}
