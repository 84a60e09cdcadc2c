//! The records that change one node of one page, or its external header (log-and-recovery.md section 4.4).
//!
//! Whether the page needs the record was decided before ([`RedoPages::decide`](crate::recovery::RedoPages::decide)).
//! What a record says about the page is checked: the line, the key, the delete flag, the lengths.

use crate::format::log_record::{
    Delta, Delta64, FlagInsert, FlagInsertAndReplaceData, Insert, LogRecord, NodeOperation, OperationFlags,
    Replace, SetExternalHeader,
};
use crate::format::{
    FormatError, Node, NodeFlags, NodeParts, PageBuffer, PageFlags, Problem, Structure, apply_diff,
};
use std::cmp::Ordering;

/// Applies a record that changes a node, or the external header, to its page, which gets the record's dbtime.
///
/// # Errors
/// `JET_errLogCorrupted`: the line, key, flags or lengths of the record are not those of the page;
/// `JET_errLogOperationInconsistentWithDatabase`: the page belongs to another tree, or its nodes need more of the prefix
/// key than the new external header has; `JET_errDatabaseCorrupted`: there is no room. After an error the page is of no
/// more use.
pub fn apply_node(page: &mut PageBuffer, record: &LogRecord<'_>) -> Result<(), FormatError> {
    let operation = operation_of(record)?;
    check_tree(page, operation)?;
    match record {
        LogRecord::Insert(record) => insert(page, record),
        LogRecord::FlagInsert(record) => flag_insert(page, record),
        LogRecord::FlagInsertAndReplaceData(record) => flag_insert_and_replace(page, record),
        LogRecord::FlagDelete(record) => {
            let flags = NodeFlags::DELETED | version_flag(&record.node);
            change_flags(page, line(&record.node), NodeFlags::empty(), flags)
        }
        LogRecord::Delete(record) => {
            existing(page, line(&record.node)).and_then(|line| page.delete_node(line))
        }
        LogRecord::Replace(record) => replace(page, record, record.image),
        LogRecord::ReplaceDiff(record) => {
            let old = node(page, line(&record.node))?.data;
            let new = apply_diff(old, record.image, record.is_wide(), record.new_len)?;
            replace(page, record, &new)
        }
        LogRecord::Delta(record) => delta(page, record),
        LogRecord::Delta64(record) => delta64(page, record),
        LogRecord::SetExternalHeader(record) => set_external_header(page, record),
        _ => Err(not_of_a_node()),
    }?;
    page.dirty(operation.page.dbtime);
    Ok(())
}

fn operation_of<'r>(record: &'r LogRecord<'_>) -> Result<&'r NodeOperation, FormatError> {
    Ok(match record {
        LogRecord::Insert(record) => &record.node,
        LogRecord::FlagInsert(record) => &record.node,
        LogRecord::FlagInsertAndReplaceData(record) => &record.node,
        LogRecord::FlagDelete(record) | LogRecord::Delete(record) => &record.node,
        LogRecord::Replace(record) | LogRecord::ReplaceDiff(record) => &record.node,
        LogRecord::Delta(record) => &record.node,
        LogRecord::Delta64(record) => &record.node,
        LogRecord::SetExternalHeader(record) => &record.node,
        _ => return Err(not_of_a_node()),
    })
}

fn not_of_a_node() -> FormatError {
    FormatError::misfit("the record changes no node")
}

/// Checks that a line's node has this key, as the records that name one say.
///
/// # Errors
/// `JET_errLogCorrupted`: there is no such line, or its key is another.
pub fn check_key(page: &PageBuffer, line: usize, key: &[u8]) -> Result<(), FormatError> {
    if node(page, line)?.compare_key(key) == Ordering::Equal {
        return Ok(());
    }
    Err(FormatError::misfit(format!(
        "line {line} has another key than the log"
    )))
}

fn check_tree(page: &PageBuffer, operation: &NodeOperation) -> Result<(), FormatError> {
    if page.objid() != operation.objid {
        let what = format!(
            "belongs to the tree with objid {}, where the log has {}",
            page.objid(),
            operation.objid
        );
        return Err(inconsistent(what));
    }
    if page.flags().contains(PageFlags::PRE_INIT) {
        return Err(inconsistent("was never filled, where the log has a node"));
    }
    Ok(())
}

fn inconsistent(what: impl Into<std::borrow::Cow<'static, str>>) -> FormatError {
    FormatError::new(Structure::Page, 0, Problem::Misfit(what.into()))
}

fn insert(page: &mut PageBuffer, record: &Insert<'_>) -> Result<(), FormatError> {
    let line = line(&record.node);
    if line > page.node_count() {
        return Err(no_line(page, line));
    }
    let (prefix, suffix) = record
        .key
        .split_at_checked(record.prefix_len.into())
        .ok_or_else(|| FormatError::misfit("an insertion's prefix is longer than its key"))?;
    if !page.view()?.prefix_key()?.starts_with(prefix) {
        return Err(inconsistent("has another prefix key than the log"));
    }
    let node = NodeParts {
        flags: version_flag(&record.node),
        prefix_len: prefix.len(),
        suffix,
        data: record.data,
    };
    if node.cost() > page.room() {
        release_freed(page);
    }
    page.insert_node(line, node)
}

fn flag_insert(page: &mut PageBuffer, record: &FlagInsert<'_>) -> Result<(), FormatError> {
    let line = line(&record.node);
    check_key(page, line, record.key)?;
    check_deleted(page, line)?;
    change_flags(page, line, NodeFlags::DELETED, version_flag(&record.node))
}

fn flag_insert_and_replace(
    page: &mut PageBuffer,
    record: &FlagInsertAndReplaceData<'_>,
) -> Result<(), FormatError> {
    let line = line(&record.node);
    check_key(page, line, record.key)?;
    check_deleted(page, line)?;
    replace_data(page, line, record.data)?;
    change_flags(page, line, NodeFlags::DELETED, version_flag(&record.node))
}

fn replace(page: &mut PageBuffer, record: &Replace<'_>, new: &[u8]) -> Result<(), FormatError> {
    let line = line(&record.node);
    let old_len = node(page, line)?.data.len();
    if old_len != usize::from(record.old_len) || new.len() != usize::from(record.new_len) {
        let what = format!(
            "a replacement of {} bytes by {}, where there are {old_len} and {}",
            record.old_len,
            record.new_len,
            new.len()
        );
        return Err(FormatError::misfit(what));
    }
    replace_data(page, line, new)?;
    change_flags(page, line, NodeFlags::empty(), version_flag(&record.node))
}

fn delta(page: &mut PageBuffer, record: &Delta<'_>) -> Result<(), FormatError> {
    let line = line(&record.node);
    check_key(page, line, record.key)?;
    add(page, line, record.offset, record.delta)?;
    change_flags(page, line, NodeFlags::empty(), version_flag(&record.node))
}

fn delta64(page: &mut PageBuffer, record: &Delta64<'_>) -> Result<(), FormatError> {
    let line = line(&record.node);
    check_key(page, line, record.key)?;
    add64(page, line, record.offset, record.delta)?;
    change_flags(page, line, NodeFlags::empty(), version_flag(&record.node))
}

fn set_external_header(page: &mut PageBuffer, record: &SetExternalHeader<'_>) -> Result<(), FormatError> {
    let is_root = page.header()?.flags.contains(PageFlags::ROOT);
    if !is_root && page.longest_prefix()? > record.data.len() {
        return Err(inconsistent(
            "has nodes that need more of the prefix key than the log has",
        ));
    }
    page.set_external_header(record.data)
}

/// Replaces data that the caller has compared with the record's.
pub(super) fn replace_data(page: &mut PageBuffer, line: usize, new: &[u8]) -> Result<(), FormatError> {
    if new.len() > node(page, line)?.data.len() {
        release_freed(page);
    }
    page.replace_data(line, new)
}

/// Gives back what is held for rollbacks. The engine does so too: in recovery only the log says what finds room.
fn release_freed(page: &mut PageBuffer) {
    page.set_uncommitted_free(0);
}

/// Adds to the integer at `offset` of a line's data.
pub(super) fn add(page: &mut PageBuffer, line: usize, offset: u16, delta: i32) -> Result<(), FormatError> {
    change_number(page, line, offset, |bytes: [u8; 4]| {
        i32::from_le_bytes(bytes).wrapping_add(delta).to_le_bytes()
    })
}

/// The same with eight bytes.
pub(super) fn add64(page: &mut PageBuffer, line: usize, offset: u16, delta: i64) -> Result<(), FormatError> {
    change_number(page, line, offset, |bytes: [u8; 8]| {
        i64::from_le_bytes(bytes).wrapping_add(delta).to_le_bytes()
    })
}

fn change_number<const N: usize>(
    page: &mut PageBuffer,
    line: usize,
    offset: u16,
    change: impl FnOnce([u8; N]) -> [u8; N],
) -> Result<(), FormatError> {
    let line = existing(page, line)?;
    let data = page.node_data_mut(line)?;
    let number = data
        .get_mut(usize::from(offset)..)
        .and_then(|rest| rest.first_chunk_mut::<N>())
        .ok_or_else(|| FormatError::misfit(format!("line {line} has no number at {offset} of its data")))?;
    *number = change(*number);
    Ok(())
}

/// Takes flags from a line's node and gives it others.
pub(super) fn change_flags(
    page: &mut PageBuffer,
    line: usize,
    less: NodeFlags,
    more: NodeFlags,
) -> Result<(), FormatError> {
    let line = existing(page, line)?;
    let flags = page.node_flags(line)?;
    page.set_node_flags(line, (flags - less) | more)
}

fn check_deleted(page: &PageBuffer, line: usize) -> Result<(), FormatError> {
    if page.node_flags(line)?.contains(NodeFlags::DELETED) {
        return Ok(());
    }
    let what = format!("line {line} is not deleted, where the log brings it back");
    Err(FormatError::misfit(what))
}

fn version_flag(operation: &NodeOperation) -> NodeFlags {
    if operation.page.flags.contains(OperationFlags::VERSIONED) {
        NodeFlags::VERSIONED
    } else {
        NodeFlags::empty()
    }
}

fn line(operation: &NodeOperation) -> usize {
    operation.page.line.into()
}

fn node(page: &PageBuffer, line: usize) -> Result<Node<'_>, FormatError> {
    page.view()?.node(existing(page, line)?)
}

fn existing(page: &PageBuffer, line: usize) -> Result<usize, FormatError> {
    if line < page.node_count() {
        return Ok(line);
    }
    Err(no_line(page, line))
}

fn no_line(page: &PageBuffer, line: usize) -> FormatError {
    let count = page.node_count();
    FormatError::misfit(format!("the page has {count} nodes, and so no line {line}"))
}
