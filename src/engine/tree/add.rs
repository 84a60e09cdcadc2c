//! Numbers in the data of nodes that several transactions may add to at once: reference counts and escrow columns
//! (log-and-recovery.md section 4.4).

use super::descend::{Place, node};
use super::insert::{node_change, rceid_for};
use super::replace::existing;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::versions::Operation;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{Delta, Delta64, LogRecord, OperationFlags};

/// Adds to the integer at `offset` of a node's data, which others may do at the same time. Returns what it was, with
/// what they added.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`; there is no integer at `offset`.
pub(crate) fn add(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    offset: u16,
    delta: i32,
) -> JetResult<i32> {
    let place = existing(change, tree, bookmark, true)?;
    let before = i32::from_le_bytes(number(change, tree, place, offset)?);
    let rceid = rceid_for(change, OperationFlags::VERSIONED);
    change.node(
        node_change(tree, place, OperationFlags::VERSIONED, rceid),
        |node| {
            LogRecord::Delta(Delta {
                node,
                delta,
                offset,
                key: bookmark.key,
                bookmark_data: bookmark.data,
            })
        },
    )?;
    let operation = Operation::Delta { offset, delta };
    change.add_version(tree, bookmark, place.pgno, rceid, operation);
    Ok(before)
}

/// The same with eight bytes.
///
/// # Errors
/// As [`add`].
pub(crate) fn add64(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    offset: u16,
    delta: i64,
) -> JetResult<i64> {
    let place = existing(change, tree, bookmark, true)?;
    let before = i64::from_le_bytes(number(change, tree, place, offset)?);
    let rceid = rceid_for(change, OperationFlags::VERSIONED);
    change.node(
        node_change(tree, place, OperationFlags::VERSIONED, rceid),
        |node| {
            LogRecord::Delta64(Delta64 {
                node,
                delta,
                offset,
                key: bookmark.key,
                bookmark_data: bookmark.data,
            })
        },
    )?;
    let operation = Operation::Delta64 { offset, delta };
    change.add_version(tree, bookmark, place.pgno, rceid, operation);
    Ok(before)
}

/// The number as it stands in the node.
fn number<const N: usize>(
    change: &mut Change<'_>,
    tree: TreeId,
    place: Place,
    offset: u16,
) -> JetResult<[u8; N]> {
    if !tree.is_unique {
        let what = "the data are part of the node's name";
        return Err(JetError::rule(JetErr::InvalidParameter, what));
    }
    change.database.look_in(change.state, |state| {
        let data = node(state, tree, place)?.data;
        let number = data
            .get(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk::<N>());
        let what = format!("there is no number of {N} bytes at {offset} of the data");
        let missing = || JetError::rule(JetErr::InvalidParameter, what);
        Ok(*number.ok_or_else(missing)?)
    })
}
