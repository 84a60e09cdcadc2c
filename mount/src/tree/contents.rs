//! What stands in the top directory, by name and by number. Names are added, never taken away.

use super::node::{FileNode, Inode, Inodes, Node, Text};
use super::shared_file::SharedFile;
use jetfs::backup::{FileRole, SourceFile};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Names and nodes.
#[derive(Debug)]
pub(super) struct Contents {
    inodes: Inodes,
    nodes: HashMap<Inode, Node>,
    /// The top directory by name, in the order of a listing.
    pub(super) names: BTreeMap<OsString, Inode>,
    /// The time of the newest file, so that a remount shows the same.
    pub(super) newest: SystemTime,
}

impl Contents {
    /// Nothing but the top directory. `identity` tells the backup from others.
    pub(super) fn of(identity: &OsStr) -> Self {
        Contents {
            inodes: Inodes::of(identity),
            nodes: HashMap::from([(Inode::ROOT, Node::Root)]),
            names: BTreeMap::new(),
            newest: SystemTime::UNIX_EPOCH,
        }
    }

    /// Adds files that are not there yet.
    pub(super) fn add_files(&mut self, mut files: Vec<SourceFile>) {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for file in files {
            if self.names.contains_key(&file.name) {
                continue;
            }
            self.newest = self.newest.max(file.modified);
            let inode = self.inodes.assign(&file.name);
            self.names.insert(file.name.clone(), inode);
            let shared = SharedFile::default();
            let node = Node::File(Arc::new(FileNode { file, shared }));
            self.nodes.insert(inode, node);
        }
    }

    /// Adds an empty patch file for each database (external-backup.md section 7.4): JetRestore wants to find them.
    pub(super) fn add_patch_files(&mut self) {
        let modified = self.newest;
        for node in self.files() {
            let name = Path::new(&node.file.name).with_extension("pat");
            if node.file.role == FileRole::Database && !self.names.contains_key(name.as_os_str()) {
                let bytes = Vec::new();
                self.add_text(name.as_os_str(), Text { bytes, modified });
            }
        }
    }

    /// Adds a text to the top directory.
    pub(super) fn add_text(&mut self, name: &OsStr, text: Text) {
        let inode = self.inodes.assign(name);
        self.names.insert(name.to_owned(), inode);
        self.nodes.insert(inode, Node::Text(Arc::new(text)));
    }

    /// Adds a node that is not in the top directory.
    pub(super) fn hide(&mut self, path: &str, node: Node) -> Inode {
        let inode = self.inodes.assign(OsStr::new(path));
        self.nodes.insert(inode, node);
        inode
    }

    pub(super) fn node(&self, inode: Inode) -> Option<Node> {
        self.nodes.get(&inode).cloned()
    }

    pub(super) fn files(&self) -> Vec<Arc<FileNode>> {
        let nodes = self.names.values().filter_map(|inode| self.nodes.get(inode));
        let files = nodes.filter_map(|node| match node {
            Node::File(node) => Some(Arc::clone(node)),
            _ => None,
        });
        files.collect()
    }
}
