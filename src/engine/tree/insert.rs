//! A node is inserted, or a deleted one comes back (log-and-recovery.md sections 4.4 and 8.3).

use super::conflict;
use super::descend::{Place, node, page_of, seek, seek_behind_all};
use super::limits::check_node;
use super::replace::{room_for_data, set_reserved};
use super::reserve::has_room;
use super::split::{Outcome, Pending, split};
use crate::engine::bookmark::TreeId;
use crate::engine::change::{Change, NodeChange};
use crate::engine::versions::{Operation, Versions};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{FlagInsert, FlagInsertAndReplaceData, Insert, LogRecord, OperationFlags};
use crate::format::{NodeFlags, NodeParts};
use crate::recovery::shared_prefix;

/// How often a page may have to be split until a node has room: each split leaves fewer lines on its page.
pub(super) const MAX_SPLITS: usize = 64;

/// Inserts a node.
///
/// # Errors
/// `JET_errKeyDuplicate`, `JET_errWriteConflict`, `JET_errKeyTooBig`, `JET_errRecordTooBig`, and no page can be had:
/// then the tree has not changed, or its pages were split and no more.
pub(crate) fn insert(change: &mut Change<'_>, tree: TreeId, key: &[u8], data: &[u8]) -> JetResult<()> {
    insert_as(change, tree, key, data, OperationFlags::VERSIONED)
}

/// Inserts a node that makes no version, or brings a deleted one back with other data.
///
/// # Errors
/// As [`insert`].
pub(crate) fn insert_unversioned(
    change: &mut Change<'_>,
    tree: TreeId,
    key: &[u8],
    data: &[u8],
) -> JetResult<()> {
    insert_as(change, tree, key, data, OperationFlags::empty())
}

fn insert_as(
    change: &mut Change<'_>,
    tree: TreeId,
    key: &[u8],
    data: &[u8],
    flags: OperationFlags,
) -> JetResult<()> {
    check_node(change.database.page_size, tree, key, data)?;
    for _ in 0..MAX_SPLITS {
        let bookmark = tree.bookmark(key, data);
        let found = change.database.look_in(change.state, |state| {
            match seek_behind_all(state, tree, bookmark) {
                Some(found) => Ok(found),
                None => seek(state, tree, bookmark),
            }
        })?;
        let done = match found.is_equal {
            true => bring_back(change, tree, found.place, key, data, flags)?,
            false => insert_at(change, tree, found.place, key, data, flags)?,
        };
        if done {
            return Ok(());
        }
    }
    Err(never_room())
}

/// A defect: pages were split, and there is no room.
pub(super) fn never_room() -> JetError {
    JetError::rule(JetErr::InternalError, "splitting pages makes no room")
}

/// Inserts a node in a line; `false` if pages were split and all is to be looked at again.
fn insert_at(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    key: &[u8],
    data: &[u8],
    flags: OperationFlags,
) -> JetResult<bool> {
    let (prefix_len, is_behind_all) = {
        let page = change.page(place.pgno)?.view()?;
        let is_last = page.next().is_none() && place.line == page.node_count();
        (shared_prefix(page.prefix_key()?, key), is_last)
    };
    let parts = NodeParts {
        flags: NodeFlags::empty(),
        prefix_len,
        suffix: key.get(prefix_len..).unwrap_or_default(),
        data,
    };
    let rceid = rceid_for(change, flags);
    let mut page = place.pgno;
    if has_room(change, tree, place.pgno, parts.cost())? {
        change.node(node_change(tree, place, flags, rceid), |node| {
            LogRecord::Insert(Insert {
                node,
                prefix_len: to_u16(prefix_len),
                key,
                data,
            })
        })?;
    } else {
        let pending = Pending::Insert {
            key,
            data,
            flags,
            rceid,
        };
        match split(change, tree, tree.bookmark(key, data), pending)? {
            Outcome::Inserted(pgno) => page = pgno,
            Outcome::Again => return Ok(false),
        }
    }
    if is_behind_all {
        // A split for it has put it on a new page.
        let leaf = match change.page(page)?.next() {
            0 => page,
            next => next,
        };
        change.state.last_leaves.insert(tree.root, leaf);
    }
    if flags.contains(OperationFlags::VERSIONED) {
        change.add_version(tree, tree.bookmark(key, data), page, rceid, Operation::Insert);
    }
    Ok(true)
}

/// The node is there: it must be deleted for everybody, and comes back with these data.
fn bring_back(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    key: &[u8],
    data: &[u8],
    flags: OperationFlags,
) -> JetResult<bool> {
    check_deleted(change, tree, place, key, data)?;
    if !tree.is_unique {
        return flag_insert(change, tree, place, key, data, flags);
    }
    let is_versioned = flags.contains(OperationFlags::VERSIONED);
    let Some(reserved) = room_for_data(change, tree, place, data.len(), is_versioned)? else {
        let pending = Pending::Grow { len: data.len() };
        split(change, tree, tree.bookmark(key, data), pending)?;
        return Ok(false);
    };
    let before = change.database.look_in(change.state, |state| {
        Ok(Box::from(node(state, tree, place)?.data))
    })?;
    let (rceid, rceid_replace) = (rceid_for(change, flags), rceid_for(change, flags));
    change.node(node_change(tree, place, flags, rceid), |node| {
        LogRecord::FlagInsertAndReplaceData(FlagInsertAndReplaceData {
            node,
            rceid_replace,
            key,
            data,
        })
    })?;
    set_reserved(change, place.pgno, reserved)?;
    if is_versioned {
        let bookmark = tree.bookmark(key, data);
        change.add_version(tree, bookmark, place.pgno, rceid, Operation::Insert);
        let replace = Operation::Replace { before };
        change.add_version(tree, bookmark, place.pgno, rceid_replace, replace);
    }
    Ok(true)
}

/// In a tree whose keys are not unique the data are part of the name, and stay what they are.
fn flag_insert(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    key: &[u8],
    data: &[u8],
    flags: OperationFlags,
) -> JetResult<bool> {
    let rceid = rceid_for(change, flags);
    change.node(node_change(tree, place, flags, rceid), |node| {
        LogRecord::FlagInsert(FlagInsert { node, key, data })
    })?;
    if flags.contains(OperationFlags::VERSIONED) {
        let bookmark = tree.bookmark(key, data);
        change.add_version(tree, bookmark, place.pgno, rceid, Operation::Insert);
    }
    Ok(true)
}

/// Whoever sees the node has a duplicate; where others changed it unseen, they were first.
fn check_deleted(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    key: &[u8],
    data: &[u8],
) -> JetResult<()> {
    let me = change.transaction.state();
    change.database.look_in(change.state, |state| {
        let view = page_of(state, tree, place.pgno)?;
        let node = view.node(place.line)?;
        let versions = state.versions.of(tree, tree.bookmark(key, data));
        let seen = Versions::see(versions, node.data, node.is_deleted(), me);
        if !seen.is_deleted && !node.is_deleted() {
            let what = "a node with this key exists";
            return Err(JetError::rule(JetErr::KeyDuplicate, what).into());
        }
        Ok(conflict::check(versions, me)?)
    })
}

/// What a change of one node is.
pub(super) fn node_change(tree: TreeId, place: Place, flags: OperationFlags, rceid: u32) -> NodeChange {
    NodeChange {
        tree,
        pgno: place.pgno,
        line: to_u16(place.line),
        flags,
        rceid,
    }
}

/// A number for the version of a change; 0 if it makes none.
pub(super) fn rceid_for(change: &Change<'_>, flags: OperationFlags) -> u32 {
    if flags.contains(OperationFlags::VERSIONED) {
        change.shared.take_rceid()
    } else {
        0
    }
}

/// A line, or a length on a page, all of which are below 64 Ki.
pub(super) fn to_u16(number: usize) -> u16 {
    debug_assert!(number <= usize::from(u16::MAX), "{number} is no number of a page");
    u16::try_from(number).unwrap_or(u16::MAX)
}
