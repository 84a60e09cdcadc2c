//! What is read of a record (`JetRetrieveColumn`).

use super::Table;
use crate::engine::bookmark::BookmarkRef;
use crate::engine::long_values;
use crate::engine::record::{ColumnValue, RecordUpdate};
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnId, ColumnType, Lid, Value};

/// A record as it was when it was read. Long values in the long value tree are read when they are asked for.
#[derive(Debug)]
pub struct Row<'t, 's> {
    table: &'t Table<'s>,
    record: RecordUpdate,
}

impl<'s> Table<'s> {
    /// The record that the cursor is on.
    ///
    /// # Errors
    /// The cursor is on none (`JET_errNoCurrentRecord`), or it was deleted (`JET_errRecordDeleted`).
    pub fn row(&self) -> JetResult<Row<'_, 's>> {
        let key = &self.spot()?.primary;
        let record = self.read(|table, state, reader| {
            let name = BookmarkRef { key, data: &[] };
            match tree::find(state, table.tree, From::At(name), reader)? {
                Some(found) => Ok(RecordUpdate::replace(table.layout.clone(), &found.data)?),
                None => Err(deleted().into()),
            }
        })?;
        Ok(Row { table: self, record })
    }

    /// The value of a column in the record that the cursor is on; the first one if there are several.
    ///
    /// # Errors
    /// As [`row`](Self::row) and [`Row::value`].
    pub fn value(&self, column: ColumnId) -> JetResult<Value> {
        self.row()?.value(column)
    }

    /// Bytes of a long value from `offset` on; less than `len` only at its end.
    pub(super) fn long_value(&self, lid: Lid, offset: u32, len: usize) -> JetResult<Vec<u8>> {
        let size = self.database.page_size;
        self.read(|table, state, reader| {
            let tree = table.long_values.ok_or_else(no_tree)?;
            long_values::read(state, size, tree, lid, (offset, len), reader)
        })
    }

    fn long_value_size(&self, lid: Lid) -> JetResult<u32> {
        self.read(|table, state, reader| {
            let tree = table.long_values.ok_or_else(no_tree)?;
            long_values::size(state, tree, lid, reader)
        })
    }
}

impl Row<'_, '_> {
    /// The value of a column; the first one if there are several.
    ///
    /// # Errors
    /// There is no such column (`JET_errColumnNotFound`); a value is damaged.
    pub fn value(&self, column: ColumnId) -> JetResult<Value> {
        self.value_at(column, 1)
    }

    /// The values of a multi-valued column, in their order; none for NULL.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn values(&self, column: ColumnId) -> JetResult<Vec<Value>> {
        let count = self.record.count(column)?;
        (1..=count)
            .map(|sequence| self.value_at(column, sequence))
            .collect()
    }

    /// Value `sequence` of a column, from 1 (`itagSequence`); NULL if there are not so many.
    ///
    /// # Errors
    /// As [`value`](Self::value); `JET_errBadItagSequence`: 0.
    pub fn value_at(&self, column: ColumnId, sequence: usize) -> JetResult<Value> {
        let layout = self.record.layout().column(column)?;
        let bytes = match self.record.column(column, sequence)? {
            ColumnValue::Null => return Ok(Value::Null),
            ColumnValue::LongValue(lid) => self.table.long_value(lid, 0, usize::MAX)?,
            stored => stored.bytes().unwrap_or_default().into_owned(),
        };
        // A type that jetfs does not know is bytes.
        let kind = layout.kind.unwrap_or(ColumnType::LongBinary);
        Ok(Value::read(kind, layout.code_page, bytes)?)
    }

    /// Bytes of value `sequence` of a long column from `offset` on: as many as `len`, less only at its end. None of NULL.
    ///
    /// # Errors
    /// As [`value_at`](Self::value_at).
    pub fn read_long(
        &self,
        column: ColumnId,
        sequence: usize,
        offset: u32,
        len: usize,
    ) -> JetResult<Vec<u8>> {
        let bytes = match self.record.column(column, sequence)? {
            ColumnValue::Null => return Ok(Vec::new()),
            ColumnValue::LongValue(lid) => return self.table.long_value(lid, offset, len),
            stored => stored.bytes().unwrap_or_default(),
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(len).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    /// How many bytes value `sequence` of a column has; `None` of NULL.
    ///
    /// # Errors
    /// As [`value_at`](Self::value_at).
    pub fn len(&self, column: ColumnId, sequence: usize) -> JetResult<Option<u32>> {
        Ok(match self.record.column(column, sequence)? {
            ColumnValue::Null => None,
            ColumnValue::LongValue(lid) => Some(self.table.long_value_size(lid)?),
            stored => {
                let bytes = stored.bytes().unwrap_or_default();
                Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
            }
        })
    }
}

pub(super) fn deleted() -> JetError {
    JetError::rule(JetErr::RecordDeleted, "the record was deleted")
}

pub(super) fn no_tree() -> JetError {
    let what = "a record names a long value, but the table has no tree for them";
    JetError::rule(JetErr::LVCorrupted, what)
}
