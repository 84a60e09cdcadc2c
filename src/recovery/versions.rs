//! What must be remembered of a record so that it can be undone (log-and-recovery.md section 6.8: the rebuilding of
//! versions).

use super::apply::NodeBefore;
use super::session::{Bookmark, Change, Version};
use crate::format::log_record::{LogRecord, NodeOperation, OperationFlags};
use crate::format::{FormatError, PageBuffer};

/// Line `line` of a page, before a record changes it.
///
/// # Errors
/// The page has no such line.
pub(super) fn node_before(page: &PageBuffer, line: u16) -> Result<NodeBefore, FormatError> {
    let node = page.view()?.node(line.into())?;
    Ok(NodeBefore {
        key: node.key(),
        data: node.data.to_vec(),
    })
}

/// What a record does to a node, of the records that can be undone.
pub(super) fn node_operation<'r>(record: &'r LogRecord<'_>) -> Option<&'r NodeOperation> {
    match record {
        LogRecord::Insert(record) => Some(&record.node),
        LogRecord::FlagInsert(record) => Some(&record.node),
        LogRecord::FlagInsertAndReplaceData(record) => Some(&record.node),
        LogRecord::FlagDelete(record) => Some(&record.node),
        LogRecord::Replace(record) | LogRecord::ReplaceDiff(record) => Some(&record.node),
        LogRecord::Delta(record) => Some(&record.node),
        LogRecord::Delta64(record) => Some(&record.node),
        _ => None,
    }
}

/// The operation of a record that makes a version; `None` of all others.
pub(super) fn versioned_operation<'r>(record: &'r LogRecord<'_>) -> Option<&'r NodeOperation> {
    node_operation(record).filter(|operation| operation.page.flags.contains(OperationFlags::VERSIONED))
}

/// Whether the versions of a record can only be made with the node as it was before.
pub(super) fn needs_node_before(record: &LogRecord<'_>) -> bool {
    matches!(
        record,
        LogRecord::FlagInsertAndReplaceData(_)
            | LogRecord::FlagDelete(_)
            | LogRecord::Replace(_)
            | LogRecord::ReplaceDiff(_)
    )
}

/// The versions of a record, in the order in which they are made. `before`: the node before the record, if the page
/// was not newer; without it a version waits for its `UndoInfo`.
pub(super) fn versions_of(record: &LogRecord<'_>, before: Option<NodeBefore>) -> Vec<Version> {
    let Some(operation) = versioned_operation(record) else {
        return Vec::new();
    };
    let make = |rceid, bookmark, change| version(operation, rceid, bookmark, change);
    let known = |key: &[u8], data: &[u8]| Some(bookmark(operation, key, data));
    match record {
        LogRecord::Insert(record) => vec![make(
            operation.rceid,
            known(record.key, record.data),
            Change::Insert,
        )],
        LogRecord::FlagInsert(record) => {
            vec![make(
                operation.rceid,
                known(record.key, record.data),
                Change::Insert,
            )]
        }
        LogRecord::FlagInsertAndReplaceData(record) => {
            let inserted = make(operation.rceid, known(record.key, record.data), Change::Insert);
            let replaced = replaced(operation, record.rceid_replace, before);
            vec![inserted, replaced]
        }
        LogRecord::FlagDelete(_) => {
            let bookmark = before.map(|node| bookmark(operation, &node.key, &node.data));
            vec![make(operation.rceid, bookmark, Change::FlagDelete)]
        }
        LogRecord::ReplaceDiff(record) if record.image.is_empty() => Vec::new(),
        LogRecord::Replace(_) | LogRecord::ReplaceDiff(_) => {
            vec![replaced(operation, operation.rceid, before)]
        }
        LogRecord::Delta(record) => {
            let (offset, delta) = (record.offset, record.delta);
            let change = Change::Delta { offset, delta };
            vec![make(
                operation.rceid,
                known(record.key, record.bookmark_data),
                change,
            )]
        }
        LogRecord::Delta64(record) => {
            let (offset, delta) = (record.offset, record.delta);
            let change = Change::Delta64 { offset, delta };
            vec![make(
                operation.rceid,
                known(record.key, record.bookmark_data),
                change,
            )]
        }
        _ => Vec::new(),
    }
}

fn replaced(operation: &NodeOperation, rceid: u32, before: Option<NodeBefore>) -> Version {
    let key = before
        .as_ref()
        .map(|node| bookmark(operation, &node.key, &node.data));
    let before = before.map(|node| node.data).unwrap_or_default();
    let size_most = before.len();
    version(operation, rceid, key, Change::Replace { before, size_most })
}

fn version(operation: &NodeOperation, rceid: u32, bookmark: Option<Bookmark>, change: Change) -> Version {
    Version {
        rceid,
        level: operation.page.level,
        database: operation.page.database,
        page: operation.page.page,
        page_fdp: operation.page_fdp,
        objid: operation.objid,
        flags: operation.page.flags,
        bookmark,
        change,
        has_undo_info: false,
    }
}

/// The key, and in a tree whose keys are not unique the data.
fn bookmark(operation: &NodeOperation, key: &[u8], data: &[u8]) -> Bookmark {
    let unique = operation.page.flags.contains(OperationFlags::UNIQUE);
    Bookmark {
        key: key.to_vec(),
        data: if unique { Vec::new() } else { data.to_vec() },
    }
}
