//! Deleted nodes go for good, and leaves on which nothing else is left (log-and-recovery.md sections 4.6 and 8.3).
//!
//! ```text
//! Delete … Delete · Merge2 … Merge2 (the last node goes with its leaf) · the pages are given back
//! Delete … Delete · EmptyTree (with the last leaf)                      · the pages are given back
//! ```
//!
//! The pages above a leaf that goes lose their pointer to it, and go too if that was their only one. The last node of a
//! leaf goes with it, in one macro: a crash never leaves a leaf without nodes. Where the leaf must stay, so does the
//! deleted node. When the last leaf goes, the root becomes an empty leaf, the only one that there may be: all as in the
//! genuine engine.

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
    DBTIME_NIL, EmptiedPage, EmptiedPages, EmptyTree, ImageFlags, LogRecord, Merge, MergeFlags, MergeType,
    NodeDeletion, NodeOperation, OperationFlags, PageOperation,
};

/// Removes a node that is deleted for everybody, and the leaf if it is the last one on it. Does nothing if the node is
/// gone, is not deleted (any more), or has versions; nor where the leaf would have to go and cannot.
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

/// Removes the leaf on which only the node of a bookmark is left, and the pages above it that lead to no other.
fn remove_leaf(change: &mut Change<'_>, tree: TreeId, bookmark: BookmarkRef<'_>) -> JetResult<()> {
    let (plan, way, leaf) = change.database.look_in(change.state, |state| {
        let (way, found) = seek_with_way(state, tree, bookmark)?;
        let leaf = page_of(state, tree, found.place.pgno)?;
        let is_only = leaf.prev().is_none() && leaf.next().is_none();
        let plan = plan(state, tree, &way)?;
        Ok((plan, is_only.then_some(way), found.place.pgno))
    })?;
    let above: Vec<u32> = match (&plan, &way) {
        (Some(plan), _) => {
            merge(change, tree, plan, leaf)?;
            let emptied = plan.above.iter();
            let emptied = emptied.filter(|(_, flags)| flags.contains(MergeFlags::EMPTY_PAGE));
            emptied.map(|(place, _)| place.pgno).collect()
        }
        (None, Some(way)) => {
            let above = way.parents().iter().skip(1);
            let above: Vec<u32> = above.map(|place| place.pgno).collect();
            empty_tree(change, tree, above.iter().copied().chain([leaf]))?;
            above
        }
        // The pages above cannot forget it.
        (None, None) => return Ok(()),
    };
    let mut pages = std::iter::once(leaf).chain(above);
    pages.try_for_each(|pgno| space::free_page(change, tree, pgno))
}

/// Makes the root an empty leaf, and every other page of the tree empty: `pages`, from the one below the root on.
fn empty_tree(change: &mut Change<'_>, tree: TreeId, pages: impl Iterator<Item = u32>) -> JetResult<()> {
    let dbtime = change.state.next_dbtime();
    let mut list = Vec::new();
    for page in pages {
        let header = change.page(page)?.header()?;
        let emptied = EmptiedPage {
            dbtime_before: header.dbtime,
            page,
            flags: header.flags.bits(),
        };
        list.extend(emptied.to_bytes());
    }
    let root = Place {
        pgno: tree.root,
        line: 0,
    };
    let page = operation(change, tree, root, dbtime)?;
    change.empty_tree(EmptyTree {
        node: NodeOperation {
            page,
            rceid: 0,
            page_fdp: tree.fdp,
            objid: tree.objid,
        },
        emptied: EmptiedPages::new(&list),
    })
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
