//! Long values made, referred to, and given up.

use super::ids::next_lid;
use super::{LongValues, name};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueKey, LongValueRoot};
use std::sync::Arc;

/// Offset of the count of references in a root.
const REFERENCES: u16 = 0;

impl LongValues {
    /// Stores a value, to which one record refers.
    ///
    /// # Errors
    /// `JET_errColumnTooBig`: 2 GiB or more; `JET_errOutOfLongValueIDs`; no page can be had.
    pub(crate) fn store(&self, change: &mut Change<'_>, value: &[u8]) -> JetResult<Lid> {
        let lid = next_lid(change, self.tree)?;
        self.put_root(change, lid, length(value.len())?)?;
        let mut offset = 0;
        for chunk in value.chunks(usize::try_from(self.chunk).unwrap_or(usize::MAX)) {
            tree::insert(change, self.tree, &lid.chunk_key(offset), &self.stored(chunk))?;
            offset += length(chunk.len())?;
        }
        Ok(lid)
    }

    /// Stores a copy of a value, to which one record refers.
    ///
    /// # Errors
    /// As [`store`](Self::store); the value is damaged.
    pub(super) fn copy(&self, change: &mut Change<'_>, lid: Lid, size: u32) -> JetResult<Lid> {
        let copy = next_lid(change, self.tree)?;
        self.put_root(change, copy, size)?;
        let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
        for start in (0..size).step_by(usize::try_from(self.chunk).unwrap_or(usize::MAX)) {
            let chunk = database.look_in(change.state, |state| {
                self.chunk(state, lid, (start, size), &reader)
            })?;
            tree::insert(change, self.tree, &copy.chunk_key(start), &self.stored(&chunk))?;
        }
        Ok(copy)
    }

    fn put_root(&self, change: &mut Change<'_>, lid: Lid, size: u32) -> JetResult<()> {
        let root = LongValueRoot {
            references: 1,
            size,
            encrypted: false,
        };
        tree::insert(change, self.tree, &lid.root_key(), &root.to_bytes())
    }

    /// One more record refers to a value. Others may refer to it at the same time.
    ///
    /// # Errors
    /// There is none (`JET_errRecordNotFound`); another transaction changes it (`JET_errWriteConflict`).
    pub(crate) fn refer(&self, change: &mut Change<'_>, lid: Lid) -> JetResult<()> {
        tree::add(change, self.tree, name(&lid.root_key()), REFERENCES, 1).map(drop)
    }

    /// A record refers to a value no more. The value goes if it was the last; where another transaction gives it up at
    /// the same time, it goes later.
    ///
    /// # Errors
    /// There is none (`JET_errLVCorrupted`); `JET_errWriteConflict`.
    pub(crate) fn release(&self, change: &mut Change<'_>, lid: Lid) -> JetResult<()> {
        let root = self.root(change, lid)?;
        if root.references > 1 {
            return tree::add(change, self.tree, name(&lid.root_key()), REFERENCES, -1).map(drop);
        }
        delete_value(change, self.tree, lid)
    }
}

/// Deletes a value that was given up by several transactions at a time, or by one that was rolled back after others had:
/// its root, of this key, counts no references.
///
/// # Errors
/// Somebody changes it now (`JET_errWriteConflict`); the tree is damaged; the log cannot be appended to.
pub(crate) fn remove_unreferenced(change: &mut Change<'_>, tree: TreeId, key: &[u8]) -> JetResult<()> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let root = database.look_in(change.state, |state| {
        let found = tree::find(state, tree, From::At(name(key)), &reader)?;
        Ok(found.map(|found| LongValueRoot::read(&found.data)).transpose()?)
    })?;
    let LongValueKey::Root(lid) = LongValueKey::read(key)? else {
        return Ok(());
    };
    if root.is_none_or(|root| root.references != 0) {
        return Ok(());
    }
    delete_value(change, tree, lid)
}

/// Deletes a value with its chunks: the root first, so that a conflict leaves it whole.
fn delete_value(change: &mut Change<'_>, tree: TreeId, lid: Lid) -> JetResult<()> {
    let mut key = lid.root_key();
    while !key.is_empty() {
        tree::delete(change, tree, name(&key))?;
        key = next_chunk(change, tree, lid, &key)?;
    }
    Ok(())
}

/// The key of the next chunk of a value; empty if there is none.
fn next_chunk(change: &mut Change<'_>, tree: TreeId, lid: Lid, key: &[u8]) -> JetResult<Vec<u8>> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    database.look_in(change.state, |state| {
        let Some(found) = tree::find(state, tree, From::After(name(key)), &reader)? else {
            return Ok(Vec::new());
        };
        let key = found.node.key().into_owned();
        Ok(match LongValueKey::read(&key)? {
            LongValueKey::Chunk(of, _) if of == lid => key,
            LongValueKey::Chunk(..) | LongValueKey::Root(_) => Vec::new(),
        })
    })
}

/// A length in a value.
///
/// # Errors
/// `JET_errColumnTooBig`: 2 GiB or more.
pub(super) fn length(len: usize) -> JetResult<u32> {
    i32::try_from(len).map(i32::cast_unsigned).map_err(|_| {
        let what = "a long value has 2 GiB or more";
        JetError::rule(JetErr::ColumnTooBig, what)
    })
}
