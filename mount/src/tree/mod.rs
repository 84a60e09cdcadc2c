//! The directory that a mount shows, without the operating system's types: names, numbers, sizes, times, contents.
//!
//! ```text
//! /                  the files of the backup, then backup.json
//! /.jetfs/           found by name, not listed: status.json, metrics
//! ```
//!
//! Adapters ([`crate::fuse`]) only translate. Design: section 5.

mod error;
mod extended;
mod node;
mod shared_file;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use error::TreeError;
pub(crate) use node::{Inode, Text, path_hash};

use crate::live_backup::LiveRequest;
use jetfs::backup::{BackupSession, Manifest, ManifestRecovery, OpenFile, SourceFile};
use jetfs::{JetErr, JetResult};
use node::{FileNode, Inodes, Node};
use parking_lot::RwLock;
use shared_file::SharedFile;
use status::Counters;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The hidden directory's name.
pub(crate) const HIDDEN: &str = ".jetfs";
/// The name of the status in it.
pub(crate) const STATUS: &str = "status.json";
const METRICS: &str = "metrics";

/// What is known about a backup when it is mounted.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// The canonical path of the source: part of the inode numbers' hash.
    pub(crate) source: PathBuf,
    /// When it was mounted; the time of what changes.
    pub(crate) started: SystemTime,
    /// What is wrong with the set as a whole, one line each.
    pub(crate) warnings: Vec<String>,
    /// What lies in the source and is not shown, and why.
    pub(crate) ignored: Vec<(PathBuf, String)>,
    /// `backup.json`.
    pub(crate) manifest: Text,
    /// Whether files are verified once and then passed through.
    pub(crate) trust_source: bool,
    /// In a recovered view, how it came to be.
    pub(crate) recovery: Option<ManifestRecovery>,
    /// Of a running instance, what is asked of its backup.
    pub(crate) live: Option<LiveRequest>,
}

/// The directory tree of one backup.
#[derive(Debug)]
pub(crate) struct Tree {
    session: Arc<BackupSession>,
    about: About,
    nodes: HashMap<Inode, Node>,
    /// The top directory by name, in the order of a listing.
    names: BTreeMap<OsString, Inode>,
    hidden: [(&'static str, Inode); 2],
    hidden_directory: Inode,
    handles: RwLock<HashMap<u64, Arc<Handle>>>,
    last_handle: AtomicU64,
    counters: Counters,
}

/// What a node is and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Its number.
    pub(crate) inode: Inode,
    /// Directory or file.
    pub(crate) kind: Kind,
    /// Its length in bytes; 0 for a directory.
    pub(crate) len: u64,
    /// Its time.
    pub(crate) modified: SystemTime,
    /// Whether length, time and contents may change.
    pub(crate) changes: bool,
}

/// What a node is to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A directory.
    Directory,
    /// A file.
    File,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: OsString,
    /// Its number.
    pub(crate) inode: Inode,
    /// Directory or file.
    pub(crate) kind: Kind,
}

/// What an opened file delivers.
#[derive(Debug)]
enum Handle {
    File { inode: Inode, file: Arc<OpenFile> },
    Text(Vec<u8>),
}

/// A file that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// For read and release.
    pub(crate) handle: u64,
    /// Whether the contents are composed for each opening, so that nothing of them may be kept.
    pub(crate) changes: bool,
    /// The open file, if the operating system may read it by itself.
    pub(crate) passthrough: Option<Arc<OpenFile>>,
}

impl Tree {
    /// The tree of a backup that has begun (frozen: every file is known).
    ///
    /// # Errors
    /// The session does not tell its files.
    pub(crate) fn new(session: Arc<BackupSession>, about: About) -> JetResult<Self> {
        let mut files = match session.get_attach_info() {
            // An incremental backup has no databases.
            Err(error) if error.code() == JetErr::InvalidBackupSequence => Vec::new(),
            databases => databases?,
        };
        files.extend(session.get_log_info()?.files);
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let identity = about.source.clone();
        let mut inodes = Inodes::of(identity.as_os_str());
        let mut nodes = HashMap::from([(Inode::ROOT, Node::Root)]);
        let mut names = BTreeMap::new();
        for file in files {
            let inode = inodes.assign(&file.name);
            names.insert(file.name.clone(), inode);
            let shared = SharedFile::default();
            nodes.insert(inode, Node::File(FileNode { file, shared }));
        }
        let manifest = inodes.assign(OsStr::new(Manifest::FILE_NAME));
        names.insert(Manifest::FILE_NAME.into(), manifest);
        nodes.insert(manifest, Node::Manifest(about.manifest.clone()));
        let mut hide = |path: &str, node| {
            let inode = inodes.assign(OsStr::new(path));
            nodes.insert(inode, node);
            inode
        };
        let hidden_directory = hide(HIDDEN, Node::Hidden);
        let hidden = [
            (METRICS, hide(".jetfs/metrics", Node::Metrics)),
            (STATUS, hide(".jetfs/status.json", Node::Status)),
        ];
        Ok(Tree {
            session,
            about,
            nodes,
            names,
            hidden,
            hidden_directory,
            handles: RwLock::default(),
            last_handle: AtomicU64::new(0),
            counters: Counters::default(),
        })
    }

    /// The backup that is shown.
    pub(crate) fn session(&self) -> &Arc<BackupSession> {
        &self.session
    }

    /// Whether databases are shown as recovery makes them, not files as they are.
    pub(crate) fn is_recovered_view(&self) -> bool {
        self.about.recovery.is_some()
    }

    /// Of a running instance, what is asked of its backup.
    pub(crate) fn live(&self) -> Option<LiveRequest> {
        self.about.live
    }

    /// Finds a name in a directory.
    pub(crate) fn lookup(&self, directory: Inode, name: &OsStr) -> Result<Attributes, TreeError> {
        let found = match self.node(directory)? {
            Node::Root if name == HIDDEN => Some(self.hidden_directory),
            Node::Root => self.names.get(name).copied(),
            Node::Hidden => self
                .hidden
                .iter()
                .find(|(own, _)| name == *own)
                .map(|(_, inode)| *inode),
            _ => return Err(TreeError::NotADirectory),
        };
        self.attributes(found.ok_or(TreeError::NotFound)?)
    }

    /// What a node is and how large.
    pub(crate) fn attributes(&self, inode: Inode) -> Result<Attributes, TreeError> {
        let (kind, len, modified, changes) = match self.node(inode)? {
            Node::Root => (Kind::Directory, 0, self.about.newest(self.files()), false),
            Node::Hidden => (Kind::Directory, 0, self.about.started, false),
            Node::File(node) => (Kind::File, node.file.len, node.file.modified, false),
            Node::Manifest(text) => (Kind::File, len_of(&text.bytes), text.modified, false),
            Node::Status => (Kind::File, len_of(&self.status_text()), SystemTime::now(), true),
            Node::Metrics => (Kind::File, len_of(&self.metrics_text()), SystemTime::now(), true),
        };
        Ok(Attributes {
            inode,
            kind,
            len,
            modified,
            changes,
        })
    }

    /// The entries of a directory, without `.` and `..`, in an order that does not change.
    pub(crate) fn entries(&self, directory: Inode) -> Result<Vec<Entry>, TreeError> {
        let entry = |name: &OsStr, inode: Inode| Entry {
            name: name.to_owned(),
            inode,
            kind: Kind::File,
        };
        match self.node(directory)? {
            Node::Root => Ok(self
                .names
                .iter()
                .map(|(name, inode)| entry(name, *inode))
                .collect()),
            Node::Hidden => {
                let hidden = self.hidden.iter();
                Ok(hidden
                    .map(|(name, inode)| entry(OsStr::new(name), *inode))
                    .collect())
            }
            _ => Err(TreeError::NotADirectory),
        }
    }

    /// Whether a node is a directory.
    pub(crate) fn is_directory(&self, inode: Inode) -> Result<bool, TreeError> {
        Ok(matches!(self.node(inode)?, Node::Root | Node::Hidden))
    }

    /// Opens a file for reading.
    pub(crate) fn open(&self, inode: Inode) -> Result<Opened, TreeError> {
        let (handle, changes) = match self.node(inode)? {
            Node::Root | Node::Hidden => return Err(TreeError::IsADirectory),
            Node::File(node) => {
                let file = node
                    .shared
                    .acquire(&self.session, &node.file.name, self.about.trust_source)
                    .map_err(|error| self.refused(&node.file.name, error))?;
                (Handle::File { inode, file }, false)
            }
            Node::Manifest(text) => (Handle::Text(text.bytes.clone()), false),
            Node::Status => (Handle::Text(self.status_text()), true),
            Node::Metrics => (Handle::Text(self.metrics_text()), true),
        };
        let passthrough = match &handle {
            Handle::File { file, .. } if self.about.trust_source => {
                file.backup_file().passthrough().map(|_| Arc::clone(file))
            }
            _ => None,
        };
        self.counters.opened();
        let number = self.last_handle.fetch_add(1, Ordering::Relaxed) + 1;
        self.handles.write().insert(number, Arc::new(handle));
        Ok(Opened {
            handle: number,
            changes,
            passthrough,
        })
    }

    /// Reads at `offset` until `buf` is full or the file ends; returns the bytes read. Every byte up to the file's
    /// length is delivered or the read fails: fewer would look like the file's end.
    pub(crate) fn read(&self, handle: u64, buf: &mut [u8], offset: u64) -> Result<usize, TreeError> {
        let handle = self
            .handles
            .read()
            .get(&handle)
            .cloned()
            .ok_or(TreeError::UnknownHandle)?;
        let read = match &*handle {
            Handle::File { file, .. } => {
                let expected = len_of(buf).min(file.source_file().len.saturating_sub(offset));
                let buf = buf
                    .get_mut(..usize::try_from(expected).unwrap_or(0))
                    .unwrap_or_default();
                let read = file
                    .read_at(buf, offset)
                    .map_err(|error| self.refused(&file.source_file().name, error))?;
                if read < buf.len() {
                    return Err(TreeError::too_short(offset.saturating_add(len_of(&buf[..]))));
                }
                self.counters
                    .verified(file.backup_file().page_size(), offset, read);
                read
            }
            Handle::Text(text) => {
                let rest = usize::try_from(offset)
                    .ok()
                    .and_then(|at| text.get(at..))
                    .unwrap_or_default();
                let read = rest.len().min(buf.len());
                buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                read
            }
        };
        self.counters.read(read);
        Ok(read)
    }

    /// Closes a file.
    pub(crate) fn release(&self, handle: u64) -> Result<(), TreeError> {
        let handle = self
            .handles
            .write()
            .remove(&handle)
            .ok_or(TreeError::UnknownHandle)?;
        if let Handle::File { inode, .. } = &*handle
            && let Node::File(node) = self.node(*inode)?
        {
            node.shared.release(&self.session);
        }
        Ok(())
    }

    /// How many files are open.
    pub(crate) fn open_handles(&self) -> usize {
        self.handles.read().len()
    }

    /// The files of the backup.
    pub(crate) fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.file_nodes().map(|node| &node.file)
    }

    fn file_nodes(&self) -> impl Iterator<Item = &FileNode> {
        let nodes = self.names.values().filter_map(|inode| self.nodes.get(inode));
        nodes.filter_map(|node| match node {
            Node::File(node) => Some(node),
            _ => None,
        })
    }

    fn node(&self, inode: Inode) -> Result<&Node, TreeError> {
        self.nodes.get(&inode).ok_or(TreeError::UnknownInode)
    }

    /// Counts and logs what a reader is refused.
    fn refused(&self, name: &OsStr, error: jetfs::JetError) -> TreeError {
        self.counters.failed();
        tracing::warn!(file = %name.display(), "{error}");
        TreeError::Jet(error)
    }
}

impl About {
    /// The top directory's time: that of its newest file, so that a remount shows the same.
    fn newest<'a>(&self, files: impl Iterator<Item = &'a SourceFile>) -> SystemTime {
        files
            .map(|file| file.modified)
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
