//! The nodes of the leaves in order (database-file.md section 4): leaves are linked with their neighbours.
//!
//! Each leaf must name the one before it as its left sibling, which rules out cycles that do not come back to where
//! they began.

use super::descend::{Place, damaged, descend, leaf_of};
use crate::engine::bookmark::TreeId;
use crate::engine::state::{DatabaseState, Look};
use crate::format::Page;

/// The first node, deleted or not.
///
/// # Errors
/// A page is missing; the tree is damaged.
pub(crate) fn first(state: &DatabaseState, tree: TreeId) -> Look<Option<Place>> {
    Ok(first_line(state, tree)?.map(Line::place))
}

/// A line of a leaf that is at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'s> {
    pub(super) leaf: Page<'s>,
    pub(super) line: usize,
}

impl Line<'_> {
    pub(super) fn place(self) -> Place {
        Place {
            pgno: self.leaf.pgno,
            line: self.line,
        }
    }
}

/// The first node, deleted or not.
///
/// # Errors
/// As [`first`].
pub(super) fn first_line(state: &DatabaseState, tree: TreeId) -> Look<Option<Line<'_>>> {
    let leaf = descend(state, tree, |_| Ok(0), |_| ())?;
    if let Some(prev) = leaf.prev() {
        let what = format!("is the first leaf, but has page {prev} on its left");
        return Err(damaged(leaf.pgno, what));
    }
    at_or_right(state, tree, leaf, 0)
}

/// The last node, deleted or not.
///
/// # Errors
/// As [`first`].
pub(crate) fn last(state: &DatabaseState, tree: TreeId) -> Look<Option<Place>> {
    Ok(last_line(state, tree)?.map(Line::place))
}

/// The last node, deleted or not.
///
/// # Errors
/// As [`first`].
pub(super) fn last_line(state: &DatabaseState, tree: TreeId) -> Look<Option<Line<'_>>> {
    let leaf = descend(state, tree, |page| Ok(page.node_count()), |_| ())?;
    if let Some(next) = leaf.next() {
        let what = format!("is the last leaf, but has page {next} on its right");
        return Err(damaged(leaf.pgno, what));
    }
    left_of(state, tree, leaf, leaf.node_count())
}

/// The node after a place, deleted or not.
///
/// # Errors
/// As [`first`].
pub(crate) fn next(state: &DatabaseState, tree: TreeId, place: Place) -> Look<Option<Place>> {
    let leaf = leaf_of(state, tree, place.pgno)?;
    Ok(at_or_right(state, tree, leaf, place.line + 1)?.map(Line::place))
}

/// The node of this line of a leaf, or if that is behind the last one, the next.
///
/// # Errors
/// As [`first`].
pub(super) fn at_or_right<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    mut leaf: Page<'s>,
    mut line: usize,
) -> Look<Option<Line<'s>>> {
    let begun = leaf.pgno;
    while line >= leaf.node_count() {
        let Some(next) = leaf.next() else {
            return Ok(None);
        };
        let right = leaf_of(state, tree, next)?;
        check_link(right.header.prev, leaf.pgno, next, begun)?;
        (leaf, line) = (right, 0);
    }
    Ok(Some(Line { leaf, line }))
}

/// The node before this line of a leaf.
///
/// # Errors
/// As [`first`].
pub(super) fn left_of<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    mut leaf: Page<'s>,
    line: usize,
) -> Look<Option<Line<'s>>> {
    let begun = leaf.pgno;
    let mut line = line.min(leaf.node_count());
    while line == 0 {
        let Some(prev) = leaf.prev() else {
            return Ok(None);
        };
        let left = leaf_of(state, tree, prev)?;
        check_link(left.header.next, leaf.pgno, prev, begun)?;
        (leaf, line) = (left, left.node_count());
    }
    let line = line - 1;
    Ok(Some(Line { leaf, line }))
}

/// Checks that leaf `found`, which leaf `from` names as a sibling, names that one too (`named`).
fn check_link(named: u32, from: u32, found: u32, begun: u32) -> Look<()> {
    if named != from {
        let what = format!("is linked with page {named}, but page {from} is linked with it");
        return Err(damaged(found, what));
    }
    if found == begun {
        return Err(damaged(found, "closes a cycle of leaves"));
    }
    Ok(())
}
