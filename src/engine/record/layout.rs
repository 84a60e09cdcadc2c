//! What writing records needs of a table's schema.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, ColumnId, PageSize, record_most};
use crate::store::{Column, RecordColumn};

/// Longest long value that stays in its record where neither catalog nor caller say otherwise (`cbLVIntrinsicMost`).
pub(crate) const INTRINSIC_MOST: usize = 1023;
/// Bytes of the key of a table without primary index.
const SEQUENTIAL_KEY_LEN: u16 = 4;
/// Bytes of a LID in the records that are written here.
pub(super) const LID_LEN: usize = 4;

/// The columns of a table, and the limits of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordLayout {
    /// The page size of the database.
    pub(super) size: PageSize,
    /// By id, a table's own before those of its template.
    columns: Vec<RecordColumn>,
    /// Bytes of the longest record.
    pub(super) record_most: usize,
    /// Bytes of the longest value that stays in its record by default.
    intrinsic_most: usize,
}

impl RecordLayout {
    /// The layout of a table with these columns, those of its template included.
    ///
    /// `key_most` is KeyMost of the primary index, `None` where there is none. `separate_at` is the catalog's
    /// `SeparateLV`: the longest value that stays in its record, `None` for the default.
    pub(crate) fn new(
        size: PageSize,
        columns: &[Column<'_>],
        key_most: Option<u16>,
        separate_at: Option<u32>,
    ) -> Self {
        Self::of(size, RecordColumn::all(columns), key_most, separate_at)
    }

    pub(super) fn of(
        size: PageSize,
        mut columns: Vec<RecordColumn>,
        key_most: Option<u16>,
        separate_at: Option<u32>,
    ) -> Self {
        columns.sort_by_key(|column| (column.id, column.derived));
        let intrinsic = separate_at.filter(|&most| most > 0);
        RecordLayout {
            size,
            columns,
            record_most: record_most(size, key_most.unwrap_or(SEQUENTIAL_KEY_LEN)),
            intrinsic_most: intrinsic
                .map_or(INTRINSIC_MOST, |most| usize::try_from(most).unwrap_or(usize::MAX)),
        }
    }

    /// The column of this id; where a derived table and its template both have one, the table's own.
    ///
    /// # Errors
    /// There is none (`JET_errColumnNotFound`).
    pub(crate) fn column(&self, id: ColumnId) -> JetResult<&RecordColumn> {
        let at = self.columns.partition_point(|column| column.id < id);
        self.columns
            .get(at)
            .filter(|column| column.id == id)
            .ok_or_else(|| JetError::rule(JetErr::ColumnNotFound, format!("there is no column {id}")))
    }

    /// All columns, by id.
    pub(crate) fn columns(&self) -> &[RecordColumn] {
        &self.columns
    }

    /// The column with this flag: of version and auto-increment columns a table has at most one.
    pub(crate) fn column_with(&self, flag: ColumnFlags) -> Option<&RecordColumn> {
        self.columns.iter().find(|column| column.flags.contains(flag))
    }

    /// Bytes of the longest long value that a record of one column could hold (`CbLVIntrinsicTableMost`).
    pub(super) fn table_intrinsic_most(&self) -> usize {
        self.record_most - 9
    }

    /// Bytes of the longest long value that stays in its record by default.
    pub(super) fn intrinsic_most(&self) -> usize {
        self.intrinsic_most.clamp(LID_LEN, self.table_intrinsic_most())
    }
}
