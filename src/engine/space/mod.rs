//! Which page belongs to which tree: allocation, trees made and given back, growth (database-file.md section 5,
//! log-and-recovery.md sections 4.6 and 8.3).
//!
//! ```text
//! file ── ExtendDB ──> system root ── extents ──> tables ── extents ──> indexes, long values ── pages ──> splits
//! ```
//!
//! All of it is logged inside of the transaction that needs it, makes no versions, and is never undone: what a
//! transaction that is rolled back has taken stays with the tree.

use super::bookmark::TreeId;
use super::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{PageFlags, SYSTEM_ROOT};

/// The tree that owns all pages of the file.
pub(crate) const ROOT: TreeId = TreeId {
    fdp: SYSTEM_ROOT,
    root: SYSTEM_ROOT,
    objid: 1,
    is_unique: true,
    kind: PageFlags::empty(),
};

/// A tree to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewTree {
    /// As [`TreeId::kind`]: whether it is a table, an index or the long values of a table.
    pub(crate) kind: PageFlags,
    /// Whether the key alone is the bookmark.
    pub(crate) is_unique: bool,
    /// Pages of the first extent, from 1 on.
    pub(crate) pages: u32,
    /// Whether it has space trees from the beginning: then it gets at least three pages.
    pub(crate) multiple_extent: bool,
}

/// Takes a page for a tree: the one after `near` if that is free, else the lowest free one; 0 is near to nothing. The
/// tree gets more space where it has none. A space tree takes from its split buffer.
///
/// # Errors
/// `JET_errDiskFull`, where nothing has changed; the tree's space contradicts itself; the log cannot be appended to.
pub(crate) fn allocate_page(change: &mut Change<'_>, tree: TreeId, near: u32) -> JetResult<u32> {
    let _ = (change, tree, near);
    Err(JetError::rule(JetErr::InternalError, "space is not built yet"))
}

/// Gives a page that a tree used back to its free pages. Nothing may point at it any more.
///
/// # Errors
/// As [`allocate_page`].
pub(crate) fn free_page(change: &mut Change<'_>, tree: TreeId, pgno: u32) -> JetResult<()> {
    let _ = (change, tree, pgno);
    Err(JetError::rule(JetErr::InternalError, "space is not built yet"))
}

/// Makes an empty tree in the space of `parent`: of a table that is [`ROOT`], of an index or long values the table.
///
/// # Errors
/// As [`allocate_page`].
pub(crate) fn create_tree(change: &mut Change<'_>, parent: TreeId, new: NewTree) -> JetResult<TreeId> {
    let _ = (change, parent, new);
    Err(JetError::rule(JetErr::InternalError, "space is not built yet"))
}

/// Gives all pages of a tree back to `parent`. Those of its indexes and long values must have been given back to it
/// before, and its catalog rows must be gone for good: after a crash in here some of its pages may belong to nobody, and
/// others to new trees.
///
/// # Errors
/// As [`allocate_page`].
pub(crate) fn delete_tree(change: &mut Change<'_>, parent: TreeId, tree: TreeId) -> JetResult<()> {
    let _ = (change, parent, tree);
    Err(JetError::rule(JetErr::InternalError, "space is not built yet"))
}

/// Makes the system root of a new database: the file grows to `pages` pages, which it owns.
///
/// # Errors
/// As [`allocate_page`].
pub(crate) fn create_root(change: &mut Change<'_>, pages: u32) -> JetResult<()> {
    let _ = (change, pages);
    Err(JetError::rule(JetErr::InternalError, "space is not built yet"))
}
