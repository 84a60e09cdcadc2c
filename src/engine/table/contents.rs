//! What columns hold: of a record that was read, and of one that is being made (`JetRetrieveColumn`, and the same with
//! `JET_bitRetrieveCopy`).

use super::record::Row;
use super::update::Update;
use crate::engine::record::{ColumnValue, RecordUpdate};
use crate::error::{JetError, JetResult};
use crate::format::{ColumnId, ColumnType, Lid, Value};

/// A record, and its values in the long value tree.
pub(super) trait Contents {
    /// The record.
    fn record(&self) -> &RecordUpdate;

    /// Bytes of a long value from `offset` on; less than `len` only at its end.
    fn read_lid(&self, lid: Lid, offset: u32, len: usize) -> JetResult<Vec<u8>>;

    /// How long it is.
    fn lid_size(&self, lid: Lid) -> JetResult<u32>;
}

fn value_at(contents: &impl Contents, column: ColumnId, sequence: usize) -> JetResult<Value> {
    let record = contents.record();
    let layout = record.layout().column(column)?;
    let bytes = match record.column(column, sequence)? {
        ColumnValue::Null => return Ok(Value::Null),
        ColumnValue::LongValue(lid) => contents.read_lid(lid, 0, usize::MAX)?,
        stored => stored.bytes().unwrap_or_default().into_owned(),
    };
    // A type that jetfs does not know is bytes.
    let kind = layout.kind.unwrap_or(ColumnType::LongBinary);
    Ok(Value::read(kind, layout.code_page, bytes)?)
}

fn values(contents: &impl Contents, column: ColumnId) -> JetResult<Vec<Value>> {
    let count = contents.record().count(column)?;
    (1..=count)
        .map(|sequence| value_at(contents, column, sequence))
        .collect()
}

fn read_long(
    contents: &impl Contents,
    column: ColumnId,
    sequence: usize,
    (offset, len): (u32, usize),
) -> JetResult<Vec<u8>> {
    let bytes = match contents.record().column(column, sequence)? {
        ColumnValue::Null => return Ok(Vec::new()),
        ColumnValue::LongValue(lid) => return contents.read_lid(lid, offset, len),
        stored => stored.bytes().unwrap_or_default(),
    };
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start.saturating_add(len).min(bytes.len());
    Ok(bytes.get(start..end).unwrap_or_default().to_vec())
}

fn len(contents: &impl Contents, column: ColumnId, sequence: usize) -> JetResult<Option<u32>> {
    Ok(match contents.record().column(column, sequence)? {
        ColumnValue::Null => None,
        ColumnValue::LongValue(lid) => Some(contents.lid_size(lid)?),
        stored => {
            let bytes = stored.bytes().unwrap_or_default();
            Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        }
    })
}

impl Row<'_, '_> {
    /// The value of a column; the first one if there are several.
    ///
    /// # Errors
    /// There is no such column (`JET_errColumnNotFound`); a value is damaged (`JET_errLVCorrupted` and others); outside
    /// of a transaction: another session has replaced or deleted the record since (`JET_errRecordDeleted`).
    pub fn value(&self, column: ColumnId) -> JetResult<Value> {
        self.value_at(column, 1)
    }

    /// The values of a multi-valued column, in their order; none for NULL.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn values(&self, column: ColumnId) -> JetResult<Vec<Value>> {
        values(self, column)
    }

    /// Value `sequence` of a column, from 1 (`itagSequence`); NULL if there are not so many.
    ///
    /// # Errors
    /// As [`value`](Self::value); `JET_errBadItagSequence`: 0.
    pub fn value_at(&self, column: ColumnId, sequence: usize) -> JetResult<Value> {
        value_at(self, column, sequence)
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
        read_long(self, column, sequence, (offset, len))
    }

    /// How many bytes value `sequence` of a column has; `None` of NULL.
    ///
    /// # Errors
    /// As [`value_at`](Self::value_at).
    pub fn len(&self, column: ColumnId, sequence: usize) -> JetResult<Option<u32>> {
        len(self, column, sequence)
    }
}

/// What the record would have if it were saved now (`JET_bitRetrieveCopy`): what was set, else what was there before, else
/// the default. A version column counts only when the record is saved.
impl Update<'_, '_> {
    /// The value of a column; the first one if there are several.
    ///
    /// # Errors
    /// As [`Row::value`].
    pub fn value(&self, column: ColumnId) -> JetResult<Value> {
        self.value_at(column, 1)
    }

    /// The values of a multi-valued column, in their order; none for NULL.
    ///
    /// # Errors
    /// As [`Row::value`].
    pub fn values(&self, column: ColumnId) -> JetResult<Vec<Value>> {
        values(self, column)
    }

    /// Value `sequence` of a column, from 1 (`itagSequence`); NULL if there are not so many.
    ///
    /// # Errors
    /// As [`Row::value_at`].
    pub fn value_at(&self, column: ColumnId, sequence: usize) -> JetResult<Value> {
        value_at(self, column, sequence)
    }

    /// Bytes of value `sequence` of a long column from `offset` on: as many as `len`, less only at its end. None of NULL.
    ///
    /// # Errors
    /// As [`Row::value_at`].
    pub fn read_long(
        &self,
        column: ColumnId,
        sequence: usize,
        offset: u32,
        len: usize,
    ) -> JetResult<Vec<u8>> {
        read_long(self, column, sequence, (offset, len))
    }

    /// How many bytes value `sequence` of a column has; `None` of NULL.
    ///
    /// # Errors
    /// As [`Row::value_at`].
    pub fn len(&self, column: ColumnId, sequence: usize) -> JetResult<Option<u32>> {
        len(self, column, sequence)
    }

    /// Outside of a transaction a long value of the record that the update began with may be gone.
    fn explain(&self, error: JetError, lid: Lid) -> JetError {
        match self.begun_from() {
            None => error,
            Some(key) => self.table.explain(error, key, lid),
        }
    }
}

impl Contents for Update<'_, '_> {
    fn record(&self) -> &RecordUpdate {
        &self.record
    }

    fn read_lid(&self, lid: Lid, offset: u32, len: usize) -> JetResult<Vec<u8>> {
        let read = |len| self.table.long_value(lid, offset, len);
        let read = self.pieces.read(lid, (offset, len), read);
        read.map_err(|error| self.explain(error, lid))
    }

    fn lid_size(&self, lid: Lid) -> JetResult<u32> {
        if let Some(len) = self.pieces.len(lid) {
            return Ok(len);
        }
        let size = self.table.long_value_size(lid);
        size.map_err(|error| self.explain(error, lid))
    }
}
