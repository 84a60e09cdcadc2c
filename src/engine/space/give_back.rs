//! Pages that become free again: into the AE of a tree, joined with their neighbours (database-file.md section 5.3).
//!
//! Neighbours are joined only inside of one owned extent, as the engine does. The pages are out of AE while they are
//! joined: a crash in between loses them, but never gives them to two.

use super::bitmap;
use super::extents::{self, Found, first_of, run, twice};
use super::owner::{Owner, SpaceTrees};
use super::reserve;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Extent, FreeSpace};

/// Makes pages of a tree free, which it used or had lent.
///
/// # Errors
/// They are not all its own, or some are free already; the log cannot be appended to.
pub(super) fn give_back(change: &mut Change<'_>, tree: TreeId, extent: Extent) -> JetResult<()> {
    let owner = Owner::of(change, tree)?;
    if let FreeSpace::Bitmap(bits) = owner.header.free {
        return bitmap::give_back(change, &owner, bits, extent);
    }
    let trees = owner.space_trees(change)?;
    reserve::fill(change, &owner, trees)?;
    to_space_trees(change, trees, extent)
}

/// The same for a tree with space trees whose split buffers are filled.
///
/// # Errors
/// As [`give_back`].
pub(super) fn to_space_trees(change: &mut Change<'_>, trees: SpaceTrees, extent: Extent) -> JetResult<()> {
    let mut first = first_of(extent);
    while first <= extent.last {
        let bounds = owned_around(change, trees.owned, first)?;
        let last = extent.last.min(bounds.last);
        join(change, trees.available, run(first, last), bounds)?;
        let Some(next) = last.checked_add(1) else { break };
        first = next;
    }
    Ok(())
}

/// The owned extent with a page.
fn owned_around(change: &mut Change<'_>, owned: TreeId, pgno: u32) -> JetResult<Extent> {
    let found = extents::at_or_after(change, owned, pgno)?;
    match found.filter(|found| found.first() <= pgno) {
        Some(found) => Ok(found.extent),
        None => {
            let what = format!("page {pgno} is given back to a tree that does not own it");
            Err(change
                .database
                .place(JetError::rule(JetErr::SPOwnExtCorrupted, what), owned.root))
        }
    }
}

fn join(change: &mut Change<'_>, available: TreeId, pages: Extent, bounds: Extent) -> JetResult<()> {
    let mut first = first_of(pages);
    let found = extents::at_or_after(change, available, first)?;
    if found.is_some_and(|found| found.first() <= pages.last) {
        return Err(twice(change, available, pages));
    }
    if first > first_of(bounds) {
        let left = extents::at_or_after(change, available, first - 1)?;
        if let Some(left) = left.filter(|left| left.extent.last == first - 1) {
            first = left.first().max(first_of(bounds));
            extents::remove(change, available, left)?;
        }
    }
    match neighbour_after(change, available, pages.last, bounds)? {
        Some(right) => extents::resize(change, available, right, right.extent.last - first + 1),
        None => extents::insert(change, available, run(first, pages.last)),
    }
}

fn neighbour_after(
    change: &mut Change<'_>,
    available: TreeId,
    pgno: u32,
    bounds: Extent,
) -> JetResult<Option<Found>> {
    if pgno >= bounds.last {
        return Ok(None);
    }
    let found = extents::at_or_after(change, available, pgno + 1)?;
    Ok(found.filter(|found| found.first() == pgno + 1 && found.extent.last <= bounds.last))
}
