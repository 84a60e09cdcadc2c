//! Nodes as a transaction sees them: those that it does not see are passed over.

use super::descend::{NodeOnPage, Place, damaged, node, seek};
use super::neighbours::{at_or_next, first, last, next, previous};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::versions::Versions;
use crate::format::NodeFlags;
use std::borrow::Cow;

/// A node as a transaction sees it.
#[derive(Debug)]
pub(crate) struct FoundNode<'s> {
    /// As it stands on its page.
    pub(crate) node: NodeOnPage<'s>,
    /// The data that the transaction sees.
    pub(crate) data: Cow<'s, [u8]>,
}

/// Where to look for a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From<'b> {
    /// The first of the tree.
    First,
    /// The last of the tree.
    Last,
    /// The one with this bookmark.
    At(BookmarkRef<'b>),
    /// The one with this bookmark, else the next.
    AtOrAfter(BookmarkRef<'b>),
    /// The first after this bookmark.
    After(BookmarkRef<'b>),
    /// The one with this bookmark, else the one before.
    AtOrBefore(BookmarkRef<'b>),
    /// The last before this bookmark.
    Before(BookmarkRef<'b>),
}

/// How to go on from a node that is not seen.
pub(super) type Step = fn(&DatabaseState, TreeId, Place) -> Look<Option<Place>>;

/// The node that a transaction sees there, if it sees one.
///
/// # Errors
/// A page is missing; the tree is damaged.
pub(crate) fn find<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    from: From<'_>,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let (place, step) = start(state, tree, from)?;
    find_from(state, tree, place, step, reader)
}

/// The node that a transaction sees beside a place, in the direction of `step`.
///
/// # Errors
/// As [`find`].
pub(super) fn find_beside<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    place: Place,
    step: Step,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    find_from(state, tree, step(state, tree, place)?, Some(step), reader)
}

/// Where the search begins, and which way it goes on.
fn start(state: &DatabaseState, tree: TreeId, from: From<'_>) -> Look<(Option<Place>, Option<Step>)> {
    Ok(match from {
        From::First => (first(state, tree)?, Some(next)),
        From::Last => (last(state, tree)?, Some(previous)),
        From::At(bookmark) => {
            let found = seek(state, tree, bookmark)?;
            (found.is_equal.then_some(found.place), None)
        }
        From::AtOrAfter(bookmark) => {
            let found = seek(state, tree, bookmark)?;
            (at_or_next(state, tree, found.place)?, Some(next))
        }
        From::After(bookmark) => {
            let found = seek(state, tree, bookmark)?;
            let step = if found.is_equal { next } else { at_or_next };
            (step(state, tree, found.place)?, Some(next))
        }
        From::AtOrBefore(bookmark) => {
            let found = seek(state, tree, bookmark)?;
            let place = match found.is_equal {
                true => Some(found.place),
                false => previous(state, tree, found.place)?,
            };
            (place, Some(previous))
        }
        From::Before(bookmark) => {
            let found = seek(state, tree, bookmark)?;
            (previous(state, tree, found.place)?, Some(previous))
        }
    })
}

/// The first node from a place on that the reader sees.
fn find_from<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    mut place: Option<Place>,
    step: Option<Step>,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let has_versions = state.versions.has_any(tree);
    let begun = place;
    let mut passed = 0_u64;
    while let Some(here) = place {
        if let Some(found) = see(state, tree, here, has_versions, reader)? {
            return Ok(Some(found));
        }
        let Some(step) = step else {
            return Ok(None);
        };
        passed += 1;
        place = step(state, tree, here)?;
        if place == begun || passed > MAX_NODES {
            return Err(damaged(here.pgno, "closes a cycle of leaves"));
        }
    }
    Ok(None)
}

/// More nodes than a database has.
const MAX_NODES: u64 = 1 << 44;

/// The node at a place as the reader sees it; `None` if it does not.
fn see<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    place: Place,
    has_versions: bool,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let node = node(state, tree, place)?;
    if !has_versions || !node.flags.contains(NodeFlags::VERSIONED) {
        let data = Cow::Borrowed(node.data);
        return Ok((!node.is_deleted()).then_some(FoundNode { node, data }));
    }
    let key = node.key();
    let versions = state.versions.of(tree, tree.bookmark(&key, node.data));
    let seen = Versions::see(versions, node.data, node.is_deleted(), reader);
    let data = seen.data;
    Ok((!seen.is_deleted).then_some(FoundNode { node, data }))
}
