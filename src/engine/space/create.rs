//! Trees made in the space of others, and given back to them (log-and-recovery.md sections 4.6 and 4.7,
//! database-file.md section 5.5).

use super::ROOT;
use super::bitmap::TRACKED_PAGES;
use super::extents::{self, Wanted, first_of, run};
use super::file;
use super::give_back::give_back;
use super::owner::Owner;
use super::take::take;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageFlags;
use crate::format::log_record::{CreateMultipleExtentFdp, CreateSingleExtentFdp, PageOperation};

/// The roots of a tree and of its space trees.
const ROOTS: u32 = 3;

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

/// Makes an empty tree in the space of `parent`: of a table that is [`ROOT`], of an index or long values the table.
///
/// # Errors
/// As [`allocate_page`](super::allocate_page).
pub(crate) fn create_tree(change: &mut Change<'_>, parent: TreeId, new: NewTree) -> JetResult<TreeId> {
    // A single extent has no more pages than its bitmap can tell.
    let is_multiple = new.multiple_extent || new.pages > TRACKED_PAGES + 1;
    let pages = new.pages.max(if is_multiple { ROOTS } else { 1 });
    let wanted = Wanted {
        least: pages,
        best: pages,
    };
    let fdp = first_of(take(change, parent, wanted, 0)?);
    change.state.last_objid += 1;
    let mut kind = new.kind;
    kind.set(PageFlags::NON_UNIQUE_KEYS, !new.is_unique);
    let tree = TreeId {
        fdp,
        root: fdp,
        objid: change.state.last_objid,
        is_unique: new.is_unique,
        kind,
    };
    if is_multiple {
        create_multiple(change, tree, parent.fdp, pages)?;
    } else {
        create_single(change, tree, parent.fdp, pages)?;
    }
    Ok(tree)
}

/// Gives all pages of a tree back to `parent`. Those of its indexes and long values must have been given back to it
/// before, and its catalog rows must be gone for good: after a crash in here some of its pages may belong to nobody, and
/// others to new trees.
///
/// # Errors
/// As [`allocate_page`](super::allocate_page).
pub(crate) fn delete_tree(change: &mut Change<'_>, parent: TreeId, tree: TreeId) -> JetResult<()> {
    let owner = Owner::of(change, tree)?;
    if owner.header.parent != parent.fdp {
        let what = format!(
            "has its space from page {}, not {}",
            owner.header.parent, parent.fdp
        );
        let error = JetError::rule(JetErr::SPOwnExtCorrupted, what);
        return Err(change.database.place(error, tree.fdp));
    }
    let extents = match owner.trees() {
        Some(trees) => extents::all(change, trees.owned)?,
        None => vec![run(
            tree.fdp,
            tree.fdp.saturating_add(owner.header.primary.saturating_sub(1)),
        )],
    };
    for extent in extents {
        give_back(change, parent, extent)?;
    }
    Ok(())
}

/// Makes the system root of a new database: the file grows to `pages` pages, which it owns.
///
/// # Errors
/// As [`allocate_page`](super::allocate_page); `JET_errInvalidParameter`: so few pages are no database.
pub(crate) fn create_root(change: &mut Change<'_>, pages: u32) -> JetResult<()> {
    if pages < ROOTS {
        let what = format!("a database of {pages} pages has no room for its root");
        return Err(JetError::rule(JetErr::InvalidParameter, what).in_file(&change.database.path));
    }
    file::grow_to(change, pages)?;
    change.state.last_objid = change.state.last_objid.max(ROOT.objid);
    create_multiple(change, ROOT, 0, pages)
}

/// Dbtimes that the making of a tree takes (measured in genuine logs).
const SINGLE_DBTIMES: u64 = 2;
const MULTIPLE_DBTIMES: u64 = 9;

fn create_single(change: &mut Change<'_>, tree: TreeId, parent: u32, pages: u32) -> JetResult<()> {
    let page = new_root(change, tree, SINGLE_DBTIMES);
    change.create_single_extent(CreateSingleExtentFdp {
        page,
        objid: tree.objid,
        page_parent_fdp: parent,
        primary_pages: pages,
        page_flags: tree.kind.bits(),
    })
}

fn create_multiple(change: &mut Change<'_>, tree: TreeId, parent: u32, pages: u32) -> JetResult<()> {
    let page = new_root(change, tree, MULTIPLE_DBTIMES);
    change.create_multiple_extent(CreateMultipleExtentFdp {
        page,
        objid: tree.objid,
        page_oe: tree.fdp + 1,
        page_ae: tree.fdp + 2,
        page_parent_fdp: parent,
        primary_pages: pages,
        page_flags: tree.kind.bits(),
    })
}

fn new_root(change: &mut Change<'_>, tree: TreeId, dbtimes: u64) -> PageOperation {
    PageOperation {
        flags: tree.operation_flags(),
        ..change.new_page_operation(tree.fdp, dbtimes)
    }
}
