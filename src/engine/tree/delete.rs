//! A node gets the delete flag (log-and-recovery.md sections 4.4 and 8.3); what space trees remove goes at once.

use super::descend::Place;
use super::insert::{node_change, rceid_for};
use super::replace::existing;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::versions::Operation;
use crate::error::JetResult;
use crate::format::PageFlags;
use crate::format::log_record::{LogRecord, NodeDeletion, OperationFlags};

/// Gives a node the delete flag.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`.
pub(crate) fn delete(change: &mut Change<'_>, tree: TreeId, bookmark: BookmarkRef<'_>) -> JetResult<()> {
    let place = existing(change, tree, bookmark, false)?;
    let flags = OperationFlags::VERSIONED;
    let rceid = rceid_for(change, flags);
    change.node(node_change(tree, place, flags, rceid), |node| {
        LogRecord::FlagDelete(NodeDeletion { node })
    })?;
    change.add_version(tree, bookmark, place.pgno, rceid, Operation::FlagDelete);
    Ok(())
}

/// Removes a node without a version. The last node of a leaf that is no root stays, with the delete flag.
///
/// # Errors
/// `JET_errRecordNotFound`.
pub(crate) fn delete_unversioned(change: &mut Change<'_>, tree: TreeId, key: &[u8]) -> JetResult<()> {
    let place = existing(change, tree, tree.bookmark(key, &[]), false)?;
    let page = change.page(place.pgno)?.view()?;
    let may_be_empty = page.flags().contains(PageFlags::ROOT) || page.node_count() > 1;
    remove_or_flag(change, tree, place, may_be_empty)
}

fn remove_or_flag(change: &mut Change<'_>, tree: TreeId, place: Place, removes: bool) -> JetResult<()> {
    change.node(
        node_change(tree, place, OperationFlags::empty(), 0),
        |node| match removes {
            true => LogRecord::Delete(NodeDeletion { node }),
            false => LogRecord::FlagDelete(NodeDeletion { node }),
        },
    )
}
