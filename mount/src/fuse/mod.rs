//! The FUSE adapter: translates the kernel's requests into calls of the tree, and nothing else.
//!
//! A panic in a handler is caught: its reply is dropped, which answers EIO, and the log says so. Every call that
//! would modify something answers EROFS (the mount is read-only as well, so they hardly ever come).

#[cfg(test)]
mod tests;

use crate::errno;
use crate::event::Event;
use crate::tree::{Attributes, Inode, Kind, Opened, Tree, TreeError};
use fuser::{
    AccessFlags, BackingId, BsdFileFlags, CopyFileRangeFlags, Errno, FileAttr, FileHandle, FileType,
    Filesystem, FopenFlags, Generation, INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenAccMode,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime};

/// How long the kernel may believe names and attributes: at rest nothing changes.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// The same where the backup may end while it is mounted.
const SHORT: Duration = Duration::from_secs(1);
/// The largest read that the kernel is asked to send.
const LARGEST_READ: u32 = 1 << 20;
/// What `stat` reports as the preferred block size.
const BLOCK_SIZE: u32 = 128 << 10;
const PAGE: usize = 4096;

/// Who owns the files, and what is allowed to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ownership {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
    /// Permission bits of files; who may read a file may search the directory.
    pub(crate) mode: u16,
}

/// A tree behind the kernel.
#[derive(Debug)]
pub(crate) struct Fuse {
    tree: Arc<Tree>,
    ownership: Ownership,
    passthrough: Option<Passthrough>,
    ended: Sender<Event>,
}

/// Files that the kernel reads by itself. All openings of a file at a time must be of the same sort, and share one
/// backing; the kernel answers EIO otherwise.
#[derive(Debug, Default)]
struct Passthrough(Mutex<HashMap<INodeNo, Openings>>);

#[derive(Debug, Default)]
struct Openings {
    backing: Option<Arc<BackingId>>,
    count: u64,
}

impl Fuse {
    /// `ended` hears when the kernel has let go of the mount.
    pub(crate) fn new(
        tree: Arc<Tree>,
        ownership: Ownership,
        trust_source: bool,
        ended: Sender<Event>,
    ) -> Self {
        Fuse {
            tree,
            ownership,
            passthrough: trust_source.then(Passthrough::default),
            ended,
        }
    }

    fn attr(&self, attributes: &Attributes) -> FileAttr {
        let Ownership { uid, gid, mode } = self.ownership;
        let (kind, perm, nlink) = match attributes.kind {
            // A reader of files must be able to search the directory.
            Kind::Directory => (FileType::Directory, mode | (mode & 0o444) >> 2, 2),
            Kind::File => (FileType::RegularFile, mode, 1),
        };
        FileAttr {
            ino: INodeNo(attributes.inode.0),
            size: attributes.len,
            blocks: attributes.len.div_ceil(512),
            atime: attributes.modified,
            mtime: attributes.modified,
            ctime: attributes.modified,
            crtime: attributes.modified,
            kind,
            perm,
            nlink,
            uid,
            gid,
            rdev: 0,
            blksize: BLOCK_SIZE,
            flags: 0,
        }
    }

    /// How long the kernel may believe names: that of a backup that can end under its mount, not long.
    fn names_last(&self) -> Duration {
        if self.tree.is_live() { SHORT } else { LONG }
    }

    /// How long the kernel may believe attributes.
    fn ttl(&self, attributes: &Attributes) -> Duration {
        match attributes.changes {
            true => Duration::ZERO,
            false => self.names_last(),
        }
    }

    /// Answers an opening, and lets the kernel read by itself where that is allowed and works.
    fn answer_open(&self, ino: INodeNo, opened: &Opened, reply: ReplyOpen) {
        let handle = FileHandle(opened.handle);
        if opened.changes {
            return reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH);
        }
        let flags = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH;
        let Some(passthrough) = &self.passthrough else {
            return reply.opened(handle, flags);
        };
        let mut files = passthrough.0.lock();
        let openings = files.entry(ino).or_default();
        if openings.count == 0 {
            openings.backing = open_backing(opened, &reply);
        }
        openings.count += 1;
        match &openings.backing {
            Some(backing) => reply.opened_passthrough(handle, FopenFlags::FOPEN_NOFLUSH, backing),
            None => reply.opened(handle, flags),
        }
    }

    fn forget_opening(&self, ino: INodeNo) {
        let Some(passthrough) = &self.passthrough else {
            return;
        };
        let mut files = passthrough.0.lock();
        if let Some(openings) = files.get_mut(&ino) {
            openings.count = openings.count.saturating_sub(1);
            if openings.count == 0 {
                files.remove(&ino);
            }
        }
    }
}

/// Registers the file with the kernel; `None` where the kernel does not want it (an old one, or not root).
fn open_backing(opened: &Opened, reply: &ReplyOpen) -> Option<Arc<BackingId>> {
    let file = opened.passthrough.as_ref()?;
    let fd = file.backup_file().passthrough()?;
    match reply.open_backing(fd) {
        Ok(backing) => Some(Arc::new(backing)),
        Err(error) => {
            tracing::debug!("no passthrough: {error}");
            None
        }
    }
}

/// Runs a handler. If it panics, the reply that it owned is dropped, which answers EIO.
fn guarded(call: &'static str, handler: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(handler)).is_err() {
        tracing::error!("a defect in {call}: the reader gets EIO");
    }
}

fn log_refusal(call: &'static str, error: &TreeError) -> Errno {
    tracing::debug!("{call}: {error}");
    errno::of_tree(error)
}

thread_local! {
    /// One page-aligned buffer per event loop, so that reading allocates nothing.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer, page-aligned, `len` bytes long.
fn with_buffer<T>(len: usize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len + PAGE {
            buffer.resize(len + PAGE, 0);
        }
        let skip = buffer.as_ptr().align_offset(PAGE);
        use_it(buffer.get_mut(skip..skip + len).unwrap_or_default())
    })
}

/// Answers an extended attribute as getxattr and listxattr want it: the length, or the bytes if they fit.
fn answer_bytes(bytes: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(bytes.len()) {
        Ok(len) if size == 0 => reply.size(len),
        Ok(len) if len <= size => reply.data(bytes),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Fuse {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
        ];
        for capability in wanted {
            if config.add_capabilities(capability).is_err() {
                tracing::debug!("the kernel does not know {capability:?}");
            }
        }
        if self.passthrough.is_some() {
            let depth = config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
            if !depth || config.set_max_stack_depth(2).is_err() {
                tracing::debug!("the kernel knows no passthrough");
                self.passthrough = None;
            }
        }
        // A value that the kernel finds too large comes back as the largest that it allows.
        let _ = config.set_max_write(LARGEST_READ);
        if let Err(largest) = config.set_max_readahead(LARGEST_READ) {
            let _ = config.set_max_readahead(largest);
        }
        let _ = config.set_max_background(64);
        let _ = config.set_congestion_threshold(48);
        Ok(())
    }

    fn destroy(&mut self) {
        // The receiver is gone when the process is ending anyway.
        let _ = self.ended.send(Event::Unmounted);
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        guarded("lookup", || match self.tree.lookup(Inode(parent.0), name) {
            Ok(found) => {
                reply.entry_with_ttls(
                    &self.ttl(&found),
                    &self.names_last(),
                    &self.attr(&found),
                    Generation(0),
                );
            }
            Err(error) => reply.error(log_refusal("lookup", &error)),
        });
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        guarded("getattr", || match self.tree.attributes(Inode(ino.0)) {
            Ok(found) => reply.attr(&self.ttl(&found), &self.attr(&found)),
            Err(error) => reply.error(log_refusal("getattr", &error)),
        });
    }

    fn access(&self, _req: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        // The kernel has checked the permission bits (default_permissions).
        guarded("access", || match self.tree.attributes(Inode(ino.0)) {
            Ok(_) if mask.contains(AccessFlags::W_OK) => reply.error(Errno::EROFS),
            Ok(_) => reply.ok(),
            Err(error) => reply.error(log_refusal("access", &error)),
        });
    }

    fn open(&self, _req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        guarded("open", || {
            if flags.acc_mode() != OpenAccMode::O_RDONLY {
                return reply.error(Errno::EROFS);
            }
            match self.tree.open(Inode(ino.0)) {
                Ok(opened) => self.answer_open(ino, &opened, reply),
                Err(error) => reply.error(log_refusal("open", &error)),
            }
        });
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = size.min(LARGEST_READ) as usize;
        guarded("read", || {
            with_buffer(size, |buffer| match self.tree.read(fh.0, buffer, offset) {
                Ok(read) => reply.data(buffer.get(..read).unwrap_or_default()),
                Err(error) => reply.error(log_refusal("read", &error)),
            });
        });
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        guarded("release", || {
            self.forget_opening(ino);
            match self.tree.release(fh.0) {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(log_refusal("release", &error)),
            }
        });
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        guarded("opendir", || match self.tree.is_directory(Inode(ino.0)) {
            Ok(true) if self.tree.is_live() => reply.opened(FileHandle(0), FopenFlags::empty()),
            Ok(true) => reply.opened(
                FileHandle(0),
                FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Ok(false) => reply.error(Errno::ENOTDIR),
            Err(error) => reply.error(log_refusal("opendir", &error)),
        });
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        guarded("readdir", || match self.directory(ino) {
            Ok(entries) => {
                for ((name, attributes), number) in entries.iter().zip(1..) {
                    let attr = self.attr(attributes);
                    if number > offset && reply.add(attr.ino, number, attr.kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(log_refusal("readdir", &error)),
        });
    }

    fn readdirplus(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        guarded("readdirplus", || match self.directory(ino) {
            Ok(entries) => {
                for ((name, attributes), number) in entries.iter().zip(1..) {
                    let attr = self.attr(attributes);
                    let ttl = self.ttl(attributes);
                    if number > offset && reply.add(attr.ino, number, name, &ttl, &attr, Generation(0)) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(log_refusal("readdirplus", &error)),
        });
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        guarded("statfs", || {
            let block = u64::from(BLOCK_SIZE);
            let (files, blocks) = self
                .tree
                .files()
                .iter()
                .fold((0u64, 0u64), |(files, blocks), file| {
                    (files + 1, blocks.saturating_add(file.len.div_ceil(block)))
                });
            reply.statfs(blocks, 0, 0, files, 0, BLOCK_SIZE, 255, BLOCK_SIZE);
        });
    }

    fn getxattr(&self, _req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        guarded("getxattr", || match self.tree.extended(Inode(ino.0), name) {
            Ok(value) => answer_bytes(&value, size, reply),
            Err(error) => reply.error(log_refusal("getxattr", &error)),
        });
    }

    fn listxattr(&self, _req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        guarded("listxattr", || match self.tree.extended_names(Inode(ino.0)) {
            Ok(names) => {
                let list: Vec<u8> = names.iter().flat_map(|name| name.bytes().chain([0])).collect();
                answer_bytes(&list, size, reply);
            }
            Err(error) => reply.error(log_refusal("listxattr", &error)),
        });
    }

    fn readlink(&self, _req: &Request, _ino: INodeNo, reply: ReplyData) {
        reply.error(Errno::EINVAL);
    }

    fn ioctl(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    // From here on: what would modify something.

    fn setattr(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mknod(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mkdir(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EROFS);
    }

    fn unlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn rmdir(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn symlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, _target: &Path, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn rename(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _new_parent: INodeNo,
        _new_name: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn link(&self, _req: &Request, _ino: INodeNo, _parent: INodeNo, _name: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        _data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn setxattr(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _name: &OsStr,
        _value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn removexattr(&self, _req: &Request, _ino: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn create(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EROFS);
    }

    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        _length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn copy_file_range(
        &self,
        _req: &Request,
        _ino_in: INodeNo,
        _fh_in: FileHandle,
        _offset_in: u64,
        _ino_out: INodeNo,
        _fh_out: FileHandle,
        _offset_out: u64,
        _len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }
}

impl Fuse {
    /// A directory's entries with their attributes, `.` and `..` first.
    fn directory(&self, ino: INodeNo) -> Result<Vec<(std::ffi::OsString, Attributes)>, TreeError> {
        let directory = Inode(ino.0);
        let mut entries = vec![
            (".".into(), self.tree.attributes(directory)?),
            ("..".into(), self.tree.attributes(Inode::ROOT)?),
        ];
        for entry in self.tree.entries(directory)? {
            entries.push((entry.name, self.tree.attributes(entry.inode)?));
        }
        Ok(entries)
    }
}
