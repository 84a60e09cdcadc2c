//! Runs of pages for a tree itself or for those to which it lends: its own free ones, or more from its lender
//! (database-file.md sections 5.1 and 5.4, log-and-recovery.md section 8.3).
//!
//! In this order, so that at each point of the log no page belongs to two trees, and at worst some to none: the lender's
//! AE shrinks, the tree's OE gets the extent, its AE what is left of it; then the pages are given away.

use super::bitmap;
use super::extents::{self, Choice, Found, Wanted, first_of, run};
use super::file;
use super::owner::{KIND, Owner, SpaceTrees};
use super::reserve;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{ConvertFdp, PageOperation};
use crate::format::{Extent, FreeSpace, PageFlags};

/// A tree that owns fewer pages grows by [`SMALL_GROWTH`] (section 5.4).
const SMALL_TREE: u32 = 16;
const SMALL_GROWTH: u32 = 4;
/// A larger tree grows by so many pages at least, and by an eighth of what it owns.
const GROWTH_LEAST: u32 = 16;
const GROWTH_SHARE: u32 = 8;
/// No tree grows by more at once, in bytes.
const GROWTH_MOST: usize = 4 << 20;
/// Pages of the second extent of a tree that had a single one: two roots of space trees and one to use.
const SECONDARY_LEAST: u32 = 3;
/// Dbtimes that the making of such roots takes (measured in genuine logs).
const CONVERT_DBTIMES: u64 = 7;

/// Takes a run of pages from a tree: the one after page `near` if it is long enough, or the lowest. Where it has none it
/// gets more space.
///
/// # Errors
/// `JET_errDiskFull`, where no page has changed; the space of a tree contradicts itself; the log cannot be appended to.
pub(super) fn take(change: &mut Change<'_>, tree: TreeId, wanted: Wanted, near: u32) -> JetResult<Extent> {
    let mut owner = Owner::of(change, tree)?;
    if let FreeSpace::Bitmap(bits) = owner.header.free {
        if let Some(taken) = bitmap::take(change, &owner, bits, wanted, near)? {
            return Ok(taken);
        }
        convert(change, &owner)?;
        owner = Owner::of(change, tree)?;
    }
    let trees = owner.space_trees(change)?;
    reserve::fill(change, &owner, trees)?;
    take_or_grow(change, &owner, trees, wanted, near)
}

/// The same of a tree with space trees, whose split buffers are filled or being filled.
///
/// # Errors
/// As [`take`].
pub(super) fn take_or_grow(
    change: &mut Change<'_>,
    owner: &Owner,
    trees: SpaceTrees,
    wanted: Wanted,
    near: u32,
) -> JetResult<Extent> {
    if let Some(found) = find(change, trees.available, wanted, near)? {
        let taken = front(found.extent, wanted.best);
        extents::resize(change, trees.available, found, found.extent.count - taken.count)?;
        return Ok(taken);
    }
    let extent = grow(change, owner, trees, wanted)?;
    let taken = front(extent, wanted.best);
    if taken.count < extent.count {
        let rest = run(taken.last + 1, extent.last);
        extents::insert(change, trees.available, rest)?;
    }
    Ok(taken)
}

fn find(change: &mut Change<'_>, available: TreeId, wanted: Wanted, near: u32) -> JetResult<Option<Found>> {
    if near > 0 {
        let next = near.saturating_add(1);
        let found = extents::at_or_after(change, available, next)?;
        if let Some(found) = found.filter(|found| found.first() == next && found.extent.count >= wanted.best)
        {
            return Ok(Some(found));
        }
    }
    let choose = |found: &Found| match found.extent.count {
        count if count >= wanted.best => Choice::Take,
        count if count >= wanted.least => Choice::Keep,
        _ => Choice::Pass,
    };
    extents::search(change, available, choose, 1)
}

/// The first pages of an extent.
fn front(extent: Extent, most: u32) -> Extent {
    let first = first_of(extent);
    run(first, first + extent.count.min(most).saturating_sub(1))
}

/// A new extent of the tree, at least as many pages as wanted. It is owned, but not available.
fn grow(change: &mut Change<'_>, owner: &Owner, trees: SpaceTrees, wanted: Wanted) -> JetResult<Extent> {
    let extent = if owner.is_system_root() {
        file::extend(change, trees.owned, wanted)?
    } else {
        let parent = owner.parent(change)?;
        let growth = growth(change, trees.owned)?;
        let wanted = Wanted {
            least: wanted.least.max(growth / 4),
            best: wanted.best.max(growth),
        };
        take(change, parent, wanted, 0)?
    };
    extents::insert(change, trees.owned, extent)?;
    Ok(extent)
}

/// By how many pages a tree grows.
fn growth(change: &mut Change<'_>, owned: TreeId) -> JetResult<u32> {
    let extents = extents::all(change, owned)?;
    let pages = extents
        .iter()
        .fold(0, |sum: u32, extent| sum.saturating_add(extent.count));
    if pages < SMALL_TREE {
        return Ok(SMALL_GROWTH);
    }
    let most = GROWTH_MOST / change.database.page_size.bytes();
    let most = u32::try_from(most).unwrap_or(u32::MAX).max(GROWTH_LEAST);
    Ok((pages / GROWTH_SHARE).clamp(GROWTH_LEAST, most))
}

/// Gives a tree of a single extent a second one, and in it its space trees: ConvertFDP2.
fn convert(change: &mut Change<'_>, owner: &Owner) -> JetResult<()> {
    let FreeSpace::Bitmap(free_bits) = owner.header.free else {
        return Ok(());
    };
    let parent = owner.parent(change)?;
    let primary_pages = owner.header.primary;
    let wanted = Wanted {
        least: SECONDARY_LEAST,
        best: primary_pages.clamp(SECONDARY_LEAST, GROWTH_LEAST),
    };
    let secondary = take(change, parent, wanted, 0)?;
    let (tree, page_oe) = (owner.tree, first_of(secondary));
    let kind = change.page(tree.fdp)?.header()?.flags & (KIND | PageFlags::NEW_RECORD_FORMAT);
    let dbtime = change.state.last_of_dbtimes(CONVERT_DBTIMES);
    let page = PageOperation {
        flags: tree.operation_flags(),
        ..change.page_operation(tree.fdp, dbtime)?
    };
    change.convert(ConvertFdp {
        page,
        objid: tree.objid,
        page_oe,
        page_ae: page_oe + 1,
        page_parent_fdp: owner.header.parent,
        page_secondary_first: page_oe,
        primary_pages,
        secondary_pages: secondary.count,
        free_bits,
        page_flags: kind.bits(),
    })
}

impl Owner {
    fn is_system_root(&self) -> bool {
        self.tree.fdp == super::ROOT.fdp
    }

    /// Its space trees.
    ///
    /// # Errors
    /// It has none, though it should.
    pub(super) fn space_trees(&self, change: &Change<'_>) -> JetResult<SpaceTrees> {
        self.trees().ok_or_else(|| {
            let error = JetError::rule(JetErr::SPOwnExtCorrupted, "has no space trees");
            change.database.place(error, self.tree.fdp)
        })
    }
}
