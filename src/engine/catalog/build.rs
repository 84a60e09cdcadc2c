//! The entries of an index made from the records of its table (database-file.md section 9).

use super::live_table::{LiveIndex, LiveTable};
use super::rows::key;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::state::{DatabaseState, Interrupted, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueRoot, PageSize, Record, default_chunk_size};
use crate::store::plain_chunk;
use std::cell::Cell;
use std::sync::Arc;

/// Key and bookmark of an entry.
pub(super) type IndexNode = (Vec<u8>, Vec<u8>);

/// Bookmark of a record, and its keys.
type KeysOfRecord = (Vec<u8>, Vec<Vec<u8>>);

/// The entries of all records that the transaction sees, in order. They are in memory all at once.
///
/// # Errors
/// `JET_errKeyDuplicate`, and what the index refuses; a record is damaged.
pub(super) fn entries(
    change: &mut Change<'_>,
    table: &LiveTable,
    index: &LiveIndex,
) -> JetResult<Vec<IndexNode>> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let mut nodes = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    loop {
        let found = database.look_in(change.state, |state| {
            let from = last.as_deref().map_or(From::First, |last| From::After(key(last)));
            let source = Source {
                state,
                size: database.page_size,
                table,
                reader: &reader,
            };
            source.keys(index, from)
        })?;
        let Some((bookmark, keys)) = found else {
            break;
        };
        nodes.extend(keys.into_iter().map(|key| (key, bookmark.clone())));
        last = Some(bookmark);
    }
    nodes.sort_unstable();
    if index.is_unique()
        && nodes
            .windows(2)
            .any(|pair| matches!(pair, [(one, _), (two, _)] if one == two))
    {
        let what = format!("two records have the same key in index {}", index.name);
        return Err(JetError::rule(JetErr::KeyDuplicate, what));
    }
    Ok(nodes)
}

/// Fills the tree of an index, which nobody else sees: without versions, for if it is rolled back it goes as a whole.
///
/// # Errors
/// No page can be had; the log cannot be appended to.
pub(super) fn fill(change: &mut Change<'_>, index: TreeId, nodes: &[IndexNode]) -> JetResult<()> {
    for (key, bookmark) in nodes {
        tree::insert_unversioned(change, index, key, bookmark)?;
    }
    Ok(())
}

/// Where the records are.
struct Source<'s> {
    state: &'s DatabaseState,
    size: PageSize,
    table: &'s LiveTable,
    reader: &'s TransactionState,
}

impl Source<'_> {
    fn keys(&self, index: &LiveIndex, from: From<'_>) -> Look<Option<KeysOfRecord>> {
        let Some(found) = tree::find(self.state, self.table.tree, from, self.reader)? else {
            return Ok(None);
        };
        let record = Record::read(self.size, &found.data)?;
        // A page that is missing must come out of a function whose errors are others.
        let missing = Cell::new(None);
        let read = |lid, most| {
            self.long_value(lid, most)
                .map_err(|interrupted| match interrupted {
                    Interrupted::Failed(error) => error,
                    Interrupted::Missing(pgno) => {
                        missing.set(Some(pgno));
                        JetError::rule(JetErr::InternalError, "is not in memory")
                    }
                })
        };
        let keys = index.keys()?.keys(&record, Some(&read));
        match (keys, missing.get()) {
            (_, Some(pgno)) => Err(Interrupted::Missing(pgno)),
            (Ok(keys), None) => Ok(Some((found.node.key().into_owned(), keys))),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// The first bytes of a long value, at least `most` where it has so many.
    fn long_value(&self, lid: Lid, most: usize) -> Look<Vec<u8>> {
        let tree = self.table.long_values.ok_or_else(|| lost(lid))?;
        let root = self.node(tree, &lid.root_key(), lid)?;
        let size = LongValueRoot::read(&root)?.size;
        let chunk = self.table.schema.table.long_value_chunk;
        let chunk = chunk.unwrap_or_else(|| default_chunk_size(self.size)).max(1);
        let mut value = Vec::new();
        let mut offset = 0;
        while offset < size && value.len() < most {
            let expected = chunk.min(size - offset);
            let stored = self.node(tree, &lid.chunk_key(offset), lid)?;
            value.extend(plain_chunk(&stored, expected)?);
            offset += expected;
        }
        Ok(value)
    }

    fn node(&self, tree: TreeId, name: &[u8], lid: Lid) -> Look<Vec<u8>> {
        let found = tree::find(self.state, tree, From::At(key(name)), self.reader)?;
        Ok(found.ok_or_else(|| lost(lid))?.data.into_owned())
    }
}

fn lost(lid: Lid) -> JetError {
    JetError::rule(JetErr::LVCorrupted, format!("{lid:?} has lost a node"))
}
