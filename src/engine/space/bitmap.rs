//! A tree of a single extent: its free pages are bits in its space header (database-file.md section 5.2).

use super::extents::{Wanted, run, twice};
use super::owner::Owner;
use crate::engine::change::Change;
use crate::error::JetResult;
use crate::format::Extent;

/// Pages after the root that a bitmap can tell: a tree with more of them has space trees from the beginning.
pub(super) const TRACKED_PAGES: u32 = u32::BITS;

/// Takes a run of free pages: from the page after `near` on, or from the lowest that will do.
///
/// # Errors
/// The record cannot be applied or logged.
pub(super) fn take(
    change: &mut Change<'_>,
    owner: &Owner,
    bits: u32,
    wanted: Wanted,
    near: u32,
) -> JetResult<Option<Extent>> {
    let root = owner.tree.fdp;
    let after = near
        .checked_sub(root)
        .filter(|bit| run_len(bits, *bit) >= wanted.least);
    let lowest = |least| (0..TRACKED_PAGES).find(|bit| run_len(bits, *bit) >= least);
    let Some(bit) = after
        .or_else(|| lowest(wanted.best))
        .or_else(|| lowest(wanted.least))
    else {
        return Ok(None);
    };
    let count = run_len(bits, bit).min(wanted.best);
    let taken = run(root + 1 + bit, root + bit + count);
    owner.set_bitmap(change, bits & !mask(bit, count))?;
    Ok(Some(taken))
}

/// Makes pages free again. The extent has no others than those that the bitmap can tell.
///
/// # Errors
/// Some of them are free already, or belong to another tree; the record cannot be applied or logged.
pub(super) fn give_back(change: &mut Change<'_>, owner: &Owner, bits: u32, extent: Extent) -> JetResult<()> {
    let root = owner.tree.fdp;
    let first = extent
        .last
        .checked_sub(extent.count)
        .and_then(|before| before.checked_sub(root));
    let last_of_tree = root.saturating_add(owner.header.primary.saturating_sub(1));
    let is_own = extent.count > 0 && extent.last <= last_of_tree;
    match first.filter(|bit| is_own && bit + extent.count <= TRACKED_PAGES) {
        Some(bit) if bits & mask(bit, extent.count) == 0 => {
            owner.set_bitmap(change, bits | mask(bit, extent.count))
        }
        _ => Err(twice(change, owner.tree, extent)),
    }
}

/// The number of bits that are set from `bit` on.
fn run_len(bits: u32, bit: u32) -> u32 {
    bits.checked_shr(bit).map_or(0, u32::trailing_ones)
}

/// `count` bits from `bit` on.
fn mask(bit: u32, count: u32) -> u32 {
    let ones = u32::MAX
        .checked_shr(TRACKED_PAGES.saturating_sub(count))
        .unwrap_or(0);
    ones.checked_shl(bit).unwrap_or(0)
}
