//! Which page belongs to which tree: allocation, trees made and given back, growth (database-file.md section 5,
//! log-and-recovery.md sections 4.6 and 8.3).
//!
//! ```text
//! file ── ExtendDB ──> system root ── extents ──> tables ── extents ──> indexes, long values ── pages ──> splits
//! ```
//!
//! * `take`: runs of pages for a tree or for those to which it lends, and more space for it; `give_back`: free again;
//! * `create`: trees made and given back; `file`: the file grows;
//! * `owner`: what the root of a tree says of its space; `bitmap`: a single extent; `extents`: nodes of OE and AE;
//! * `reserve`: pages for the space trees themselves.
//!
//! All of it is logged inside of the transaction that needs it, makes no versions, and is never undone: what a
//! transaction that is rolled back has taken stays with the tree.

mod bitmap;
mod create;
mod extents;
mod file;
mod give_back;
mod owner;
mod reserve;
mod take;

pub(crate) use create::{NewTree, create_root, create_tree, delete_tree};

use super::bookmark::TreeId;
use super::change::Change;
use crate::error::JetResult;
use crate::format::{PageFlags, SYSTEM_ROOT};
use extents::{Wanted, first_of, run};

/// The tree that owns all pages of the file.
pub(crate) const ROOT: TreeId = TreeId {
    fdp: SYSTEM_ROOT,
    root: SYSTEM_ROOT,
    objid: 1,
    is_unique: true,
    kind: PageFlags::empty(),
};

/// Takes a page for a tree: the one after `near` if that is free, else the lowest free one; 0 is near to nothing. The
/// tree gets more space where it has none. A space tree takes from its split buffer.
///
/// # Errors
/// `JET_errDiskFull`, where nothing has changed; the tree's space contradicts itself; the log cannot be appended to.
pub(crate) fn allocate_page(change: &mut Change<'_>, tree: TreeId, near: u32) -> JetResult<u32> {
    if tree.is_space_tree() {
        return reserve::take_page(change, tree);
    }
    let one = Wanted { least: 1, best: 1 };
    take::take(change, tree, one, near).map(first_of)
}

/// Gives a page that a tree used back to its free pages. Nothing may point at it any more.
///
/// # Errors
/// As [`allocate_page`].
pub(crate) fn free_page(change: &mut Change<'_>, tree: TreeId, pgno: u32) -> JetResult<()> {
    if tree.is_space_tree() && reserve::put_page(change, tree, pgno)? {
        return Ok(());
    }
    give_back::give_back(change, tree.owner(), run(pgno, pgno))
}

#[cfg(test)]
mod tests;
