//! Deleted nodes go for good, and leaves on which nothing is left (log-and-recovery.md sections 4.6 and 8.3).
//!
//! ```text
//! Delete … Delete · Merge2 … Merge2 · the pages are given back
//! ```
//!
//! The pages above a leaf that goes lose their pointer to it, and go too if that was their only one. A tree keeps its
//! last leaf. The last node of a leaf goes with it, in one macro: a crash never leaves a leaf without nodes. Where the
//! leaf must stay, so does the deleted node.

use super::descend::{Place, Way, node, page_of, seek, seek_with_way};
use super::insert::{node_change, to_u16};
use super::split::has_room_for_pointer;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::space;
use crate::engine::state::{DatabaseState, Look};
use crate::error::JetResult;
use crate::format::PageFlags;
use crate::format::log_record::{
    DBTIME_NIL, ImageFlags, LogRecord, Merge, MergeFlags, MergeType, NodeDeletion, OperationFlags,
    PageOperation,
};

/// Removes a node that is deleted for everybody, and the leaf if nothing is left on it. Does nothing if the node is
/// gone, is not deleted (any more), or has versions. The last node of a leaf that must stay stays too: no leaf but a root
/// is empty.
///
/// # Errors
/// The tree is damaged; the log cannot be appended to.
pub(crate) fn remove_deleted(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
) -> JetResult<()> {
    let place = change.database.look_in(change.state, |state| {
        let found = seek(state, tree, bookmark)?;
        let is_over = found.is_equal
            && state.versions.of(tree, bookmark).is_empty()
            && node(state, tree, found.place)?.is_deleted();
        Ok(is_over.then_some(found.place))
    })?;
    let Some(place) = place else {
        return Ok(());
    };
    let leaf = change.page(place.pgno)?;
    if leaf.node_count() == 1 && !leaf.header()?.flags.contains(PageFlags::ROOT) {
        return remove_leaf(change, tree, bookmark);
    }
    change.node(node_change(tree, place, OperationFlags::empty(), 0), |node| {
        LogRecord::Delete(NodeDeletion { node })
    })
}

/// What a merge does to the pages above the leaf, and with which key.
#[derive(Debug, Default)]
struct Plan {
    /// From the leaf's parent upwards.
    above: Vec<(Place, MergeFlags)>,
    /// The key that the pages above the one that loses a pointer get instead of that pointer's.
    separator: Vec<u8>,
}

/// Removes the leaf whose only node has this bookmark, unless it is the last leaf of the tree.
fn remove_leaf(change: &mut Change<'_>, tree: TreeId, bookmark: BookmarkRef<'_>) -> JetResult<()> {
    let planned = change.database.look_in(change.state, |state| {
        let (way, found) = seek_with_way(state, tree, bookmark)?;
        Ok((plan(state, tree, &way)?, found.place.pgno))
    })?;
    let (Some(plan), leaf) = planned else {
        return Ok(());
    };
    merge(change, tree, &plan, leaf)?;
    let emptied = plan
        .above
        .iter()
        .filter(|(_, flags)| flags.contains(MergeFlags::EMPTY_PAGE));
    let pages: Vec<u32> = std::iter::once(leaf)
        .chain(emptied.map(|(place, _)| place.pgno))
        .collect();
    pages
        .into_iter()
        .try_for_each(|pgno| space::free_page(change, tree, pgno))
}

/// How the pages above a leaf forget it; `None` if that cannot be.
fn plan(state: &DatabaseState, tree: TreeId, way: &Way) -> Look<Option<Plan>> {
    let mut plan = Plan::default();
    let mut parents = way.parents().iter().rev();
    for &place in parents.by_ref() {
        let page = page_of(state, tree, place.pgno)?;
        if page.node_count() > 1 {
            let is_last = place.line + 1 == page.node_count();
            let is_end = is_last && page.node(place.line)?.key_len() == 0;
            if is_end && !plan.above.is_empty() {
                // The page before would become the last one of its level, whose last pointer has no key.
                return Ok(None);
            }
            plan.above.push((place, MergeFlags::DELETE_NODE));
            if !is_last || is_end {
                return Ok(Some(plan));
            }
            plan.separator = page.node(place.line - 1)?.key();
            return change_keys(state, tree, parents.copied(), plan);
        }
        if page.flags().contains(PageFlags::ROOT) {
            return Ok(None);
        }
        plan.above.push((place, MergeFlags::EMPTY_PAGE));
    }
    Ok(None)
}

/// The last pointer of a page goes that is not the last of its level: the pages above name the page by the key of the
/// pointer that is the last one then.
fn change_keys(
    state: &DatabaseState,
    tree: TreeId,
    parents: impl Iterator<Item = Place>,
    mut plan: Plan,
) -> Look<Option<Plan>> {
    for place in parents {
        let page = page_of(state, tree, place.pgno)?;
        // The old key makes room too, but that there is always room without it is simpler.
        if !has_room_for_pointer(&page, &plan.separator)? {
            return Ok(None);
        }
        plan.above.push((place, MergeFlags::KEY_CHANGE));
        if place.line + 1 != page.node_count() {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

fn merge(change: &mut Change<'_>, tree: TreeId, plan: &Plan, leaf: u32) -> JetResult<()> {
    let header = change.page(leaf)?.header()?;
    let dbtime = change.state.next_dbtime();
    let mut records = Vec::with_capacity(plan.above.len() + 1);
    let mut parent: Option<PageOperation> = None;
    for &(place, merge_flags) in plan.above.iter().rev() {
        let page = operation(change, tree, place, dbtime)?;
        records.push(Merge {
            merge_flags,
            ..level(tree, page, parent)
        });
        parent = Some(page);
    }
    let page = operation(change, tree, Place { pgno: leaf, line: 0 }, dbtime)?;
    records.push(Merge {
        page_left: header.prev,
        page_right: header.next,
        dbtime_left_before: sibling_dbtime(change, header.prev)?,
        dbtime_right_before: sibling_dbtime(change, header.next)?,
        merge_flags: MergeFlags::EMPTY_PAGE,
        merge_type: MergeType::EmptyPage,
        separator_key: &plan.separator,
        ..level(tree, page, parent)
    });
    change.merge(dbtime, &records)
}

fn sibling_dbtime(change: &mut Change<'_>, pgno: u32) -> JetResult<u64> {
    match pgno {
        0 => Ok(DBTIME_NIL),
        pgno => change.dbtime_of(pgno),
    }
}

fn operation(change: &mut Change<'_>, tree: TreeId, place: Place, dbtime: u64) -> JetResult<PageOperation> {
    let page = change.page_operation(place.pgno, dbtime)?;
    Ok(PageOperation {
        line: to_u16(place.line),
        flags: tree.operation_flags(),
        ..page
    })
}

/// A level of which nothing is decided yet.
fn level(tree: TreeId, page: PageOperation, parent: Option<PageOperation>) -> Merge<'static> {
    Merge {
        page,
        page_right: 0,
        dbtime_right_before: DBTIME_NIL,
        page_left: 0,
        dbtime_left_before: DBTIME_NIL,
        page_parent: parent.map_or(0, |parent| parent.page),
        dbtime_parent_before: parent.map_or(DBTIME_NIL, |parent| parent.dbtime_before),
        page_fdp: tree.fdp,
        objid: tree.objid,
        size_total: 0,
        size_most_total: 0,
        uncommitted_free_destination: 0,
        line_merge: 0,
        merge_flags: MergeFlags::empty(),
        merge_type: MergeType::None,
        image_flags: ImageFlags::empty(),
        separator_key: &[],
        before_image: &[],
    }
}
