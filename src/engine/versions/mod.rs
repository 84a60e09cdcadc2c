//! The versions of a database's nodes: what each transaction did to them, so that others see what was before, and it
//! can be taken back (log-and-recovery.md section 4.5).
//!
//! A version lives from its operation until everybody sees it, or until it is undone. A node without versions is what
//! it looks like.

use super::bookmark::{BookmarkRef, SharedBookmark, TreeId};
use super::transactions::TransactionState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// What was done to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// It was inserted, or a deleted one came back.
    Insert,
    /// It got the delete flag.
    FlagDelete,
    /// Its data were replaced.
    Replace {
        /// What they were.
        before: Box<[u8]>,
    },
    /// A number was added to the integer at `offset` of its data.
    Delta {
        /// Offset in the data.
        offset: u16,
        /// What was added.
        delta: i32,
    },
    /// The same of eight bytes.
    Delta64 {
        /// Offset in the data.
        offset: u16,
        /// What was added.
        delta: i64,
    },
}

/// An operation on a node that not everybody sees yet.
#[derive(Debug)]
pub(crate) struct Version {
    /// `rceid`: its number in the log.
    pub(crate) rceid: u32,
    /// What was done.
    pub(crate) operation: Operation,
    /// By whom.
    pub(crate) transaction: Arc<TransactionState>,
    /// At which level; the level above when that one was committed.
    pub(crate) level: u8,
    /// The page on which it was done, for `UndoInfo`.
    pub(crate) page: u32,
    /// Whether its before image is in the log.
    pub(crate) has_undo_info: bool,
}

/// The name of a version.
#[derive(Debug, Clone)]
pub(crate) struct VersionOf {
    /// The tree.
    pub(crate) tree: TreeId,
    /// The node.
    pub(crate) bookmark: SharedBookmark,
    /// `rceid`.
    pub(crate) rceid: u32,
}

/// A node as a transaction sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen<'n> {
    /// The data.
    pub(crate) data: Cow<'n, [u8]>,
    /// Whether it is deleted, or not there yet.
    pub(crate) is_deleted: bool,
}

/// What is to be done when versions are dropped, since everybody sees what they did.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// How many versions.
    pub(crate) count: usize,
    /// Nodes that are deleted for everybody, to be removed.
    pub(crate) deleted: Vec<VersionOf>,
    /// Nodes to whose numbers something was added.
    pub(crate) added: Vec<VersionOf>,
}

/// A table of versions is kept when it is empty, since it will be filled again: of so many trees, for so many nodes.
const TREES_KEPT: usize = 16;
const NODES_KEPT: usize = 1 << 15;

/// The versions of a node, oldest first; nearly always there is one.
type Chain = SmallVec<[Version; 1]>;

/// The versions of one tree.
#[derive(Debug, Default)]
struct TreeVersions {
    /// By node.
    nodes: HashMap<SharedBookmark, Chain>,
}

/// The versions of one database.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// By root of the tree.
    trees: HashMap<u32, TreeVersions>,
    /// Of open transactions by `trx`, oldest first.
    open: HashMap<u32, Vec<VersionOf>>,
    /// Of transactions that ended, in the order of their commits.
    ended: VecDeque<(Arc<TransactionState>, Vec<VersionOf>)>,
}

impl Versions {
    /// Adds a version of a node, the newest one.
    pub(crate) fn add(&mut self, tree: TreeId, bookmark: BookmarkRef<'_>, version: Version) {
        let bookmark = SharedBookmark::from(bookmark);
        let of = VersionOf {
            tree,
            bookmark: bookmark.clone(),
            rceid: version.rceid,
        };
        self.open.entry(version.transaction.trx()).or_default().push(of);
        let nodes = &mut self.trees.entry(tree.fdp).or_default().nodes;
        nodes.entry(bookmark).or_default().push(version);
    }

    /// The versions of a node, oldest first.
    pub(crate) fn of(&self, tree: TreeId, bookmark: BookmarkRef<'_>) -> &[Version] {
        let chain = self
            .trees
            .get(&tree.fdp)
            .and_then(|of_tree| of_tree.nodes.get(&bookmark));
        chain.map(SmallVec::as_slice).unwrap_or_default()
    }

    /// Whether any node of a tree has versions.
    pub(crate) fn has_any(&self, tree: TreeId) -> bool {
        self.trees
            .get(&tree.fdp)
            .is_some_and(|of_tree| !of_tree.nodes.is_empty())
    }

    /// Whether any node of a tree has a version that `reader` does not see.
    pub(crate) fn has_unseen(&self, tree: TreeId, reader: &TransactionState) -> bool {
        let trees = self.trees.get(&tree.fdp).into_iter();
        let mut versions = trees.flat_map(|tree| tree.nodes.values()).flatten();
        versions.any(|version| !reader.sees(&version.transaction))
    }

    /// Forgets all versions of a tree that is given back, and nodes of it that were to be removed.
    pub(crate) fn forget_tree(&mut self, fdp: u32) {
        self.trees.remove(&fdp);
        for (_, versions) in &mut self.ended {
            versions.retain(|of| of.tree.fdp != fdp);
        }
    }

    /// A node as `reader` sees it. `data` and `is_deleted`: as it stands on the page, whose versions these are.
    pub(crate) fn see<'n>(
        versions: &[Version],
        data: &'n [u8],
        is_deleted: bool,
        reader: &TransactionState,
    ) -> Seen<'n> {
        let mut seen = Seen {
            data: Cow::Borrowed(data),
            is_deleted,
        };
        let unseen = versions
            .iter()
            .rev()
            .filter(|version| !reader.sees(&version.transaction));
        unseen.for_each(|version| take_back(&mut seen, &version.operation));
        seen
    }

    /// One version.
    pub(crate) fn get_mut(&mut self, of: &VersionOf) -> Option<&mut Version> {
        let chain = self
            .trees
            .get_mut(&of.tree.fdp)?
            .nodes
            .get_mut(&of.bookmark.name())?;
        chain.iter_mut().find(|version| version.rceid == of.rceid)
    }

    /// The newest version that an open transaction has at `level` or deeper.
    pub(crate) fn newest(&mut self, transaction: &TransactionState, level: u8) -> Option<VersionOf> {
        let of = self.open.get(&transaction.trx())?.last()?.clone();
        let version = self.get_mut(&of)?;
        (version.level >= level).then_some(of)
    }

    /// The versions of an open transaction, oldest first.
    pub(crate) fn of_transaction(&self, transaction: &TransactionState) -> &[VersionOf] {
        self.open
            .get(&transaction.trx())
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Forgets the newest version of a transaction, which was undone.
    pub(crate) fn forget_newest(&mut self, transaction: &TransactionState) {
        if let Some(of) = self.open.get_mut(&transaction.trx()).and_then(Vec::pop) {
            self.remove(&of);
        }
    }

    /// A level was committed: its versions become those of the level above.
    pub(crate) fn commit_level(&mut self, transaction: &TransactionState, level: u8) {
        let Some(versions) = self.open.get(&transaction.trx()) else {
            return;
        };
        for of in versions.iter().rev() {
            let nodes = self.trees.get_mut(&of.tree.fdp);
            let chain = nodes.and_then(|tree| tree.nodes.get_mut(&of.bookmark.name()));
            let version = chain.and_then(|chain| chain.iter_mut().find(|version| version.rceid == of.rceid));
            match version {
                Some(version) if version.level > level => version.level = level,
                _ => break,
            }
        }
    }

    /// A transaction was committed.
    pub(crate) fn commit(&mut self, transaction: &Arc<TransactionState>) {
        if let Some(versions) = self.open.remove(&transaction.trx()) {
            self.ended.push_back((Arc::clone(transaction), versions));
        }
    }

    /// A transaction was rolled back: nothing of it is left.
    pub(crate) fn roll_back(&mut self, transaction: &TransactionState) {
        self.open.remove(&transaction.trx());
    }

    /// Drops the versions of the next transaction that everybody sees who sees what was committed up to
    /// `oldest_snapshot`; `None` if there is no such transaction.
    pub(crate) fn drop_seen(&mut self, oldest_snapshot: u64) -> Option<Dropped> {
        let (transaction, _) = self.ended.front()?;
        if transaction.stamp().is_none_or(|stamp| stamp > oldest_snapshot) {
            return None;
        }
        let (_, versions) = self.ended.pop_front()?;
        let mut dropped = Dropped {
            count: versions.len(),
            ..Dropped::default()
        };
        for of in versions {
            match self.remove(&of) {
                Some(Operation::FlagDelete) => dropped.deleted.push(of),
                Some(Operation::Delta { .. } | Operation::Delta64 { .. }) => dropped.added.push(of),
                Some(Operation::Insert | Operation::Replace { .. }) | None => {}
            }
        }
        Some(dropped)
    }

    /// How many transactions have versions that not everybody sees, or that were not dropped yet.
    pub(crate) fn transactions(&self) -> usize {
        self.open.len() + self.ended.len()
    }

    fn remove(&mut self, of: &VersionOf) -> Option<Operation> {
        let trees = self.trees.len();
        let nodes = &mut self.trees.get_mut(&of.tree.fdp)?.nodes;
        let EntryRef::Occupied(mut chain) = nodes.entry_ref(&of.bookmark.name()) else {
            return None;
        };
        let versions = chain.get_mut();
        let at = versions.iter().position(|version| version.rceid == of.rceid)?;
        let version = versions.remove(at);
        if versions.is_empty() {
            chain.remove();
            if nodes.is_empty() && (trees > TREES_KEPT || nodes.capacity() > NODES_KEPT) {
                self.trees.remove(&of.tree.fdp);
            }
        }
        Some(version.operation)
    }
}

/// What a node was before an operation.
fn take_back(seen: &mut Seen<'_>, operation: &Operation) {
    match operation {
        Operation::Insert => seen.is_deleted = true,
        Operation::FlagDelete => seen.is_deleted = false,
        Operation::Replace { before } => seen.data = Cow::Owned(before.to_vec()),
        &Operation::Delta { offset, delta } => {
            add(&mut seen.data, offset, |bytes: [u8; 4]| {
                i32::from_le_bytes(bytes).wrapping_sub(delta).to_le_bytes()
            });
        }
        &Operation::Delta64 { offset, delta } => {
            add(&mut seen.data, offset, |bytes: [u8; 8]| {
                i64::from_le_bytes(bytes).wrapping_sub(delta).to_le_bytes()
            });
        }
    }
}

fn add<const N: usize>(data: &mut Cow<'_, [u8]>, offset: u16, change: impl FnOnce([u8; N]) -> [u8; N]) {
    let data = data.to_mut().get_mut(usize::from(offset)..);
    if let Some(number) = data.and_then(|rest| rest.first_chunk_mut::<N>()) {
        *number = change(*number);
    }
}

#[cfg(test)]
mod tests;
