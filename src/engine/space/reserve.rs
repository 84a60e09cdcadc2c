//! Split buffers: pages for the splits of the space trees themselves, which cannot ask the space trees for them
//! (database-file.md sections 2.5 and 5.4).
//!
//! They are filled ahead, before each operation on space: while the root of a space tree is a leaf with room it needs
//! none, and later enough for what one operation can insert.

use super::extents::{Wanted, first_of, run};
use super::give_back;
use super::owner::{Owner, SpaceTrees, set_external_header};
use super::take::take_or_grow;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Extent, PageBuffer, SplitBuffer};

/// A leaf with room for more nodes than one operation on space inserts.
const ROOM: usize = 256;
/// Pages that are reserved for a space tree that may split, besides one for each of its levels.
const LEAST: u32 = 4;
/// More levels than any tree has.
const LEVELS_MOST: u32 = 32;

/// Fills the split buffers of both space trees, where they are needed and too small.
///
/// # Errors
/// As [`take`](super::take::take).
pub(super) fn fill(change: &mut Change<'_>, owner: &Owner, trees: SpaceTrees) -> JetResult<()> {
    for tree in [trees.owned, trees.available] {
        let needed = needed(change, tree)?;
        if needed > 0 && pages(read(change, tree)?) < needed {
            refill(change, owner, trees, tree, needed)?;
        }
    }
    Ok(())
}

/// Takes a page for a split of a space tree.
///
/// # Errors
/// The split buffer is empty; the record cannot be applied or logged.
pub(super) fn take_page(change: &mut Change<'_>, tree: TreeId) -> JetResult<u32> {
    let mut buffer = read(change, tree)?;
    // The smaller one first, so that one of the two is empty when there are too few.
    let reserves = buffer.reserves.iter_mut().filter(|reserve| reserve.count > 0);
    let Some(reserve) = reserves.min_by_key(|reserve| reserve.count) else {
        let what = "a space tree has to be split, but its split buffer is empty";
        return Err(change
            .database
            .place(JetError::rule(JetErr::OutOfDatabaseSpace, what), tree.root));
    };
    let taken = first_of(*reserve);
    reserve.count -= 1;
    if reserve.count == 0 {
        *reserve = Extent::default();
    }
    write(change, tree, buffer)?;
    Ok(taken)
}

/// Puts a page that a space tree does not need any more into its split buffer. `false`: there is no place in it.
///
/// # Errors
/// The record cannot be applied or logged.
pub(super) fn put_page(change: &mut Change<'_>, tree: TreeId, pgno: u32) -> JetResult<bool> {
    let mut buffer = read(change, tree)?;
    let mut reserves = buffer.reserves.iter_mut();
    let fits = |reserve: &Extent| reserve.count == 0 || first_of(*reserve) == pgno.saturating_add(1);
    let Some(reserve) = reserves.find(|reserve| fits(reserve)) else {
        return Ok(false);
    };
    *reserve = match reserve.count {
        0 => run(pgno, pgno),
        _ => run(pgno, reserve.last),
    };
    write(change, tree, buffer)?;
    Ok(true)
}

/// How many pages the split buffer of a space tree should have.
fn needed(change: &mut Change<'_>, tree: TreeId) -> JetResult<u32> {
    let root = change.page(tree.root)?;
    if root.view()?.is_leaf() {
        let is_roomy = root.room() >= ROOM;
        return Ok(if is_roomy { 0 } else { LEAST + 1 });
    }
    let mut pgno = tree.root;
    for levels in 1..LEVELS_MOST {
        let page = change.page(pgno)?.view()?;
        if page.is_leaf() {
            return Ok(LEAST + levels);
        }
        pgno = page.child(0)?;
    }
    let what = "has more levels than a tree can have: its pages form a cycle";
    Err(change
        .database
        .place(JetError::rule(JetErr::SPAvailExtCorrupted, what), tree.root))
}

fn refill(
    change: &mut Change<'_>,
    owner: &Owner,
    trees: SpaceTrees,
    tree: TreeId,
    needed: u32,
) -> JetResult<()> {
    let wanted = Wanted {
        least: needed,
        best: 2 * needed,
    };
    let taken = take_or_grow(change, owner, trees, wanted, 0)?;
    let mut buffer = read(change, tree)?;
    let [one, other] = &mut buffer.reserves;
    let smaller = if one.count <= other.count { one } else { other };
    let replaced = std::mem::replace(smaller, taken);
    write(change, tree, buffer)?;
    if replaced.count > 0 {
        give_back::to_space_trees(change, trees, replaced)?;
    }
    Ok(())
}

fn pages(buffer: SplitBuffer) -> u32 {
    buffer
        .reserves
        .iter()
        .fold(0, |sum: u32, reserve| sum.saturating_add(reserve.count))
}

fn read(change: &mut Change<'_>, tree: TreeId) -> JetResult<SplitBuffer> {
    let buffer = |page: &PageBuffer| SplitBuffer::read(page.external_header()?);
    let read = buffer(change.page(tree.root)?);
    read.map_err(|error| change.database.place(error.into(), tree.root))
}

/// What comes after the split buffer in the external header is a prefix key, which stays.
fn write(change: &mut Change<'_>, tree: TreeId, buffer: SplitBuffer) -> JetResult<()> {
    let external = change.page(tree.root)?.external_header()?;
    let prefix = external.get(SplitBuffer::LEN..).unwrap_or_default();
    let external = [&buffer.to_bytes()[..], prefix].concat();
    set_external_header(change, tree, &external)
}
