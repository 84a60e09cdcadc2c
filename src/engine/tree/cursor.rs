//! Where a cursor rests: the leaf on which it saw a node, as that was then, so that the next node is found without a
//! descent, and often without the lock.
//!
//! Pages in memory are never changed while somebody holds them, so the leaf stays what it was. It is still the page if
//! the database has the same one. And where no node of the tree had a version, what stands on the leaf is what every
//! transaction saw that was open then: such a transaction may go on reading it, whatever others do, as long as it
//! changes nothing itself.

use super::descend::{NodeOnPage, Place};
use super::find::{FoundNode, From};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::DatabaseState;
use crate::format::{Page, PageBuffer, PageHeader};
use std::sync::Arc;

/// Bytes that come from memory together.
const CACHE_LINE: usize = 64;

/// A leaf on which a node was seen.
#[derive(Debug)]
pub(crate) struct Rest {
    tree: TreeId,
    leaf: Arc<PageBuffer>,
    /// Of the leaf, which is looked at often.
    header: PageHeader,
    line: usize,
    is_settled: bool,
}

impl Rest {
    /// Where a node was found.
    pub(crate) fn new(state: &DatabaseState, tree: TreeId, found: &FoundNode<'_>) -> Option<Self> {
        let place = found.node.place;
        let leaf = state.pages.peek(place.pgno)?;
        Some(Rest {
            tree,
            leaf: Arc::clone(leaf),
            header: found.header,
            line: place.line,
            is_settled: !state.versions.has_any(tree),
        })
    }

    /// Gets the whole leaf into the processor's cache, at the cost of one access to memory and not of one for each node:
    /// for who goes through all of them. Nodes lie on their page in the order of their insertion.
    pub(crate) fn fetch(&self) {
        let lines = self.leaf.bytes().iter().step_by(CACHE_LINE);
        std::hint::black_box(lines.fold(0, |sum, byte| sum ^ byte));
    }

    /// Whether another rest is on the same leaf.
    pub(crate) fn is_beside(&self, other: &Rest) -> bool {
        Arc::ptr_eq(&self.leaf, &other.leaf)
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
        let page = self.leaf.view_with(self.header);
        let prefix_key = page.prefix_key().ok()?;
        self.is_on(&page, prefix_key, bookmark)
            .then_some((&self.leaf, self.line))
    }

    /// The node that `from` means, and whether it is on this leaf, as every transaction saw it that was open when the
    /// cursor came here. `None`: the database must be asked.
    pub(crate) fn find(&mut self, from: From<'_>) -> Option<NodeOnPage<'_>> {
        let (From::At(bookmark) | From::After(bookmark) | From::Before(bookmark)) = from else {
            return None;
        };
        let page = self.leaf.view_with(self.header);
        let prefix_key = page.prefix_key().ok()?;
        if !self.is_settled || !self.is_on(&page, prefix_key, bookmark) {
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
            let node = page.node_after(prefix_key, line).ok()?;
            if !node.is_deleted() {
                self.line = line;
                let pgno = page.pgno;
                return Some(NodeOnPage::new(Place { pgno, line }, node));
            }
            if line == self.line {
                return None;
            }
        }
    }

    fn is_on(&self, page: &Page<'_>, prefix_key: &[u8], bookmark: BookmarkRef<'_>) -> bool {
        page.node_after(prefix_key, self.line).is_ok_and(|node| {
            let is_name = |(head, tail)| node.suffix == tail && node.prefix == head;
            let parts = bookmark.key.split_at_checked(node.prefix.len());
            parts.is_some_and(is_name) && (self.tree.is_unique || node.data == bookmark.data)
        })
    }
}
