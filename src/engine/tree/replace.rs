//! The data of a node are replaced (log-and-recovery.md section 4.4): logged as a difference where that is shorter.

use super::conflict;
use super::descend::{Place, node, seek};
use super::insert::{MAX_SPLITS, never_room, node_change, rceid_for, to_u16};
use super::limits::check_len;
use super::reserve::{of_node, refresh, set};
use super::split::{Pending, split};
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::versions::Operation;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{LogRecord, NodeOperation, OperationFlags, Replace};
use crate::format::make_diff;

/// The bit of a difference's length that says that it has the form for large pages.
const WIDE: u16 = 0x8000;

/// Replaces the data of a node of a tree with unique keys.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`, `JET_errRecordTooBig`, and no page can be had: then the tree has not
/// changed, or its pages were split and no more.
pub(crate) fn replace(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    data: &[u8],
) -> JetResult<()> {
    replace_as(change, tree, bookmark, data, OperationFlags::VERSIONED)
}

fn replace_as(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    data: &[u8],
    flags: OperationFlags,
) -> JetResult<()> {
    if !tree.is_unique || data.is_empty() {
        let what = "only nodes with unique keys can get other data, and never none";
        return Err(JetError::rule(JetErr::InvalidParameter, what));
    }
    check_len(change.database.page_size, bookmark.key.len(), data.len())?;
    let is_versioned = flags.contains(OperationFlags::VERSIONED);
    for _ in 0..MAX_SPLITS {
        let place = existing(change, tree, bookmark, false)?;
        if let Some(reserved) = room_for_data(change, tree, place, data.len(), is_versioned)? {
            return replace_at(change, tree, place, bookmark, data, flags, reserved);
        }
        split(change, tree, bookmark, Pending::Grow { len: data.len() })?;
    }
    Err(never_room())
}

fn replace_at(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    bookmark: BookmarkRef<'_>,
    data: &[u8],
    flags: OperationFlags,
    reserved: usize,
) -> JetResult<()> {
    let before: Box<[u8]> = change.database.look_in(change.state, |state| {
        Ok(Box::from(node(state, tree, place)?.data))
    })?;
    let wide = !change.database.page_size.is_small();
    // An empty difference would make no version: nothing would keep others from changing the node.
    let difference = make_diff(&before, data, wide).filter(|difference| !difference.is_empty());
    let rceid = rceid_for(change, flags);
    change.node(node_change(tree, place, flags, rceid), |node| match &difference {
        Some(image) => {
            let wide = if wide { WIDE } else { 0 };
            LogRecord::ReplaceDiff(record(node, image, wide, before.len(), data.len()))
        }
        None => LogRecord::Replace(record(node, data, 0, before.len(), data.len())),
    })?;
    set_reserved(change, place.pgno, reserved)?;
    if flags.contains(OperationFlags::VERSIONED) {
        change.add_version(tree, bookmark, place.pgno, rceid, Operation::Replace { before });
    }
    Ok(())
}

fn record(node: NodeOperation, image: &[u8], wide: u16, old_len: usize, new_len: usize) -> Replace<'_> {
    Replace {
        node,
        stored_len: to_u16(image.len()) | wide,
        old_len: to_u16(old_len),
        new_len: to_u16(new_len),
        image,
    }
}

/// Where the node of a bookmark is. `adds`: only an addition is meant, which gets along with other additions.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`.
pub(super) fn existing(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    adds: bool,
) -> JetResult<Place> {
    let me = change.transaction.state();
    change.database.look_in(change.state, |state| {
        let not_found = || JetError::rule(JetErr::RecordNotFound, "there is no such node");
        let found = seek(state, tree, bookmark)?;
        if !found.is_equal {
            return Err(not_found().into());
        }
        let versions = state.versions.of(tree, bookmark);
        match adds {
            true => conflict::check_addition(versions, me)?,
            false => conflict::check(versions, me)?,
        }
        if node(state, tree, found.place)?.is_deleted() {
            return Err(not_found().into());
        }
        Ok(found.place)
    })
}

/// Whether the data of a node may become `len` bytes, and what its page keeps for rollbacks afterwards; `None` if there
/// is no room.
pub(super) fn room_for_data(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    len: usize,
    is_versioned: bool,
) -> JetResult<Option<usize>> {
    let (now, longest) = change.database.look_in(change.state, |state| {
        let node = node(state, tree, place)?;
        let versions = state.versions.of(tree, tree.bookmark(&node.key(), node.data));
        Ok((node.data.len(), of_node(versions, 0)))
    })?;
    let own = longest.saturating_sub(now);
    let longest = if is_versioned { longest.max(now) } else { longest };
    for is_exact in [false, true] {
        if is_exact {
            refresh(change, tree, place.pgno)?;
        }
        let page = change.page(place.pgno)?;
        let reserved = page.uncommitted_free().saturating_sub(own) + longest.saturating_sub(len);
        let free = (page.free() + now).checked_sub(len);
        if free.is_some_and(|free| reserved <= free) {
            return Ok(Some(reserved));
        }
        if page.uncommitted_free() == 0 {
            break;
        }
    }
    Ok(None)
}

/// Sets what a page keeps for rollbacks, which replaying a replacement does not.
pub(super) fn set_reserved(change: &mut Change<'_>, pgno: u32, reserved: usize) -> JetResult<()> {
    set(change.state, pgno, reserved)
}
