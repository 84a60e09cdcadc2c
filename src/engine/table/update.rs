//! Records inserted, replaced and deleted (`JetPrepareUpdate`, `JetSetColumn`, `JetUpdate`, `JetDelete`,
//! `JetEscrowUpdate`).
//!
//! One update is all or nothing: it is done in a level of its own, which is taken back when an index refuses it.

use super::Table;
use super::contents::Contents;
use super::entries::{self, LongValueStarts, Replaced, long_values};
use super::pieces::Pieces;
use super::record::deleted;
use super::set_options::SetOptions;
use crate::engine::bookmark::BookmarkRef;
use crate::engine::catalog::{self, LiveTable};
use crate::engine::change::Change;
use crate::engine::long_values::Piece;
use crate::engine::record::{
    ColumnValue, EscrowColumn, EscrowWidth, Operation, Outcome, RecordUpdate, SetColumn, Unique,
    long_values_of,
};
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, ColumnId, ColumnType, Lid, Value};
use std::sync::Arc;

/// A record that is being made or changed. Dropped, nothing happens.
///
/// ```
/// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
/// # use jetfs::format::{ColumnType, Value};
/// # let directory = tempfile::tempdir().unwrap();
/// # let instance = Instance::init(Parameters::new(directory.path()))?;
/// # let session = instance.session()?;
/// # let database = instance.create_database(directory.path().join("a.edb"))?;
/// # let definition = TableDefinition::new("people")
/// #     .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
/// #     .column(ColumnDefinition::new("name", ColumnType::Text))
/// #     .column(ColumnDefinition::new("photo", ColumnType::LongBinary))
/// #     .index(IndexDefinition::primary("by_id").ascending("id"))
/// #     .index(IndexDefinition::new("by_name").ascending("name"));
/// # let mut people = database.create_table(&session, &definition)?;
/// # let (id, name, photo) = (people.column("id")?, people.column("name")?, people.column("photo")?);
/// # for (number, text) in [(1, "Ada"), (2, "Grace"), (3, "Alan")] {
/// #     let mut person = people.insert()?;
/// #     person.set(id, &Value::Long(number))?.set(name, &people.text(name, text)?)?;
/// #     person.save()?;
/// # }
/// // A new record. Saved, it has a bookmark.
/// let mut person = people.insert()?;
/// person.set(id, &Value::Long(4))?.set(name, &people.text(name, "Kurt")?)?;
/// person.append_long(photo, 1, &[0xff; 10_000])?.append_long(photo, 1, b"end")?;
/// let bookmark = person.save()?;
///
/// // Changed: of its photo, only the chunk that these bytes touch.
/// people.goto_bookmark(&bookmark)?;
/// let mut person = people.replace()?;
/// person.write_long(photo, 1, 5_000, b"middle")?;
/// assert_eq!(person.read_long(photo, 1, 4_999, 7)?, b"\xffmiddle");
/// person.save()?;
/// assert_eq!(people.row()?.read_long(photo, 1, 4_999, 7)?, b"\xffmiddle");
///
/// people.delete()?;
/// assert!(people.row().is_err());
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing changes before `save`"]
pub struct Update<'t, 's> {
    pub(super) table: &'t Table<'s>,
    pub(super) record: RecordUpdate,
    /// What is done to long values that are stored already.
    pub(super) pieces: Pieces,
    begun_from: BegunFrom,
}

/// What an update began with.
#[derive(Debug)]
enum BegunFrom {
    /// Defaults: a new record.
    Nothing,
    /// A record of which a copy is made.
    Copied(Old),
    /// A record that is replaced.
    Replaced(Old),
}

/// A record as it was when its update began.
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
        let spare = self.spare_record.take();
        let record = match spare.filter(|spare| std::ptr::eq(spare.layout(), &*table.layout)) {
            Some(spare) => spare.insert_again()?,
            None => RecordUpdate::insert(Arc::clone(&table.layout))?,
        };
        self.new_record(&table, record, BegunFrom::Nothing)
    }

    /// Begins a new record that is a copy of the one that the cursor is on (`JET_prepInsertCopy`), with another number in
    /// an auto-increment column and 0 in a version column. Long values are not copied: both records refer to the same,
    /// until one of them changes its own.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn insert_copy(&self) -> JetResult<Update<'_, 's>> {
        let table = self.live()?;
        let old = self.current()?;
        let record = RecordUpdate::insert_copy(Arc::clone(&table.layout), &old.record)?;
        self.new_record(&table, record, BegunFrom::Copied(old))
    }

    /// Begins to change the record that the cursor is on.
    ///
    /// # Errors
    /// The cursor is on none (`JET_errNoCurrentRecord`), or it was deleted (`JET_errRecordDeleted`); an index of the table
    /// cannot be written here (`JET_errUnicodeNormalizationNotSupported`).
    pub fn replace(&self) -> JetResult<Update<'_, 's>> {
        let table = self.live()?;
        let old = self.current()?;
        Ok(Update {
            table: self,
            record: RecordUpdate::replace(Arc::clone(&table.layout), &old.record)?,
            pieces: Pieces::default(),
            begun_from: BegunFrom::Replaced(old),
        })
    }

    fn new_record(
        &self,
        table: &LiveTable,
        mut record: RecordUpdate,
        begun_from: BegunFrom,
    ) -> JetResult<Update<'_, 's>> {
        if table.layout.column_with(ColumnFlags::AUTO_INCREMENT).is_some() {
            let next = self.session.in_level(|| {
                self.session.change(&self.database, |change| {
                    catalog::next_auto_increment(change, table)
                })
            })?;
            record.set_auto_increment(next.cast_unsigned())?;
        }
        Ok(Update {
            table: self,
            record,
            pieces: Pieces::default(),
            begun_from,
        })
    }

    fn current(&self) -> JetResult<Old> {
        let key: Box<[u8]> = self.spot()?.primary().into();
        let record = self.record_bytes(&key)?;
        Ok(Old { key, record })
    }

    /// Deletes the record that the cursor is on, which stays where it was.
    ///
    /// # Errors
    /// As [`replace`](Self::replace); `JET_errWriteConflict`.
    pub fn delete(&self) -> JetResult<()> {
        let table = self.live()?;
        let old = self.current()?;
        self.change_in_level(|change| {
            check_unchanged(change, &table, &old)?;
            delete_record(change, &table, &old.key, &old.record)
        })
    }

    /// Adds to an escrow column of the record that the cursor is on (`JetEscrowUpdate`), to which others may add at the same
    /// time. Returns what it was, with what they added. A record whose column
    /// [deletes it on zero](crate::engine::ColumnDefinition::delete_on_zero) goes when everybody sees that it is zero.
    ///
    /// # Errors
    /// It is no escrow column; another transaction replaced or deleted the record (`JET_errWriteConflict`).
    pub fn escrow_update(&self, column: ColumnId, delta: i64) -> JetResult<i64> {
        let table = self.live()?;
        let key = self.spot()?.primary().to_vec();
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
        let table = self.look_at_table(|table| Ok(Arc::clone(table)))?;
        table.check_writable()?;
        Ok(table)
    }

    pub(super) fn record_bytes(&self, key: &[u8]) -> JetResult<Vec<u8>> {
        self.read_record(key, |_, record| Ok(record.to_vec()))
    }

    fn change_in_level<T>(&self, change: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        self.session.in_level(|| self.change(change))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        self.session.change(&self.database, |begun| {
            let reader = begun.transaction.state();
            begun.state.catalog.check_records(self.objid, reader)?;
            change(begun)
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

    /// Sets a column to bytes as records store them (`JetSetColumn`): numbers with the lowest byte first, text in the
    /// column's code page. No bytes are a value without length, but NULL in a fixed column.
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at); of a number, not as many bytes as it has (`JET_errInvalidBufferSize`).
    pub fn set_bytes(&mut self, column: ColumnId, bytes: &[u8]) -> JetResult<&mut Self> {
        let _ = self.record.set(column, Some(bytes), SetColumn::default())?;
        Ok(self)
    }

    /// Sets value `sequence` of a column, from 1 (`itagSequence`); 0 adds a value. NULL takes a value out.
    ///
    /// # Errors
    /// No such column (`JET_errColumnNotFound`); not a value of its type (`JET_errInvalidColumnType`) or too long
    /// (`JET_errColumnTooBig`); NULL where it is not allowed (`JET_errNullInvalid`); one that nobody may set.
    pub fn set_at(&mut self, column: ColumnId, sequence: usize, value: &Value) -> JetResult<&mut Self> {
        self.set_with(column, sequence, value, SetOptions::default())
    }

    /// Sets value `sequence` of a column as [`set_at`](Self::set_at) does, with options (the bits of `JetSetColumn`).
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at); another value of the column is equal, and that was not wanted
    /// (`JET_errMultiValuedDuplicate`).
    pub fn set_with(
        &mut self,
        column: ColumnId,
        sequence: usize,
        value: &Value,
        options: SetOptions,
    ) -> JetResult<&mut Self> {
        let how = self.record.layout().column(column)?;
        let kind = how.kind.unwrap_or(ColumnType::LongBinary);
        if !value.is_null() && !value.fits(kind, how.code_page) {
            let what = format!("column {} is of type {kind}: {value} is not", how.name);
            return Err(JetError::rule(JetErr::InvalidColumnType, what));
        }
        let stored = value.first_stored();
        let bytes = stored.as_deref();
        let how = options.of_value(sequence);
        if options.unique != Unique::No
            && let Some(bytes) = bytes
        {
            self.check_unequal(column, sequence, bytes)?;
        }
        // Only an operation that is for long values alone could be left to others.
        let _ = self.record.set(column, bytes, how)?;
        Ok(self)
    }

    /// Appends to value `sequence` of a long column (`JET_bitSetAppendLV`); of one that is stored, only the chunks at its
    /// end are written.
    ///
    /// Pieces wait in memory until the update is saved. Of a value that is too long for that, save a few megabytes at a
    /// time, in one transaction: nobody else sees the steps.
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at).
    pub fn append_long(&mut self, column: ColumnId, sequence: usize, bytes: &[u8]) -> JetResult<&mut Self> {
        let piece = || Piece::Append(bytes.to_vec());
        self.set_piece(column, sequence, (Operation::Append, bytes), piece)
    }

    /// Overwrites bytes of value `sequence` of a long column from `offset` on (`JET_bitSetOverwriteLV`); of one that is
    /// stored, only the chunks that these bytes touch are written. What goes beyond its end is appended.
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at); `offset` is behind its end (`JET_errColumnNoChunk`).
    pub fn write_long(
        &mut self,
        column: ColumnId,
        sequence: usize,
        offset: u32,
        bytes: &[u8],
    ) -> JetResult<&mut Self> {
        let place = usize::try_from(offset).unwrap_or(usize::MAX);
        let piece = || Piece::Write(offset, bytes.to_vec());
        self.set_piece(column, sequence, (Operation::Overwrite(place), bytes), piece)
    }

    /// Cuts value `sequence` of a long column, or extends it with zeros (`JET_bitSetSizeLV`).
    ///
    /// # Errors
    /// As [`set_at`](Self::set_at).
    pub fn set_long_size(&mut self, column: ColumnId, sequence: usize, len: u32) -> JetResult<&mut Self> {
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if len == 0 {
            // A value of no bytes is in the record, and nothing in the tree.
            let _ = self
                .record
                .set(column, Some(&[]), SetOptions::default().of_value(sequence))?;
            return Ok(self);
        }
        self.set_piece(column, sequence, (Operation::Size(size), &[]), || {
            Piece::Resize(len)
        })
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
            pieces,
            begun_from,
        } = self;
        let live = table.live()?;
        // One node is inserted or not: no level is needed to take others back.
        if matches!(begun_from, BegunFrom::Nothing)
            && live.secondary.is_empty()
            && table.session.level() > 0
            && record.separations().next().is_none()
        {
            let saved = table.change(|change| insert(change, &live, &mut record))?;
            table.spare_record.replace(Some(record));
            return Ok(saved);
        }
        table.change_in_level(|change| match &begun_from {
            BegunFrom::Nothing => insert(change, &live, &mut record),
            BegunFrom::Copied(old) => {
                check_unchanged(change, &live, old)?;
                pieces.write(change, &live, &mut record, true)?;
                refer(change, &live, &record, &old.record)?;
                insert(change, &live, &mut record)
            }
            BegunFrom::Replaced(old) => {
                check_unchanged(change, &live, old)?;
                // Before they change.
                let starts = LongValueStarts::read(change, &live, &old.record)?;
                pieces.write(change, &live, &mut record, false)?;
                replace(change, &live, &mut record, old, &starts)
            }
        })
    }

    /// The key of the record that it began with.
    pub(super) fn begun_from(&self) -> Option<&[u8]> {
        match &self.begun_from {
            BegunFrom::Nothing => None,
            BegunFrom::Copied(old) | BegunFrom::Replaced(old) => Some(&old.key),
        }
    }

    /// Values in the long value tree are compared here, others in the record.
    fn check_unequal(&self, column: ColumnId, sequence: usize, bytes: &[u8]) -> JetResult<()> {
        for other in (1..=self.record.count(column)?).filter(|other| *other != sequence) {
            let ColumnValue::LongValue(lid) = self.record.column(column, other)? else {
                continue;
            };
            if self.read_lid(lid, 0, usize::MAX)? == bytes {
                let what = format!("value {other} of the column is the same");
                return Err(JetError::rule(JetErr::MultiValuedDuplicate, what));
            }
        }
        Ok(())
    }

    /// Sets part of a long value: where it stands in the record at once, else by `piece` when the record is saved.
    fn set_piece(
        &mut self,
        column: ColumnId,
        sequence: usize,
        (operation, bytes): (Operation, &[u8]),
        piece: impl FnOnce() -> Piece,
    ) -> JetResult<&mut Self> {
        let how = SetColumn {
            operation,
            ..SetOptions::default().of_value(sequence)
        };
        if let Outcome::InLongValueTree(lid) = self.record.set(column, Some(bytes), how)? {
            let layout = self.record.layout().column(column)?;
            self.pieces.add(self.table, layout, lid, piece())?;
        }
        Ok(self)
    }
}

/// Deletes a record, its entries in indexes, and its long values.
///
/// # Errors
/// `JET_errWriteConflict`; an entry or a long value is missing.
pub(super) fn delete_record(
    change: &mut Change<'_>,
    table: &LiveTable,
    key: &[u8],
    record: &[u8],
) -> JetResult<()> {
    let starts = LongValueStarts::read(change, table, record)?;
    entries::delete(change, table, record, &starts, key)?;
    tree::delete(change, table.tree, name(key))?;
    let lids = long_values_of(change.database.page_size, record)?;
    lids.into_iter().try_for_each(|lid| release(change, table, lid))
}

/// What follows from a record as it was read is wrong if it has changed since: entries of indexes, long values.
///
/// # Errors
/// `JET_errWriteConflict`: it has; `JET_errRecordDeleted`: it is gone.
fn check_unchanged(change: &mut Change<'_>, table: &LiveTable, old: &Old) -> JetResult<()> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let same = database.look_in(change.state, |state| {
        let found = tree::find(state, table.tree, From::At(name(&old.key)), &reader)?;
        Ok(*found.ok_or_else(deleted)?.data == old.record)
    })?;
    if same {
        return Ok(());
    }
    let what = "the record has changed since its update was begun";
    Err(JetError::rule(JetErr::WriteConflict, what))
}

fn insert(change: &mut Change<'_>, table: &LiveTable, update: &mut RecordUpdate) -> JetResult<Vec<u8>> {
    store_long_values(change, table, update)?;
    let record = update.finish()?;
    let starts = LongValueStarts::read(change, table, &record)?;
    let key = entries::primary_key(change, table, &record, &starts)?;
    tree::insert(change, table.tree, &key, &record)?;
    entries::insert(change, table, &record, &starts, &key)?;
    Ok(key)
}

/// `old_starts`: of the old record, before its long values changed.
fn replace(
    change: &mut Change<'_>,
    table: &LiveTable,
    update: &mut RecordUpdate,
    old: &Old,
    old_starts: &LongValueStarts,
) -> JetResult<Vec<u8>> {
    store_long_values(change, table, update)?;
    let record = update.finish()?;
    let starts = LongValueStarts::read(change, table, &record)?;
    if table.primary.is_some() && entries::primary_key(change, table, &record, &starts)? != *old.key {
        let what = "the primary key of a record cannot be changed";
        return Err(JetError::rule(JetErr::RecordPrimaryChanged, what));
    }
    tree::replace(change, table.tree, name(&old.key), &record)?;
    let replaced = Replaced {
        old: (&old.record, old_starts),
        new: (&record, &starts),
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
    let values = long_values(change, table)?;
    for (id, sequence, value) in separations {
        let flags = record.layout().column(id)?.flags;
        let lid = values.of_column(flags).store(change, &value)?;
        record.set_long_value(id, sequence, lid)?;
    }
    Ok(())
}

/// A copy of a record refers to the long values that it still shares with it.
fn refer(change: &mut Change<'_>, table: &LiveTable, copy: &RecordUpdate, copied: &[u8]) -> JetResult<()> {
    let shared = long_values_of(change.database.page_size, copied)?;
    for lid in copy.long_values().into_iter().filter(|lid| shared.contains(lid)) {
        long_values(change, table)?.refer(change, lid)?;
    }
    Ok(())
}

fn release(change: &mut Change<'_>, table: &LiveTable, lid: Lid) -> JetResult<()> {
    long_values(change, table)?.release(change, lid)
}

/// The table's own tree is unique.
pub(super) fn name(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

fn too_big() -> JetError {
    JetError::rule(JetErr::ColumnTooBig, "more than a Long holds")
}
