//! The entries of a record in the indexes of its table, and its key in the table itself.

use super::record::no_tree;
use crate::engine::bookmark::TreeId;
use crate::engine::catalog::{self, LiveIndex, LiveTable};
use crate::engine::change::Change;
use crate::engine::long_values::LongValues;
use crate::engine::record::long_values_of;
use crate::engine::tree;
use crate::error::JetResult;
use crate::format::{ColumnId, Lid, Record};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a long value that a key can need.
pub(super) const KEY_NEEDS: usize = 2048;

/// The beginnings of a record's long values, for its keys.
#[derive(Debug, Default)]
pub(super) struct LongValueStarts(HashMap<Lid, Vec<u8>>);

impl LongValueStarts {
    /// Reads those of a record; none if no index needs them.
    pub(super) fn read(change: &mut Change<'_>, table: &LiveTable, record: &[u8]) -> JetResult<Self> {
        let size = change.database.page_size;
        let needs = |index: &LiveIndex| index.keys().is_ok_and(|keys| keys.reads_long_values());
        if !table.primary.iter().chain(&table.secondary).any(needs) {
            return Ok(Self::default());
        }
        let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
        let mut starts = HashMap::new();
        for lid in long_values_of(size, record)? {
            let values = long_values(change, table)?;
            let start = database.look_in(change.state, |state| {
                values.read(state, lid, (0, KEY_NEEDS), &reader)
            })?;
            starts.insert(lid, start);
        }
        Ok(LongValueStarts(starts))
    }

    fn get(&self, lid: Lid) -> JetResult<Vec<u8>> {
        self.0.get(&lid).cloned().ok_or_else(no_tree)
    }
}

/// The long values of a table, whose tree is made if there is none.
///
/// # Errors
/// No page can be had.
pub(super) fn long_values(change: &mut Change<'_>, table: &LiveTable) -> JetResult<LongValues> {
    let tree = catalog::long_value_tree(change, table)?;
    Ok(LongValues::new(
        change.database.page_size,
        tree,
        table.schema.table.long_value_chunk,
    ))
}

/// The key of a record in its table.
///
/// # Errors
/// A segment is NULL that may not be, or what the index says.
pub(super) fn primary_key(
    change: &mut Change<'_>,
    table: &LiveTable,
    record: &[u8],
    starts: &LongValueStarts,
) -> JetResult<Vec<u8>> {
    let Some(primary) = &table.primary else {
        return catalog::next_sequential_key(change, table).map(|key| key.to_vec());
    };
    let record = Record::read(change.database.page_size, record)?;
    primary
        .keys()?
        .primary_key(&record, Some(&|lid, _| starts.get(lid)))
}

/// Makes the entries of a new record.
///
/// # Errors
/// `JET_errKeyDuplicate`: a unique index has such a key.
pub(super) fn insert(
    change: &mut Change<'_>,
    table: &LiveTable,
    record: &[u8],
    starts: &LongValueStarts,
    primary: &[u8],
) -> JetResult<()> {
    for index in &table.secondary {
        for key in keys(change, index, record, starts)? {
            tree::insert(change, index.tree, &key, primary)?;
        }
    }
    Ok(())
}

/// Deletes the entries of a record.
///
/// # Errors
/// An entry is missing (`JET_errRecordNotFound`); `JET_errWriteConflict`.
pub(super) fn delete(
    change: &mut Change<'_>,
    table: &LiveTable,
    record: &[u8],
    starts: &LongValueStarts,
    primary: &[u8],
) -> JetResult<()> {
    for index in &table.secondary {
        for key in keys(change, index, record, starts)? {
            delete_entry(change, index.tree, &key, primary)?;
        }
    }
    Ok(())
}

/// A record before and after it was replaced.
pub(super) struct Replaced<'r> {
    pub(super) old: (&'r [u8], &'r LongValueStarts),
    pub(super) new: (&'r [u8], &'r LongValueStarts),
}

/// Makes and deletes the entries in which a record differs from what it was.
///
/// # Errors
/// Those of [`insert`] and [`delete`].
pub(super) fn replace(
    change: &mut Change<'_>,
    table: &LiveTable,
    replaced: &Replaced<'_>,
    changed: &[ColumnId],
    primary: &[u8],
) -> JetResult<()> {
    for index in &table.secondary {
        let rules = index.keys()?;
        if !changed.iter().any(|column| rules.depends_on(*column)) {
            continue;
        }
        let old = keys(change, index, replaced.old.0, replaced.old.1)?;
        let new = keys(change, index, replaced.new.0, replaced.new.1)?;
        for key in old.iter().filter(|key| !new.contains(key)) {
            delete_entry(change, index.tree, key, primary)?;
        }
        for key in new.iter().filter(|key| !old.contains(key)) {
            tree::insert(change, index.tree, key, primary)?;
        }
    }
    Ok(())
}

fn delete_entry(change: &mut Change<'_>, tree: TreeId, key: &[u8], primary: &[u8]) -> JetResult<()> {
    tree::delete(change, tree, tree.bookmark(key, primary))
}

fn keys(
    change: &Change<'_>,
    index: &LiveIndex,
    record: &[u8],
    starts: &LongValueStarts,
) -> JetResult<Vec<Vec<u8>>> {
    let record = Record::read(change.database.page_size, record)?;
    index.keys()?.keys(&record, Some(&|lid, _| starts.get(lid)))
}
