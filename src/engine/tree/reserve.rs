//! Room that is kept for rollbacks, `cbUncommittedFree`: where a replacement made a node shorter in a transaction that
//! is open, nobody may use what it left, so that the data before always fit again (log-and-recovery.md section 4.5).
//!
//! A page's number is never too small, and becomes too large when transactions end: who needs room makes it exact.

use super::descend::{node_of, page_of};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::versions::{Operation, Version};
use crate::error::JetResult;
use crate::format::{NodeFlags, Page};

/// What is kept for a node whose data have `len` bytes: they may have to become as long as they were before the longest
/// replacement that may be undone.
pub(super) fn of_node(versions: &[Version], len: usize) -> usize {
    longest_before(versions).saturating_sub(len)
}

/// The longest data that a rollback may bring back.
pub(super) fn longest_before(versions: &[Version]) -> usize {
    let open = versions.iter().filter(|version| version.transaction.is_open());
    let before = open.map(|version| match &version.operation {
        Operation::Replace { before } => before.len(),
        _ => 0,
    });
    before.max().unwrap_or(0)
}

/// What is kept for each line of a leaf, exactly; nothing if the page says that nothing is.
///
/// # Errors
/// The page is damaged.
pub(super) fn of_lines(state: &DatabaseState, tree: TreeId, page: &Page<'_>) -> Look<Vec<usize>> {
    let mut kept = vec![0; page.node_count()];
    if page.header.uncommitted_free == 0 {
        return Ok(kept);
    }
    for (line, kept) in kept.iter_mut().enumerate() {
        let node = node_of(page, line)?;
        if node.flags.contains(NodeFlags::VERSIONED) {
            let versions = state.versions.of(tree, tree.bookmark(&node.key(), node.data));
            *kept = of_node(versions, node.data.len());
        }
    }
    Ok(kept)
}

/// Makes the number of a leaf exact.
///
/// # Errors
/// The page is damaged.
pub(super) fn refresh(change: &mut Change<'_>, tree: TreeId, pgno: u32) -> JetResult<()> {
    let kept = change.database.look_in(change.state, |state| {
        let page = page_of(state, tree, pgno)?;
        of_lines(state, tree, &page)
    })?;
    set(change.state, pgno, kept.iter().sum())
}

/// Sets the number of a page that is in memory.
///
/// # Errors
/// It is not.
pub(super) fn set(state: &mut DatabaseState, pgno: u32, bytes: usize) -> JetResult<()> {
    if state
        .pages
        .get(pgno)
        .is_some_and(|page| page.uncommitted_free() != bytes)
    {
        state.pages.change(pgno)?.set_uncommitted_free(bytes);
    }
    Ok(())
}

/// Whether `cost` bytes can be inserted on a leaf.
///
/// # Errors
/// The page cannot be read, or is damaged.
pub(super) fn has_room(change: &mut Change<'_>, tree: TreeId, pgno: u32, cost: usize) -> JetResult<bool> {
    let page = change.page(pgno)?;
    if cost <= page.room() {
        return Ok(true);
    }
    if page.uncommitted_free() == 0 || cost > page.free() {
        return Ok(false);
    }
    refresh(change, tree, pgno)?;
    Ok(cost <= change.page(pgno)?.room())
}
