//! Numbers that the engine gives: auto-increment values, keys of tables without primary index, objids. None of them is
//! stored: after a start they go on behind the highest that stands on a page, whoever put it there. So does the genuine
//! engine in databases of this format (later ones store the highest auto-increment value, database-file.md section 2.6):
//! when the record with the highest number was deleted and removed, its number is given again after a restart, and never
//! before.

use super::live_table::{LiveIndex, LiveTable};
use super::rows::{CATALOG, all_objids};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::tree::{self, NodeOnPage};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, ColumnId, PageSize, Record, SegmentFlags};

/// Highest objid of a database.
const OBJID_MOST: u32 = 0xffff_ff00;

/// The next value of a table's auto-increment column. It is not given again if the transaction is rolled back.
///
/// # Errors
/// `JET_errColumnNotFound`: the table has no such column; `JET_errOutOfAutoincrementValues`; a page is damaged.
pub(crate) fn next_auto_increment(change: &mut Change<'_>, table: &LiveTable) -> JetResult<i64> {
    let column = table
        .layout
        .column_with(ColumnFlags::AUTO_INCREMENT)
        .ok_or_else(|| {
            let what = format!("table {} has no auto-increment column", table.schema.name);
            JetError::rule(JetErr::ColumnNotFound, what)
        })?;
    let mut counters = change.state.catalog.counters(table.schema.objid);
    let last = match counters.auto_increment {
        Some(last) => last,
        None => {
            let (database, size) = (change.database, change.database.page_size);
            database.look_in(change.state, |state| {
                highest(state, size, table, column.id).map(|found| found.unwrap_or(0).max(0))
            })?
        }
    };
    let most = match column.size {
        4 => i64::from(i32::MAX),
        _ => i64::MAX,
    };
    if last >= most {
        let what = format!("column {} has reached its last value", column.name);
        return Err(JetError::rule(JetErr::OutOfAutoincrementValues, what));
    }
    counters.auto_increment = Some(last + 1);
    change.state.catalog.set_counters(table.schema.objid, counters);
    Ok(last + 1)
}

/// The key of the next record of a table without primary index: a number of four bytes.
///
/// # Errors
/// `JET_errOutOfAutoincrementValues`; a page is damaged.
pub(crate) fn next_sequential_key(change: &mut Change<'_>, table: &LiveTable) -> JetResult<[u8; 4]> {
    let mut counters = change.state.catalog.counters(table.schema.objid);
    let last = match counters.sequential {
        Some(last) => last,
        None => change.database.look_in(change.state, |state| {
            let key = last_key(state, table.tree, false)?;
            let number = key.as_deref().and_then(|key| key.first_chunk::<4>());
            Ok(number.map_or(0, |bytes| u32::from_be_bytes(*bytes)))
        })?,
    };
    let next = last.checked_add(1).ok_or_else(|| {
        let what = format!("table {} has no keys left", table.schema.name);
        JetError::rule(JetErr::OutOfAutoincrementValues, what)
    })?;
    counters.sequential = Some(next);
    change.state.catalog.set_counters(table.schema.objid, counters);
    Ok(next.to_be_bytes())
}

/// The last objid that was given to a tree, as far as the catalog knows: the header's `objidLast` may be older after a
/// crash. Rows that are deleted count, so that an objid of which pages may be left is not given again.
///
/// # Errors
/// A page is missing; the catalog is damaged.
pub(crate) fn last_objid(state: &DatabaseState, size: PageSize) -> Look<u32> {
    let mut highest = CATALOG.objid;
    for objid in all_objids(state, size)? {
        if objid <= OBJID_MOST {
            highest = highest.max(objid);
        }
    }
    Ok(highest)
}

/// The highest value of a column of numbers that stands on any page of the table.
fn highest(state: &DatabaseState, size: PageSize, table: &LiveTable, column: ColumnId) -> Look<Option<i64>> {
    let mut indexes = table.primary.iter().chain(&table.secondary);
    if let Some((index, is_descending)) = indexes.find_map(|index| ordered_by(index, column)) {
        let key = last_key(state, index.tree, is_descending)?;
        let len = table.layout.column(column)?.size;
        return Ok(key.and_then(|key| number_in_key(&key, len, is_descending)));
    }
    let mut highest = None;
    let mut place = tree::first(state, table.tree)?;
    while let Some(at) = place {
        let node = tree::node(state, table.tree, at)?;
        highest = highest.max(number_in_record(&node, size, table, column)?);
        place = tree::next(state, table.tree, at)?;
    }
    Ok(highest)
}

/// Whether an index is in the order of a column, and of every record; and whether the largest value comes first.
fn ordered_by(index: &LiveIndex, column: ColumnId) -> Option<(&LiveIndex, bool)> {
    let first = index.entry.segments.first()?;
    let is_whole = index.entry.conditions.is_empty() && index.entry.key_most >= 9;
    let is_descending = first.flags.contains(SegmentFlags::DESCENDING);
    (first.column == column && is_whole).then_some((index, is_descending))
}

/// The last key of a tree, or the first; deleted or not.
fn last_key(state: &DatabaseState, tree: TreeId, first: bool) -> Look<Option<Vec<u8>>> {
    let place = if first {
        tree::first(state, tree)?
    } else {
        tree::last(state, tree)?
    };
    match place {
        Some(at) => Ok(Some(tree::node(state, tree, at)?.key().into_owned())),
        None => Ok(None),
    }
}

/// The number of `len` bytes in the first segment of a key (database-file.md section 9); `None` for NULL.
fn number_in_key(key: &[u8], len: usize, is_descending: bool) -> Option<i64> {
    let flip = if is_descending { 0xff } else { 0 };
    let bytes: Vec<u8> = key.iter().map(|byte| byte ^ flip).collect();
    let (prefix, rest) = bytes.split_first()?;
    if *prefix != 0x7f {
        return None;
    }
    if len == 4 {
        let four = rest.first_chunk::<4>()?;
        return Some(i64::from(u32::from_be_bytes(*four).cast_signed() ^ i32::MIN));
    }
    let eight = rest.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*eight).cast_signed() ^ i64::MIN)
}

fn number_in_record(
    node: &NodeOnPage<'_>,
    size: PageSize,
    table: &LiveTable,
    column: ColumnId,
) -> Look<Option<i64>> {
    let record = Record::read(size, node.data)?;
    let instances = table.layout.column(column)?.instances(&record)?;
    let value = instances.first().map(|instance| instance.data);
    Ok(value.and_then(|value| match value {
        [a, b, c, d] => Some(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
        _ => value.first_chunk::<8>().map(|bytes| i64::from_le_bytes(*bytes)),
    }))
}
