//! Nodes as a transaction sees them: those that it does not see are passed over.

use super::descend::{NodeOnPage, damaged, node_of, seek_leaf};
use super::neighbours::{Line, at_or_right, first_line, last_line, left_of};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::versions::Versions;
use crate::format::{NodeFlags, PageBuffer, PageHeader};
use std::borrow::Cow;
use std::sync::Arc;

/// A node as a transaction sees it.
#[derive(Debug)]
pub(crate) struct FoundNode<'s> {
    /// As it stands on its page.
    pub(crate) node: NodeOnPage<'s>,
    /// The data that the transaction sees.
    pub(crate) data: Cow<'s, [u8]>,
    /// Of its page.
    pub(crate) header: PageHeader,
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
    /// The last before this bookmark.
    Before(BookmarkRef<'b>),
}

/// How to go on from a node that is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Right,
    Left,
    /// No other will do.
    Nowhere,
}

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
    let (line, step) = start(state, tree, from)?;
    find_from(state, tree, line, step, reader)
}

/// The same, where the node that `from` names, or names the neighbour of, stood in `line` of `leaf` when that was last
/// looked at: as long as that is the page, there is no need to descend.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_near<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    from: From<'_>,
    (leaf, line): (&Arc<PageBuffer>, usize),
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let same = state
        .pages
        .peek(leaf.pgno())
        .filter(|page| Arc::ptr_eq(page, leaf));
    let Some(page) = same else {
        return find(state, tree, from, reader);
    };
    let leaf = page.view()?;
    let (line, step) = match from {
        From::At(_) => (Some(Line { leaf, line }), Step::Nowhere),
        From::After(_) => (at_or_right(state, tree, leaf, line + 1)?, Step::Right),
        From::Before(_) => (left_of(state, tree, leaf, line)?, Step::Left),
        From::First | From::Last | From::AtOrAfter(_) => {
            return find(state, tree, from, reader);
        }
    };
    find_from(state, tree, line, step, reader)
}

/// Where the search begins, and which way it goes on.
fn start<'s>(state: &'s DatabaseState, tree: TreeId, from: From<'_>) -> Look<(Option<Line<'s>>, Step)> {
    let bookmark = match from {
        From::First => return Ok((first_line(state, tree)?, Step::Right)),
        From::Last => return Ok((last_line(state, tree)?, Step::Left)),
        From::At(bookmark) | From::AtOrAfter(bookmark) | From::After(bookmark) | From::Before(bookmark) => {
            bookmark
        }
    };
    let (leaf, found) = seek_leaf(state, tree, bookmark)?;
    let line = found.place.line;
    Ok(match from {
        From::At(_) => (found.is_equal.then_some(Line { leaf, line }), Step::Nowhere),
        From::After(_) if found.is_equal => (at_or_right(state, tree, leaf, line + 1)?, Step::Right),
        From::Before(_) => (left_of(state, tree, leaf, line)?, Step::Left),
        _ => (at_or_right(state, tree, leaf, line)?, Step::Right),
    })
}

/// The first node from a line on that the reader sees.
fn find_from<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    mut line: Option<Line<'s>>,
    step: Step,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let has_versions = state.versions.has_any(tree);
    let begun = line.map(Line::place);
    let mut passed = 0_u64;
    while let Some(here) = line {
        if let Some(found) = see(state, tree, &here, has_versions, reader)? {
            return Ok(Some(found));
        }
        passed += 1;
        line = match step {
            Step::Right => at_or_right(state, tree, here.leaf, here.line + 1)?,
            Step::Left => left_of(state, tree, here.leaf, here.line)?,
            Step::Nowhere => None,
        };
        let is_back = line.is_some() && line.map(Line::place) == begun;
        if is_back || passed > MAX_NODES {
            return Err(damaged(here.leaf.pgno, "closes a cycle of leaves"));
        }
    }
    Ok(None)
}

/// More nodes than a database has.
const MAX_NODES: u64 = 1 << 44;

/// The node of a line as the reader sees it; `None` if it does not.
fn see<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    line: &Line<'s>,
    has_versions: bool,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    let (node, header) = (node_of(&line.leaf, line.line)?, line.leaf.header);
    if !has_versions || !node.flags.contains(NodeFlags::VERSIONED) {
        let data = Cow::Borrowed(node.data);
        return Ok((!node.is_deleted()).then_some(FoundNode { node, data, header }));
    }
    let key = node.key();
    let versions = state.versions.of(tree, tree.bookmark(&key, node.data));
    let seen = Versions::see(versions, node.data, node.is_deleted(), reader);
    let data = seen.data;
    Ok((!seen.is_deleted).then_some(FoundNode { node, data, header }))
}
