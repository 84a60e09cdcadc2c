//! How large keys and nodes may be (database-file.md sections 4 and 12.4).

use crate::engine::bookmark::TreeId;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{NodeFlags, NodeParts, PageSize, TAG_LEN};

/// Bytes of the external header of a root.
const ROOT_HEADER_LEN: usize = 16;

/// The longest key.
pub(super) fn longest_key(size: PageSize) -> usize {
    match size {
        PageSize::Kib2 => 500,
        PageSize::Kib4 => 1000,
        _ => 2000,
    }
}

/// What the nodes and the prefix key of a page that is no root may take, tags included.
pub(super) fn capacity(size: PageSize) -> usize {
    size.bytes() - size.header_len() - TAG_LEN
}

/// What a node takes if its key is not compressed.
pub(super) fn whole_cost(key_len: usize, data_len: usize) -> usize {
    let empty = NodeParts {
        flags: NodeFlags::empty(),
        prefix_len: 0,
        suffix: &[],
        data: &[],
    };
    empty.cost() + key_len + data_len
}

/// Checks a node that is to be stored: it must find room alone on any page.
///
/// # Errors
/// `JET_errKeyTooBig`, `JET_errRecordTooBig`; `JET_errInvalidParameter` for a node without key or data.
pub(super) fn check_node(size: PageSize, tree: TreeId, key: &[u8], data: &[u8]) -> JetResult<()> {
    let longest = longest_key(size);
    if key.len() > longest || !tree.is_unique && data.len() > longest {
        let what = format!("a key has at most {longest} bytes at this page size");
        return Err(JetError::rule(JetErr::KeyTooBig, what));
    }
    if key.is_empty() || data.is_empty() {
        return Err(JetError::rule(
            JetErr::InvalidParameter,
            "a node has a key and data",
        ));
    }
    check_len(size, key.len(), data.len())
}

/// Checks that data of this length find room.
///
/// # Errors
/// `JET_errRecordTooBig`.
pub(super) fn check_len(size: PageSize, key_len: usize, data_len: usize) -> JetResult<()> {
    if whole_cost(key_len, data_len) > capacity(size) - ROOT_HEADER_LEN {
        let what = format!("a record of {data_len} bytes is longer than a page");
        return Err(JetError::rule(JetErr::RecordTooBig, what));
    }
    Ok(())
}
