//! From the root to a leaf (database-file.md section 4). Pages are not trusted: each must belong to the tree and to its
//! level, and the depth is bounded.

use super::order::Order;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::state::{DatabaseState, Interrupted, Look};
use crate::error::{JetErr, JetError};
use crate::format::{FormatError, Node, NodeFlags, Page, PageFlags};
use std::borrow::Cow;
use std::cmp::Ordering;

/// More levels than any tree has: even two children a page would hold 2^32 leaves.
const MAX_DEPTH: usize = 32;

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The leaf.
    pub(crate) pgno: u32,
    /// The line, from 0; one more than there are if it is behind the last one.
    pub(crate) line: usize,
}

/// Where a bookmark belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seek {
    /// Of the first node of this leaf that is not before the bookmark; behind the last line if there is none.
    pub(crate) place: Place,
    /// Whether that node has the bookmark.
    pub(crate) is_equal: bool,
}

/// A node as it stands on its page, deleted or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeOnPage<'s> {
    /// Where it is.
    pub(crate) place: Place,
    /// Its flags.
    pub(crate) flags: NodeFlags,
    /// The part of the key that stands in the page's prefix key.
    pub(crate) prefix: &'s [u8],
    /// The rest of the key.
    pub(crate) suffix: &'s [u8],
    /// The data.
    pub(crate) data: &'s [u8],
}

impl<'s> NodeOnPage<'s> {
    pub(super) fn new(place: Place, node: Node<'s>) -> Self {
        NodeOnPage {
            place,
            flags: node.flags,
            prefix: node.prefix,
            suffix: node.suffix,
            data: node.data,
        }
    }

    /// The whole key; a copy only if it is stored in two parts.
    pub(crate) fn key(&self) -> Cow<'s, [u8]> {
        if self.prefix.is_empty() {
            Cow::Borrowed(self.suffix)
        } else {
            Cow::Owned([self.prefix, self.suffix].concat())
        }
    }

    /// Whether it has the delete flag.
    pub(crate) fn is_deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }
}

/// The way from the root to a leaf: pages, and the lines that were taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    steps: [Place; MAX_DEPTH],
    len: usize,
}

impl Way {
    pub(super) fn new() -> Self {
        Way {
            steps: [Place::default(); MAX_DEPTH],
            len: 0,
        }
    }

    fn note(&mut self, step: Place) {
        if let Some(next) = self.steps.get_mut(self.len) {
            *next = step;
            self.len += 1;
        }
    }

    /// The internal pages from the root down; the leaf is not among them.
    pub(super) fn parents(&self) -> &[Place] {
        self.steps.get(..self.len).unwrap_or_default()
    }
}

/// Where a bookmark belongs. In a tree whose keys are not unique, a bookmark without data belongs before all nodes of
/// its key, and is equal to none.
///
/// # Errors
/// A page is missing; the tree is damaged.
pub(crate) fn seek(state: &DatabaseState, tree: TreeId, bookmark: BookmarkRef<'_>) -> Look<Seek> {
    Ok(seek_leaf(state, tree, bookmark)?.1)
}

/// The same for a bookmark that belongs behind all nodes, where the last leaf is known; `None` if it is not, or the
/// bookmark belongs elsewhere.
pub(super) fn seek_behind_all(
    state: &DatabaseState,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
) -> Option<Seek> {
    let pgno = *state.last_leaves.get(&tree.root)?;
    // Of the tree's leaves only the last one has no right sibling; a page that was taken from it is marked.
    let leaf = leaf_of(state, tree, pgno).ok()?;
    if leaf.next().is_some() {
        return None;
    }
    let line = leaf.node_count();
    let order = Order::new(leaf.prefix_key().ok()?, bookmark);
    let last = leaf.node(line.checked_sub(1)?).ok()?;
    let place = Place { pgno, line };
    let is_behind = order.node(&last, tree.is_unique) == Ordering::Less;
    is_behind.then_some(Seek {
        place,
        is_equal: false,
    })
}

/// The same as [`seek`], with the leaf.
///
/// # Errors
/// As [`seek`].
pub(super) fn seek_leaf<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
) -> Look<(Page<'s>, Seek)> {
    let leaf = descend(state, tree, child_of(bookmark), |_| ())?;
    let seek = seek_on(&leaf, tree, bookmark).map_err(|error| on_page(leaf.pgno, error))?;
    Ok((leaf, seek))
}

/// The same, with the way there.
///
/// # Errors
/// As [`seek`].
pub(super) fn seek_with_way(
    state: &DatabaseState,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
) -> Look<(Way, Seek)> {
    let mut way = Way::new();
    let leaf = descend(state, tree, child_of(bookmark), |step| way.note(step))?;
    let seek = seek_on(&leaf, tree, bookmark).map_err(|error| on_page(leaf.pgno, error))?;
    Ok((way, seek))
}

/// The node at a place.
///
/// # Errors
/// As [`seek`]; there is none.
pub(crate) fn node(state: &DatabaseState, tree: TreeId, place: Place) -> Look<NodeOnPage<'_>> {
    let page = leaf_of(state, tree, place.pgno)?;
    node_of(&page, place.line)
}

/// The node of a line of a leaf.
pub(super) fn node_of<'s>(page: &Page<'s>, line: usize) -> Look<NodeOnPage<'s>> {
    let node = page.node(line).map_err(|error| on_page(page.pgno, error))?;
    let pgno = page.pgno;
    Ok(NodeOnPage::new(Place { pgno, line }, node))
}

/// Which child of an internal page has a bookmark; behind the last one is the last one.
fn child_of(bookmark: BookmarkRef<'_>) -> impl Fn(&Page<'_>) -> Result<usize, FormatError> {
    move |page| Order::new(page.prefix_key()?, bookmark).first_above(page)
}

/// Goes from the root to a leaf; `choose` picks the child of each internal page (its last one if beyond), and `note` is
/// told.
///
/// # Errors
/// A page is missing; the way is damaged.
pub(super) fn descend<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    choose: impl Fn(&Page<'s>) -> Result<usize, FormatError>,
    mut note: impl FnMut(Place),
) -> Look<Page<'s>> {
    let mut pgno = tree.root;
    for _ in 0..MAX_DEPTH {
        let page = page_of(state, tree, pgno)?;
        if page.is_leaf() {
            return Ok(page);
        }
        let last = page.node_count().checked_sub(1);
        let Some(last) = last else {
            return Err(damaged(pgno, "is above the leaves, and has no children"));
        };
        let chosen = choose(&page).and_then(|line| {
            let line = line.min(last);
            Ok((line, page.child(line)?))
        });
        let (line, child) = chosen.map_err(|error| on_page(pgno, error))?;
        note(Place { pgno, line });
        pgno = child;
    }
    let what = "is the root of more levels than a tree can have: its pages form a cycle";
    Err(damaged(tree.root, what))
}

fn seek_on(leaf: &Page<'_>, tree: TreeId, bookmark: BookmarkRef<'_>) -> Result<Seek, FormatError> {
    let order = Order::new(leaf.prefix_key()?, bookmark);
    let line = order.first_in_leaf(leaf, tree.is_unique)?;
    let is_equal = line < leaf.node_count() && order.node(&leaf.node(line)?, tree.is_unique).is_eq();
    let place = Place {
        pgno: leaf.pgno,
        line,
    };
    Ok(Seek { place, is_equal })
}

/// A leaf of the tree.
///
/// # Errors
/// It is missing, belongs to another tree, or is none.
pub(super) fn leaf_of(state: &DatabaseState, tree: TreeId, pgno: u32) -> Look<Page<'_>> {
    let page = page_of(state, tree, pgno)?;
    if page.is_leaf() {
        return Ok(page);
    }
    Err(damaged(pgno, "is linked from a leaf, but is none"))
}

/// A page of the tree.
///
/// # Errors
/// It is missing, or belongs to another tree.
pub(super) fn page_of(state: &DatabaseState, tree: TreeId, pgno: u32) -> Look<Page<'_>> {
    let page = state.page(pgno)?.view().map_err(|error| on_page(pgno, error))?;
    let flags = page.flags();
    if page.objid() != tree.objid || flags.contains(PageFlags::SPACE_TREE) != tree.is_space_tree() {
        let what = format!("belongs to object {}, not to {}", page.objid(), tree.objid);
        return Err(damaged(pgno, what));
    }
    if flags.intersects(PageFlags::EMPTY | PageFlags::PRE_INIT) {
        return Err(damaged(pgno, "is no page of the tree any more, or not yet"));
    }
    if flags.contains(PageFlags::ROOT) != (pgno == tree.root) {
        let what = format!(
            "is a root where none is, or the reverse (flags {:#x})",
            flags.bits()
        );
        return Err(damaged(pgno, what));
    }
    Ok(page)
}

/// The tree is damaged.
pub(super) fn damaged(pgno: u32, what: impl Into<Cow<'static, str>>) -> Interrupted {
    JetError::rule(JetErr::DatabaseCorrupted, what)
        .on_page(pgno)
        .into()
}

/// An error found on a page.
pub(super) fn on_page(pgno: u32, error: FormatError) -> Interrupted {
    JetError::format(error).on_page(pgno).into()
}
