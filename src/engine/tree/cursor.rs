//! A position in a tree that outlives the lock: the node's name and what was seen, and where it was, so that the next
//! node is found without a descent as long as its leaf has not changed.

use super::descend::{Place, page_of};
use super::find::{FoundNode, From, Step, find, find_beside};
use super::neighbours::{next, previous};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;

/// A position in a tree. What it holds is what the reader saw when it came there.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    tree: TreeId,
    key: Vec<u8>,
    data: Vec<u8>,
    /// Where the node was, on a leaf with this dbtime; nowhere before the first move.
    hint: Option<(Place, u64)>,
}

impl Cursor {
    /// A cursor that is nowhere.
    pub(crate) fn new(tree: TreeId) -> Self {
        Cursor {
            tree,
            key: Vec::new(),
            data: Vec::new(),
            hint: None,
        }
    }

    /// The tree.
    pub(crate) fn tree(&self) -> TreeId {
        self.tree
    }

    /// The key of the node.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The data of the node.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The name of the node.
    pub(crate) fn bookmark(&self) -> BookmarkRef<'_> {
        self.tree.bookmark(&self.key, &self.data)
    }

    /// Moves to a node that the reader sees. `false`: there is none, and the cursor is where it was.
    ///
    /// # Errors
    /// A page is missing: nothing has changed, call again. The tree is damaged.
    pub(crate) fn find(
        &mut self,
        state: &DatabaseState,
        from: From<'_>,
        reader: &TransactionState,
    ) -> Look<bool> {
        let found = find(state, self.tree, from, reader)?;
        Ok(self.take(found))
    }

    /// Moves to the next node that the reader sees.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn next(&mut self, state: &DatabaseState, reader: &TransactionState) -> Look<bool> {
        let found = self.beside(state, next, From::After(self.bookmark()), reader)?;
        Ok(self.take(found))
    }

    /// Moves to the node before that the reader sees.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn previous(&mut self, state: &DatabaseState, reader: &TransactionState) -> Look<bool> {
        let found = self.beside(state, previous, From::Before(self.bookmark()), reader)?;
        Ok(self.take(found))
    }

    fn beside<'s>(
        &self,
        state: &'s DatabaseState,
        step: Step,
        from: From<'_>,
        reader: &TransactionState,
    ) -> Look<Option<FoundNode<'s>>> {
        match self
            .hint
            .filter(|&(place, dbtime)| self.is_unchanged(state, place.pgno, dbtime))
        {
            Some((place, _)) => find_beside(state, self.tree, place, step, reader),
            None => find(state, self.tree, from, reader),
        }
    }

    /// Whether a leaf is what it was; one that is not in memory may be anything.
    fn is_unchanged(&self, state: &DatabaseState, pgno: u32, dbtime: u64) -> bool {
        state.pages.get(pgno).is_some()
            && page_of(state, self.tree, pgno).is_ok_and(|page| page.is_leaf() && page.dbtime() == dbtime)
    }

    fn take(&mut self, found: Option<FoundNode<'_>>) -> bool {
        let Some(found) = found else {
            return false;
        };
        self.key.clear();
        self.key.extend_from_slice(found.node.prefix);
        self.key.extend_from_slice(found.node.suffix);
        self.data.clear();
        self.data.extend_from_slice(&found.data);
        self.hint = Some((found.node.place, found.node.dbtime));
        true
    }
}
