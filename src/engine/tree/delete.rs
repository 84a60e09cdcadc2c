//! A node gets the delete flag (log-and-recovery.md sections 4.4 and 8.3); what space trees remove goes at once.

use super::insert::{node_change, rceid_for};
use super::replace::existing;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::versions::Operation;
use crate::error::JetResult;
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
