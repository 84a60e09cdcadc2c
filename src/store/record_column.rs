//! A column as records hold it, and its values in a record: defaults and NULLs resolved
//! (database-file.md sections 7.2 and 7.3).

use super::table::Column;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnClass, ColumnFlags, ColumnId, ColumnType, FormatError, Instance, Lid, Record, Storage, Stored,
    decompress,
};
use std::borrow::Cow;

/// A compressed value in a record is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// Reads a separated value: its first bytes, at least as many as asked for where it has so many.
pub(crate) type ReadLongValue<'f> = &'f dyn Fn(Lid, usize) -> JetResult<Vec<u8>>;

/// What reading and writing a column of a record needs of its catalog entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: ColumnId,
    /// Whether the table has it from its template table.
    pub(crate) derived: bool,
    /// Its type; `None` for a number that jetfs does not know.
    pub(crate) kind: Option<ColumnType>,
    /// Exact bytes of a fixed column, maximum of another, 0 for no limit.
    pub(crate) size: usize,
    /// Where a fixed column stands in the record.
    pub(crate) offset: usize,
    /// Code page of text.
    pub(crate) code_page: u16,
    /// Flags.
    pub(crate) flags: ColumnFlags,
    /// The value that it has where a record has none.
    pub(crate) default: Option<Vec<u8>>,
}

impl RecordColumn {
    /// The columns of a table, those of its template included.
    pub(crate) fn all(columns: &[Column<'_>]) -> Vec<RecordColumn> {
        columns.iter().map(Self::of).collect()
    }

    fn of(column: &Column<'_>) -> Self {
        let entry = &column.schema.entry;
        RecordColumn {
            name: column.schema.name.clone(),
            id: entry.id,
            derived: column.derived,
            kind: entry.kind,
            size: column.fixed_len(),
            offset: usize::from(entry.record_offset.unwrap_or_default()),
            code_page: entry.code_page,
            flags: entry.flags,
            default: column.default_bytes().map(<[u8]>::to_vec),
        }
    }

    /// The values of the column in a record; none for NULL.
    ///
    /// # Errors
    /// The record is damaged.
    pub(crate) fn instances<'r>(&'r self, record: &Record<'r>) -> Result<Vec<Instance<'r>>, FormatError> {
        match self.id.class() {
            ColumnClass::Tagged => match record.tagged(self.id, self.derived)? {
                Some(value) => (0..value.len()?).map(|index| value.instance(index)).collect(),
                None => Ok(self.default_instance().into_iter().collect()),
            },
            _ => Ok(self.first_instance(record)?.into_iter().collect()),
        }
    }

    /// The first value of the column in a record; `None` for NULL.
    ///
    /// # Errors
    /// The record is damaged.
    pub(crate) fn first_instance<'r>(
        &'r self,
        record: &Record<'r>,
    ) -> Result<Option<Instance<'r>>, FormatError> {
        let stored = match self.id.class() {
            ColumnClass::Fixed => record.fixed(self.id, self.offset, self.size)?,
            ColumnClass::Variable => record.variable(self.id)?,
            ColumnClass::Tagged => match record.tagged(self.id, self.derived)? {
                Some(value) if value.len()? == 0 => Stored::Null,
                Some(value) => return value.instance(0).map(Some),
                None => Stored::Absent,
            },
        };
        Ok(match stored {
            Stored::Absent => self.default_instance(),
            Stored::Null => None,
            Stored::Value(data) => Some(plain_instance(data)),
        })
    }

    fn default_instance(&self) -> Option<Instance<'_>> {
        self.default.as_deref().map(plain_instance)
    }
}

fn plain_instance(data: &[u8]) -> Instance<'_> {
    let storage = Storage::Plain;
    Instance { storage, data }
}

/// The plain bytes of a value, or the first of them: at least `most`, where it has so many.
pub(crate) fn plain<'r>(
    instance: &Instance<'r>,
    long_values: Option<ReadLongValue<'_>>,
    most: usize,
) -> JetResult<Cow<'r, [u8]>> {
    match (instance.storage, long_values) {
        (Storage::Plain, _) => Ok(Cow::Borrowed(instance.data)),
        (Storage::Compressed, _) => Ok(Cow::Owned(decompress(instance.data, INTRINSIC_MAX)?)),
        (Storage::Separated, Some(read)) => read(Lid::from_record(instance.data)?, most).map(Cow::Owned),
        (Storage::Separated, None) => Err(JetError::rule(JetErr::LVCorrupted, "there is no long value tree")),
        (Storage::Encrypted, _) => Err(JetError::rule(
            JetErr::DecompressionFailed,
            "the value is encrypted",
        )),
    }
}
