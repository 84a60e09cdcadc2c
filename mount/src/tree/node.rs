//! What stands in the tree, and the inode numbers.

use super::shared_file::SharedFile;
use jetfs::backup::SourceFile;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::Hasher;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::SystemTime;

/// The number of a node: stable from mount to mount, because it is a hash of backup identity and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode(pub(crate) u64);

impl Inode {
    /// The top directory.
    pub(crate) const ROOT: Inode = Inode(1);
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The top directory.
    Root,
    /// A file of the backup.
    File(Arc<FileNode>),
    /// A file that the mount composes: `backup.json`, an empty patch file.
    Text(Arc<Text>),
    /// The directory `.jetfs`: found by name, not listed.
    Hidden,
    /// `.jetfs/status.json`, composed when it is opened.
    Status,
    /// `.jetfs/metrics`, composed when it is opened.
    Metrics,
}

/// A file of the backup.
#[derive(Debug)]
pub(super) struct FileNode {
    /// As the source listed it.
    pub(super) file: SourceFile,
    /// Its opening, which all handles share.
    pub(super) shared: SharedFile,
}

/// A text that does not change.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// The time that it shows.
    pub(crate) modified: SystemTime,
}

/// Hands out inode numbers.
#[derive(Debug)]
pub(super) struct Inodes {
    identity: OsString,
    taken: BTreeMap<Inode, OsString>,
}

impl Inodes {
    /// For one backup; `identity` tells it from others (the canonical path of its source).
    pub(super) fn of(identity: &OsStr) -> Self {
        Inodes {
            identity: identity.to_owned(),
            taken: BTreeMap::from([(Inode(0), OsString::new()), (Inode::ROOT, OsString::new())]),
        }
    }

    /// The number of a path in the backup. Collisions are resolved in the order of the calls, which the caller keeps
    /// the same from mount to mount.
    pub(super) fn assign(&mut self, path: &OsStr) -> Inode {
        let mut attempt = 0;
        loop {
            let inode = Inode(hash(&self.identity, path, attempt) >> 1);
            if let std::collections::btree_map::Entry::Vacant(free) = self.taken.entry(inode) {
                free.insert(path.to_owned());
                return inode;
            }
            attempt += 1;
        }
    }
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn hash(identity: &OsStr, path: &OsStr, attempt: u64) -> u64 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    fnv.write(identity.as_bytes());
    fnv.write(&[0]);
    fnv.write(path.as_bytes());
    if attempt > 0 {
        fnv.write(&attempt.to_le_bytes());
    }
    fnv.finish()
}

/// A hash of a path for the name of a file that belongs to it.
pub(crate) fn path_hash(path: &OsStr) -> u64 {
    hash(path, OsStr::new(""), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_backup_and_path_only() {
        let number = |identity: &str, path: &str| Inodes::of(OsStr::new(identity)).assign(OsStr::new(path));
        assert_eq!(number("/srv/ad", "ntds.dit"), number("/srv/ad", "ntds.dit"));
        assert_ne!(number("/srv/ad", "ntds.dit"), number("/srv/ad2", "ntds.dit"));
        assert_ne!(number("/srv/ad", "ntds.dit"), number("/srv/ad", "edb.log"));
        assert!(number("/srv/ad", "ntds.dit").0 < 1 << 63);
    }

    #[test]
    fn the_same_path_twice_gets_two_numbers() {
        let mut inodes = Inodes::of(OsStr::new("/a"));
        assert_ne!(inodes.assign(OsStr::new("x")), inodes.assign(OsStr::new("x")));
    }
}
