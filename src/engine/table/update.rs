//! Records inserted, replaced and deleted (`JetPrepareUpdate`, `JetSetColumn`, `JetUpdate`, `JetDelete`,
//! `JetEscrowUpdate`).
//!
//! One update is all or nothing: it is done in a level of its own, which is taken back when an index refuses it.

use super::Table;
use super::entries::{self, LongValueStarts, Replaced};
use super::record::{deleted, no_tree};
use crate::engine::bookmark::BookmarkRef;
use crate::engine::catalog::{self, LiveTable};
use crate::engine::change::Change;
use crate::engine::long_values;
use crate::engine::record::{
    EscrowColumn, EscrowWidth, Operation, Outcome, RecordUpdate, SetColumn, long_values_of,
};
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, ColumnId, ColumnType, Lid, Value};
use std::sync::Arc;

/// A record that is being made or changed. Dropped, nothing happens.
#[derive(Debug)]
#[must_use = "nothing changes before `save`"]
pub struct Update<'t, 's> {
    table: &'t Table<'s>,
    record: RecordUpdate,
    /// What is replaced; `None` of a new record.
    replaces: Option<Old>,
}

/// A record before it is replaced.
#[derive(Debug)]
struct Old {
    key: Box<[u8]>,
    record: Vec<u8>,
}

impl<'s> Table<'s> {
    /// Begins a new record, whose columns have their defaults.
    ///
    /// # Errors
    /// An index of the table cannot be written here (`JET_errUnicodeNormalizationNotSupported`).
    pub fn insert(&self) -> JetResult<Update<'_, 's>> {
        let table = self.live()?;
        let mut record = RecordUpdate::insert(Arc::clone(&table.layout))?;
        if table.layout.column_with(ColumnFlags::AUTO_INCREMENT).is_some() {
            let next = self.session.in_level(|| {
                self.session.change(&self.database, |change| {
                    catalog::next_auto_increment(change, &table)
                })
            })?;
            record.set_auto_increment(next.cast_unsigned())?;
        }
        Ok(Update {
            table: self,
            record,
            replaces: None,
        })
    }

    /// Begins to change the record that the cursor is on.
    ///
    /// # Errors
    /// The cursor is on none (`JET_errNoCurrentRecord`), or it was deleted (`JET_errRecordDeleted`).
    pub fn replace(&self) -> JetResult<Update<'_, 's>> {
        let table = self.live()?;
        let key = self.spot()?.primary.clone();
        let record = self.record_bytes(&key)?;
        Ok(Update {
            table: self,
            record: RecordUpdate::replace(Arc::clone(&table.layout), &record)?,
            replaces: Some(Old { key, record }),
        })
    }

    /// Deletes the record that the cursor is on, which stays where it was.
    ///
    /// # Errors
    /// As [`replace`](Self::replace); `JET_errWriteConflict`.
    pub fn delete(&self) -> JetResult<()> {
        let table = self.live()?;
        let key = self.spot()?.primary.clone();
        let record = self.record_bytes(&key)?;
        self.change_in_level(|change| {
            check_unchanged(change, &table, &key, &record)?;
            let starts = LongValueStarts::read(change, &table, &record)?;
            entries::delete(change, &table, &record, &starts, &key)?;
            tree::delete(change, table.tree, name(&key))?;
            let lids = long_values_of(change.database.page_size, &record)?;
            lids.into_iter().try_for_each(|lid| release(change, &table, lid))
        })
    }

    /// Adds to an escrow column of the record that the cursor is on, to which others may add at the same time. Returns
    /// what it was, with what they added.
    ///
    /// # Errors
    /// It is no escrow column; another transaction replaced or deleted the record (`JET_errWriteConflict`).
    pub fn escrow_update(&self, column: ColumnId, delta: i64) -> JetResult<i64> {
        let table = self.live()?;
        let key = self.spot()?.primary.clone();
        let escrow = EscrowColumn::of(&table.layout, column)?;
        self.change_in_level(|change| match escrow.width {
            EscrowWidth::Four => {
                let delta = i32::try_from(delta).map_err(|_| too_big())?;
                tree::add(change, table.tree, name(&key), escrow.offset, delta).map(i64::from)
            }
            EscrowWidth::Eight => tree::add64(change, table.tree, name(&key), escrow.offset, delta),
        })
    }

    fn live(&self) -> JetResult<Arc<LiveTable>> {
        let size = self.database.page_size;
        let table = self.session.as_reader(|reader| {
            self.database
                .read(|state| catalog::table_of(state, size, self.objid, reader))
        })?;
        table.check_writable()?;
        Ok(table)
    }

    fn record_bytes(&self, key: &[u8]) -> JetResult<Vec<u8>> {
        self.read(|table, state, reader| {
            let found = tree::find(state, table.tree, From::At(name(key)), reader)?;
            Ok(found.ok_or_else(deleted)?.data.into_owned())
        })
    }

    fn change_in_level<T>(&self, change: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        self.session.in_level(|| {
            self.session.change(&self.database, |begun| {
                let reader = begun.transaction.state();
                begun.state.catalog.check_records(self.objid, reader)?;
                change(begun)
            })
        })
    }
}

impl Update<'_, '_> {
    /// Sets a column; the first value of one that has several.
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at).
    pub fn set(&mut self, column: ColumnId, value: &Value) -> JetResult<&mut Self> {
        self.set_at(column, 1, value)
    }

    /// Sets value `sequence` of a column, from 1 (`itagSequence`); 0 adds a value. NULL takes a value out.
    ///
    /// # Errors
    /// No such column (`JET_errColumnNotFound`); not a value of its type (`JET_errInvalidColumnType`) or too long
    /// (`JET_errColumnTooBig`); NULL where it is not allowed (`JET_errNullInvalid`); one that nobody may set.
    pub fn set_at(&mut self, column: ColumnId, sequence: usize, value: &Value) -> JetResult<&mut Self> {
        let how = self.record.layout().column(column)?;
        let kind = how.kind.unwrap_or(ColumnType::LongBinary);
        if !value.is_null() && !value.fits(kind, how.code_page) {
            let what = format!("column {} is of type {kind}: {value} is not", how.name);
            return Err(JetError::rule(JetErr::InvalidColumnType, what));
        }
        let stored = value.stored();
        self.set_bytes(
            column,
            sequence,
            Operation::Replace,
            stored.first().map(|bytes| &**bytes),
        )
    }

    /// Appends to value `sequence` of a long column (`JET_bitSetAppendLV`).
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at).
    pub fn append_long(&mut self, column: ColumnId, sequence: usize, bytes: &[u8]) -> JetResult<&mut Self> {
        self.set_bytes(column, sequence, Operation::Append, Some(bytes))
    }

    /// Overwrites bytes of value `sequence` of a long column from `offset` on (`JET_bitSetOverwriteLV`).
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at); `offset` is behind its end (`JET_errColumnNoChunk`).
    pub fn write_long(
        &mut self,
        column: ColumnId,
        sequence: usize,
        offset: usize,
        bytes: &[u8],
    ) -> JetResult<&mut Self> {
        self.set_bytes(column, sequence, Operation::Overwrite(offset), Some(bytes))
    }

    /// Cuts value `sequence` of a long column, or extends it with zeros (`JET_bitSetSizeLV`).
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at).
    pub fn set_long_size(&mut self, column: ColumnId, sequence: usize, len: usize) -> JetResult<&mut Self> {
        self.set_bytes(column, sequence, Operation::Size(len), Some(&[]))
    }

    /// The value of an auto-increment column, which is known before the record is saved.
    pub fn auto_increment(&self) -> Option<i64> {
        let column = self.record.layout().column_with(ColumnFlags::AUTO_INCREMENT)?;
        let bytes = self.record.column(column.id, 1).ok()?.bytes()?;
        match Value::read(column.kind?, column.code_page, bytes.into_owned()) {
            Ok(Value::Long(number)) => Some(number.into()),
            Ok(Value::LongLong(number) | Value::Currency(number)) => Some(number),
            _ => None,
        }
    }

    /// Saves the record (`JetUpdate`). Returns its bookmark. Outside of a transaction it is committed at once.
    ///
    /// # Errors
    /// A key stands in a unique index already (`JET_errKeyDuplicate`); the primary key of a record that is replaced would
    /// change (`JET_errRecordPrimaryChanged`); another transaction was first (`JET_errWriteConflict`); a column must have
    /// a value (`JET_errNullInvalid`). Nothing has changed then.
    pub fn save(self) -> JetResult<Vec<u8>> {
        let Update {
            table,
            mut record,
            replaces,
        } = self;
        let live = table.live()?;
        table.change_in_level(|change| {
            store_long_values(change, &live, &mut record)?;
            let bytes = record.finish()?;
            match &replaces {
                None => insert(change, &live, &bytes),
                Some(old) => {
                    check_unchanged(change, &live, &old.key, &old.record)?;
                    replace(change, &live, &record, old, &bytes)
                }
            }
        })
    }

    fn set_bytes(
        &mut self,
        column: ColumnId,
        sequence: usize,
        operation: Operation,
        bytes: Option<&[u8]>,
    ) -> JetResult<&mut Self> {
        let how = SetColumn {
            sequence,
            operation,
            ..SetColumn::default()
        };
        if let Outcome::InLongValueTree(lid) = self.record.set(column, bytes, how)? {
            // What stands in the tree is never changed there: others may refer to it.
            let whole = self.table.long_value(lid, 0, usize::MAX)?;
            let replace = SetColumn {
                operation: Operation::Replace,
                ..how
            };
            let _ = self.record.set(column, Some(&whole), replace)?;
            let _ = self.record.set(column, bytes, how)?;
        }
        Ok(self)
    }
}

/// What follows from a record as it was read is wrong if it has changed since: entries of indexes, long values.
///
/// # Errors
/// `JET_errWriteConflict`: it has; `JET_errRecordDeleted`: it is gone.
fn check_unchanged(change: &mut Change<'_>, table: &LiveTable, key: &[u8], was: &[u8]) -> JetResult<()> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let same = database.look_in(change.state, |state| {
        let found = tree::find(state, table.tree, From::At(name(key)), &reader)?;
        Ok(*found.ok_or_else(deleted)?.data == *was)
    })?;
    if same {
        return Ok(());
    }
    let what = "the record has changed since its update was begun";
    Err(JetError::rule(JetErr::WriteConflict, what))
}

fn insert(change: &mut Change<'_>, table: &LiveTable, record: &[u8]) -> JetResult<Vec<u8>> {
    let starts = LongValueStarts::read(change, table, record)?;
    let key = entries::primary_key(change, table, record, &starts)?;
    tree::insert(change, table.tree, &key, record)?;
    entries::insert(change, table, record, &starts, &key)?;
    Ok(key)
}

fn replace(
    change: &mut Change<'_>,
    table: &LiveTable,
    update: &RecordUpdate,
    old: &Old,
    record: &[u8],
) -> JetResult<Vec<u8>> {
    let starts = LongValueStarts::read(change, table, record)?;
    if table.primary.is_some() && entries::primary_key(change, table, record, &starts)? != *old.key {
        let what = "the primary key of a record cannot be changed";
        return Err(JetError::rule(JetErr::RecordPrimaryChanged, what));
    }
    let old_starts = LongValueStarts::read(change, table, &old.record)?;
    tree::replace(change, table.tree, name(&old.key), record)?;
    let replaced = Replaced {
        old: (&old.record, &old_starts),
        new: (record, &starts),
    };
    let changed: Vec<ColumnId> = update.changed().collect();
    entries::replace(change, table, &replaced, &changed, &old.key)?;
    for lid in update.released() {
        release(change, table, lid)?;
    }
    Ok(old.key.to_vec())
}

/// Stores the values that must leave the record.
fn store_long_values(change: &mut Change<'_>, table: &LiveTable, record: &mut RecordUpdate) -> JetResult<()> {
    let separations: Vec<(ColumnId, usize, Vec<u8>)> = record
        .separations()
        .map(|separation| (separation.id, separation.sequence, separation.value.to_vec()))
        .collect();
    if separations.is_empty() {
        return Ok(());
    }
    let tree = catalog::long_value_tree(change, table)?;
    for (id, sequence, value) in separations {
        let lid = long_values::store(change, tree, &value)?;
        record.set_long_value(id, sequence, lid)?;
    }
    Ok(())
}

fn release(change: &mut Change<'_>, table: &LiveTable, lid: Lid) -> JetResult<()> {
    let tree = match table.long_values {
        Some(tree) => tree,
        None => catalog::long_value_tree(change, table).map_err(|_| no_tree())?,
    };
    long_values::release(change, tree, lid)
}

/// The table's own tree is unique.
fn name(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

fn too_big() -> JetError {
    JetError::rule(JetErr::ColumnTooBig, "more than a Long holds")
}
