//! The directory that a mount shows, without the operating system's types: names, numbers, sizes, times, contents.
//!
//! ```text
//! /                  the files of the backup, then backup.json
//! /.jetfs/           found by name, not listed: status.json, metrics
//! ```
//!
//! Adapters ([`crate::fuse`]) only translate. Design: section 5.

mod contents;
mod error;
mod extended;
mod in_turn;
mod node;
mod seal;
mod shared_file;
pub(crate) mod status;
#[cfg(test)]
mod tests;

pub(crate) use error::TreeError;
pub(crate) use node::{Inode, Text, path_hash};

use crate::live_backup::LiveRequest;
use contents::Contents;
use in_turn::InTurn;
use jetfs::backup::{
    BackupMode, BackupSession, FileRole, JsonName, Manifest, ManifestRecovery, OpenFile, PhaseName,
    SourceFile,
};
use jetfs::{JetErr, JetError, JetResult};
use node::{FileNode, Node};
use parking_lot::{Mutex, RwLock};
use status::Counters;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

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
    /// What was given to be mounted, as the manifest has it.
    pub(crate) sources: Vec<JsonName>,
    /// `backup.json`, once the set is complete.
    pub(crate) manifest: Option<Text>,
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
    contents: RwLock<Contents>,
    hidden: [(&'static str, Inode); 2],
    hidden_directory: Inode,
    handles: RwLock<HashMap<u64, Arc<Handle>>>,
    /// One seals at a time.
    sealing: Mutex<()>,
    last_handle: AtomicU64,
    counters: Counters,
    used: Mutex<Instant>,
    /// A tool vouches for what it did not read.
    copied: AtomicBool,
    /// Why the backup has ended although the mount is still there.
    over: OnceLock<String>,
    /// What its users should know, beside what was known when it was mounted.
    notices: Mutex<Vec<String>>,
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
    File {
        node: Arc<FileNode>,
        file: Arc<OpenFile>,
    },
    InTurn(InTurn),
    Text(Arc<Text>),
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
    /// The tree of a backup that has begun. Frozen: every file is known. Stream: the databases, until it is sealed.
    ///
    /// # Errors
    /// The session does not tell its files.
    pub(crate) fn new(session: Arc<BackupSession>, about: About) -> JetResult<Self> {
        let mut files = match session.get_attach_info() {
            // An incremental backup has no databases.
            Err(error) if error.code() == JetErr::InvalidBackupSequence => Vec::new(),
            databases => databases?,
        };
        if session.phase() != PhaseName::Databases {
            files.extend(session.get_log_info()?.files);
        }
        let mut contents = Contents::of(about.source.as_os_str());
        contents.add_files(files);
        let hidden_directory = contents.hide(HIDDEN, Node::Hidden);
        let hidden = [
            (METRICS, contents.hide(".jetfs/metrics", Node::Metrics)),
            (STATUS, contents.hide(".jetfs/status.json", Node::Status)),
        ];
        if about.live.is_some_and(|live| live.patch_files) && about.manifest.is_some() {
            contents.add_patch_files();
        }
        if let Some(manifest) = &about.manifest {
            contents.add_text(OsStr::new(Manifest::FILE_NAME), manifest.clone());
        }
        Ok(Tree {
            session,
            about,
            contents: RwLock::new(contents),
            hidden,
            hidden_directory,
            handles: RwLock::default(),
            sealing: Mutex::default(),
            last_handle: AtomicU64::new(0),
            counters: Counters::default(),
            used: Mutex::new(Instant::now()),
            copied: AtomicBool::new(false),
            over: OnceLock::new(),
            notices: Mutex::default(),
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

    /// Whether it is the backup of a running instance.
    pub(crate) fn is_live(&self) -> bool {
        self.about.live.is_some()
    }

    /// Whether databases are shown as they are on disk when they are read.
    pub(crate) fn is_stream(&self) -> bool {
        self.about
            .live
            .is_some_and(|live| live.mode() == BackupMode::Stream)
    }

    /// Whether its user vouches for what was not read.
    pub(crate) fn copied(&self) -> &AtomicBool {
        &self.copied
    }

    /// When a file of the backup was last opened, read or closed.
    pub(crate) fn last_used(&self) -> Instant {
        *self.used.lock()
    }

    /// Why the backup has ended although the mount is still there.
    pub(crate) fn over(&self) -> Option<&String> {
        self.over.get()
    }

    /// The backup has ended, or must: from now on every access is an error, since nobody may take what is left for a
    /// backup.
    pub(crate) fn give_up(&self, why: String) {
        tracing::warn!("the backup has ended: {why}");
        if self.over.set(why.clone()).is_ok() {
            self.notice(format!("the backup has ended: {why}"));
        }
    }

    /// Adds a warning to the status.
    pub(crate) fn notice(&self, what: String) {
        self.notices.lock().push(what);
    }

    fn check(&self) -> Result<(), TreeError> {
        match self.over.get() {
            None => Ok(()),
            Some(why) => {
                let what = format!("the backup has ended: {why}");
                Err(TreeError::Jet(JetError::rule(JetErr::BackupAbortByServer, what)))
            }
        }
    }

    /// Finds a name in a directory.
    pub(crate) fn lookup(&self, directory: Inode, name: &OsStr) -> Result<Attributes, TreeError> {
        let found = match self.node(directory)? {
            Node::Root if name == HIDDEN => Some(self.hidden_directory),
            Node::Root => {
                self.check()?;
                self.contents.read().names.get(name).copied()
            }
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
            // In stream mode logs appear in it.
            Node::Root => (Kind::Directory, 0, self.contents.read().newest, self.is_live()),
            Node::Hidden => (Kind::Directory, 0, self.about.started, false),
            Node::File(node) => (Kind::File, node.file.len, node.file.modified, false),
            Node::Text(text) => (Kind::File, len_of(&text.bytes), text.modified, false),
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
            Node::Root => {
                self.check()?;
                let contents = self.contents.read();
                let names = contents.names.iter();
                Ok(names.map(|(name, inode)| entry(name, *inode)).collect())
            }
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
                self.check()?;
                self.open_file(&node)
                    .map_err(|error| self.refused(&node.file.name, error))?
            }
            Node::Text(text) => {
                self.check()?;
                (Handle::Text(text), false)
            }
            Node::Status => (composed(self.status_text()), true),
            Node::Metrics => (composed(self.metrics_text()), true),
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

    /// Opens a file of the backup; answers also whether nothing of it may be kept.
    fn open_file(&self, node: &Arc<FileNode>) -> JetResult<(Handle, bool)> {
        self.use_now();
        let name = &node.file.name;
        if self.is_stream() && node.file.role == FileRole::Database {
            let opened = InTurn::open(&self.session, name)?;
            return Ok((Handle::InTurn(opened), true));
        }
        let file = node
            .shared
            .acquire(&self.session, name, self.about.trust_source)?;
        let node = Arc::clone(node);
        Ok((Handle::File { node, file }, false))
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
            Handle::File { file, .. } => self.read_file(file, buf, offset, |buf| {
                file.read_at(buf, offset).map_err(TreeError::from)
            })?,
            Handle::InTurn(opened) => {
                self.read_file(opened.file(), buf, offset, |buf| opened.read(buf, offset))?
            }
            Handle::Text(text) => {
                let rest = usize::try_from(offset)
                    .ok()
                    .and_then(|at| text.bytes.get(at..))
                    .unwrap_or_default();
                let read = rest.len().min(buf.len());
                buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                read
            }
        };
        self.counters.read(read);
        Ok(read)
    }

    fn read_file(
        &self,
        file: &OpenFile,
        buf: &mut [u8],
        offset: u64,
        read: impl FnOnce(&mut [u8]) -> Result<usize, TreeError>,
    ) -> Result<usize, TreeError> {
        self.check()?;
        self.use_now();
        let expected = len_of(buf).min(file.source_file().len.saturating_sub(offset));
        let buf = buf
            .get_mut(..usize::try_from(expected).unwrap_or(0))
            .unwrap_or_default();
        let read = read(buf).map_err(|error| match error {
            TreeError::Jet(error) => self.refused(&file.source_file().name, error),
            other => other,
        })?;
        if read < buf.len() {
            return Err(TreeError::too_short(offset.saturating_add(len_of(&buf[..]))));
        }
        self.counters
            .verified(file.backup_file().page_size(), offset, read);
        Ok(read)
    }

    /// Closes a file.
    pub(crate) fn release(&self, handle: u64) -> Result<(), TreeError> {
        let handle = self.handles.write().remove(&handle);
        match &*handle.ok_or(TreeError::UnknownHandle)? {
            Handle::File { node, .. } => node.shared.release(&self.session),
            Handle::InTurn(opened) => {
                opened.close(&self.session);
                self.seal_if_asked_for();
            }
            Handle::Text(_) => return Ok(()),
        }
        self.use_now();
        Ok(())
    }

    /// How many files are open.
    pub(crate) fn open_handles(&self) -> usize {
        self.handles.read().len()
    }

    /// The files of the backup.
    pub(crate) fn files(&self) -> Vec<SourceFile> {
        let files = self.file_nodes().into_iter();
        files.map(|node| node.file.clone()).collect()
    }

    fn file_nodes(&self) -> Vec<Arc<FileNode>> {
        self.contents.read().files()
    }

    fn node(&self, inode: Inode) -> Result<Node, TreeError> {
        self.contents.read().node(inode).ok_or(TreeError::UnknownInode)
    }

    fn use_now(&self) {
        *self.used.lock() = Instant::now();
    }

    /// Counts and logs what a reader is refused.
    fn refused(&self, name: &OsStr, error: JetError) -> TreeError {
        self.counters.failed();
        tracing::warn!(file = %name.display(), "{error}");
        if self.is_live() && matches!(error.code(), JetErr::BackupAbortByServer) {
            self.give_up(error.to_string());
        }
        TreeError::Jet(error)
    }
}

/// A file that is composed for each opening.
fn composed(bytes: Vec<u8>) -> Handle {
    Handle::Text(Arc::new(Text {
        bytes,
        modified: SystemTime::UNIX_EPOCH,
    }))
}

fn len_of(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
