//! Long values in their tree: made, read in pieces, given up (database-file.md section 8).
//!
//! ```text
//! LID                       root: how many records refer to it, how long it is
//! LID, offset 0             chunk
//! LID, offset one chunk     chunk …
//! ```
//!
//! Chunks are written plain. A value that nobody refers to any more goes with all its nodes, in the transaction of
//! whoever gave it up.

use super::bookmark::{BookmarkRef, TreeId};
use super::change::Change;
use super::state::{DatabaseState, Look};
use super::transactions::TransactionState;
use super::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueKey, LongValueRoot, PageSize};
use crate::store::{LID_MOST, chunk_len, plain_chunk};
use std::sync::Arc;

/// Offset of the count of references in a root.
const REFERENCES: u16 = 0;

/// Stores a value, to which one record refers.
///
/// # Errors
/// `JET_errColumnTooBig`: 2 GiB or more; `JET_errOutOfLongValueIDs`; no page can be had.
pub(crate) fn store(change: &mut Change<'_>, tree: TreeId, value: &[u8]) -> JetResult<Lid> {
    let Ok(size) = i32::try_from(value.len()).map(i32::cast_unsigned) else {
        let what = "a long value has 2 GiB or more";
        return Err(JetError::rule(JetErr::ColumnTooBig, what));
    };
    let lid = next_lid(change, tree)?;
    let root = [1_u32.to_le_bytes(), size.to_le_bytes()].concat();
    tree::insert(change, tree, &lid.root_key(), &root)?;
    let mut offset = 0;
    for chunk in value.chunks(chunk_len(change.database.page_size)) {
        tree::insert(change, tree, &lid.chunk_key(offset), chunk)?;
        offset += u32::try_from(chunk.len()).unwrap_or(0);
    }
    Ok(lid)
}

/// How long a value is.
///
/// # Errors
/// There is none (`JET_errLVCorrupted`); a page is missing.
pub(crate) fn size(state: &DatabaseState, tree: TreeId, lid: Lid, reader: &TransactionState) -> Look<u32> {
    root(state, tree, lid, reader).map(|root| root.size)
}

/// Reads bytes of a value from `offset` on; less than `len` only at its end.
///
/// # Errors
/// There is none, or not all of it (`JET_errLVCorrupted`); a page is missing.
pub(crate) fn read(
    state: &DatabaseState,
    size: PageSize,
    tree: TreeId,
    lid: Lid,
    (offset, len): (u32, usize),
    reader: &TransactionState,
) -> Look<Vec<u8>> {
    let total = root(state, tree, lid, reader)?.size;
    let wanted = usize::try_from(total.saturating_sub(offset))
        .unwrap_or(0)
        .min(len);
    let chunk_len = u32::try_from(chunk_len(size)).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(wanted.min(1 << 20));
    let mut at = offset;
    while bytes.len() < wanted {
        let start = at - at % chunk_len;
        let key = lid.chunk_key(start);
        let found = tree::find(state, tree, From::At(name(&key)), reader)?;
        let chunk = found.ok_or_else(|| damaged(lid, "has a chunk less than it should have"))?;
        let plain = plain_chunk(&chunk.data, chunk_len.min(total - start))?;
        let rest = plain.get(usize::try_from(at - start).unwrap_or(usize::MAX)..);
        let rest = rest.unwrap_or_default();
        let taken = rest
            .get(..rest.len().min(wanted - bytes.len()))
            .unwrap_or_default();
        if taken.is_empty() {
            return Err(damaged(lid, "has an empty chunk").into());
        }
        bytes.extend_from_slice(taken);
        at += u32::try_from(taken.len()).unwrap_or(0);
    }
    Ok(bytes)
}

/// A record refers to a value no more. The value goes if it was the last.
///
/// # Errors
/// There is none (`JET_errLVCorrupted`); `JET_errWriteConflict`.
pub(crate) fn release(change: &mut Change<'_>, tree: TreeId, lid: Lid) -> JetResult<()> {
    let reader = Arc::clone(change.transaction.state());
    let database = change.database;
    let root = database.look_in(change.state, |state| root(state, tree, lid, &reader))?;
    let key = lid.root_key();
    if root.references > 1 {
        return tree::add(change, tree, name(&key), REFERENCES, -1).map(drop);
    }
    tree::delete(change, tree, name(&key))?;
    let chunk_len = chunk_len(database.page_size);
    for offset in (0..root.size).step_by(chunk_len) {
        tree::delete(change, tree, name(&lid.chunk_key(offset)))?;
    }
    Ok(())
}

/// One more record refers to a value.
///
/// # Errors
/// There is none (`JET_errRecordNotFound`); `JET_errWriteConflict`.
pub(crate) fn refer(change: &mut Change<'_>, tree: TreeId, lid: Lid) -> JetResult<()> {
    tree::add(change, tree, name(&lid.root_key()), REFERENCES, 1).map(drop)
}

/// The LID after the last one in the tree, those of deleted values and of other transactions included.
fn next_lid(change: &mut Change<'_>, tree: TreeId) -> JetResult<Lid> {
    let database = change.database;
    let last = database.look_in(change.state, |state| {
        let Some(place) = tree::last(state, tree)? else {
            return Ok(None);
        };
        let key = tree::node(state, tree, place)?.key();
        Ok(Some(LongValueKey::read(&key)?))
    })?;
    let last = match last {
        None => 0,
        Some(LongValueKey::Root(Lid::Lid32(lid)) | LongValueKey::Chunk(Lid::Lid32(lid), _)) => lid,
        Some(_) => LID_MOST,
    };
    if last >= LID_MOST {
        let what = "no long value ids are left";
        return Err(JetError::rule(JetErr::OutOfLongValueIDs, what));
    }
    Ok(Lid::Lid32(last + 1))
}

fn root(state: &DatabaseState, tree: TreeId, lid: Lid, reader: &TransactionState) -> Look<LongValueRoot> {
    let key = lid.root_key();
    match tree::find(state, tree, From::At(name(&key)), reader)? {
        Some(found) => Ok(LongValueRoot::read(&found.data)?),
        None => Err(damaged(lid, "does not exist").into()),
    }
}

/// The tree is unique.
fn name(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

fn damaged(lid: Lid, what: &str) -> JetError {
    JetError::rule(JetErr::LVCorrupted, format!("long value {lid:?} {what}"))
}
