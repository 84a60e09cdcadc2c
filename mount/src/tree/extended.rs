//! Extended attributes: `user.jetfs.*` tell state, role, generation, verification and path of a file.

use super::node::{FileNode, Inode, Node};
use super::{Tree, TreeError};
use jetfs::backup::{FileRole, Outcome};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const STATE: &str = "user.jetfs.state";
const ROLE: &str = "user.jetfs.role";
const GENERATION: &str = "user.jetfs.generation";
const VERIFIED: &str = "user.jetfs.verified";
const PATH: &str = "user.jetfs.path";

impl Tree {
    /// The names of a node's extended attributes.
    pub(crate) fn extended_names(&self, inode: Inode) -> Result<Vec<&'static str>, TreeError> {
        Ok(match &self.node(inode)? {
            Node::Root => vec![STATE, PATH],
            Node::File(node) if generation(node.file.role).is_some() => {
                vec![STATE, ROLE, GENERATION, VERIFIED, PATH]
            }
            Node::File(_) => vec![STATE, ROLE, VERIFIED, PATH],
            Node::Text(_) | Node::Hidden | Node::Status | Node::Metrics => vec![],
        })
    }

    /// The value of an extended attribute.
    pub(crate) fn extended(&self, inode: Inode, name: &OsStr) -> Result<Vec<u8>, TreeError> {
        let node = self.node(inode)?;
        let known = self.extended_names(inode)?;
        let name = known
            .into_iter()
            .find(|known| name == *known)
            .ok_or(TreeError::NoAttribute)?;
        Ok(match (name, &node) {
            (STATE, _) => self.state().into(),
            (PATH, Node::File(node)) => node.file.path.as_os_str().as_bytes().to_vec(),
            (PATH, _) => self.about.source.as_os_str().as_bytes().to_vec(),
            (ROLE, Node::File(node)) => role_name(node.file.role).into(),
            (GENERATION, Node::File(node)) => generation(node.file.role)
                .map_or_else(String::new, |number| number.to_string())
                .into(),
            (VERIFIED, Node::File(node)) => self.verified(node).into(),
            _ => return Err(TreeError::NoAttribute),
        })
    }

    /// `damaged` if a place was refused or served as it is, `complete` if every byte was verified and is good (or
    /// was repaired), otherwise `partial`.
    fn verified(&self, node: &FileNode) -> &'static str {
        let findings = self.session.source().findings().all();
        let own = findings.iter().filter(|finding| finding.file == node.file.name);
        if own
            .into_iter()
            .any(|finding| finding.outcome != Outcome::Repaired)
        {
            return "damaged";
        }
        let progress = self.session.progress();
        if node.shared.is_verified() {
            return "complete";
        }
        match progress
            .iter()
            .any(|file| file.name == node.file.name && file.complete)
        {
            true => "complete",
            false => "partial",
        }
    }
}

/// The generation of a log.
pub(super) fn generation(role: FileRole) -> Option<u32> {
    match role {
        FileRole::ArchivedLog { generation } | FileRole::CurrentLog { generation } => Some(generation),
        _ => None,
    }
}

fn role_name(role: FileRole) -> &'static str {
    match role {
        FileRole::Database => "database",
        FileRole::Patch => "patch",
        FileRole::ArchivedLog { .. } => "archived-log",
        FileRole::CurrentLog { .. } => "current-log",
        FileRole::TempLog => "temp-log",
        FileRole::ReserveLog => "reserve-log",
        FileRole::ShadowLog => "shadow-log",
        FileRole::Checkpoint => "checkpoint",
        FileRole::FlushMap => "flush-map",
    }
}
