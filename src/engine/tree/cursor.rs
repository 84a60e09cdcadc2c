//! Where a cursor rests: the leaf on which it saw a node, as that was then, so that the next node is found without a
//! descent, and often without the lock.
//!
//! Pages in memory are never changed while somebody holds them, so the leaf stays what it was. It is still the page if
//! the database has the same one. And where no node of the tree had a version, what stands on the leaf is what every
//! transaction saw that was open then: such a transaction may go on reading it, whatever others do, as long as it
//! changes nothing itself.

use super::descend::{NodeOnPage, node_of};
use super::find::{FoundNode, From};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::DatabaseState;
use crate::format::{Page, PageBuffer};
use std::sync::Arc;

/// A leaf on which a node was seen.
#[derive(Debug)]
pub(crate) struct Rest {
    tree: TreeId,
    leaf: Arc<PageBuffer>,
    line: usize,
    is_settled: bool,
}

impl Rest {
    /// Where a node was found.
    pub(crate) fn new(state: &DatabaseState, tree: TreeId, found: &FoundNode<'_>) -> Option<Self> {
        let place = found.node.place;
        Some(Rest {
            tree,
            leaf: Arc::clone(state.pages.peek(place.pgno)?),
            line: place.line,
            is_settled: !state.versions.has_any(tree),
        })
    }

    /// The tree.
    pub(crate) fn tree(&self) -> TreeId {
        self.tree
    }

    /// The leaf and the line, if it is the node that `from` begins at.
    pub(crate) fn at(&self, from: From<'_>) -> Option<(&Arc<PageBuffer>, usize)> {
        let (From::At(bookmark) | From::After(bookmark) | From::Before(bookmark)) = from else {
            return None;
        };
        let page = self.leaf.view().ok()?;
        self.is_on(&page, bookmark).then_some((&self.leaf, self.line))
    }

    /// The node that `from` means, and whether it is on this leaf, as every transaction saw it that was open when the
    /// cursor came here. `None`: the database must be asked.
    pub(crate) fn find(&mut self, from: From<'_>) -> Option<NodeOnPage<'_>> {
        let (From::At(bookmark) | From::After(bookmark) | From::Before(bookmark)) = from else {
            return None;
        };
        let page = self.leaf.view().ok()?;
        if !self.is_settled || !self.is_on(&page, bookmark) {
            return None;
        }
        let mut line = self.line;
        loop {
            line = match from {
                From::After(_) => line + 1,
                From::Before(_) => line.checked_sub(1)?,
                _ => line,
            };
            if line >= page.node_count() {
                return None;
            }
            let node = node_of(&page, line).ok()?;
            if !node.is_deleted() {
                self.line = line;
                return Some(node);
            }
            if line == self.line {
                return None;
            }
        }
    }

    fn is_on(&self, page: &Page<'_>, bookmark: BookmarkRef<'_>) -> bool {
        page.node(self.line).is_ok_and(|node| {
            node.compare_key(bookmark.key).is_eq() && (self.tree.is_unique || node.data == bookmark.data)
        })
    }
}
