//! What is read of a record (`JetRetrieveColumn`).

use super::Table;
use super::contents::Contents;
use crate::engine::bookmark::BookmarkRef;
use crate::engine::catalog::{self, LiveTable};
use crate::engine::long_values::LongValues;
use crate::engine::record::{RecordUpdate, long_values_of};
use crate::engine::tree::From;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnClass, ColumnId, ColumnType, Lid, PageSize, Record, Stored, Value};
use crate::store::RecordColumn;

/// Bytes of a long value that are read at once: all pages of one look must be in memory together.
const PIECE: usize = 64 << 10;

/// A record as it was when it was read. Long values in the long value tree are read when they are asked for: outside of a
/// transaction others may have changed or deleted them meanwhile.
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
/// assert!(people.move_first()?);
/// let row = people.row()?;
/// assert_eq!(row.value(id)?, Value::Long(1));
/// // No photo: NULL, which has no length and no bytes.
/// assert_eq!(row.value(photo)?, Value::Null);
/// assert_eq!(row.len(photo, 1)?, None);
/// assert!(row.read_long(photo, 1, 0, 100)?.is_empty());
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
pub struct Row<'t, 's> {
    table: &'t Table<'s>,
    key: Box<[u8]>,
    record: RecordUpdate,
}

impl<'s> Table<'s> {
    /// The record that the cursor is on.
    ///
    /// # Errors
    /// The cursor is on none (`JET_errNoCurrentRecord`), or it was deleted (`JET_errRecordDeleted`).
    pub fn row(&self) -> JetResult<Row<'_, 's>> {
        let key = self.spot()?.primary();
        let record = self.read_record(key, |table, record| {
            RecordUpdate::replace(table.layout.clone(), record)
        })?;
        Ok(Row {
            table: self,
            key: key.into(),
            record,
        })
    }

    /// The value of a column in the record that the cursor is on; the first one if there are several.
    ///
    /// # Errors
    /// As [`row`](Self::row) and [`Row::value`].
    pub fn value(&self, column: ColumnId) -> JetResult<Value> {
        let (key, size) = (self.spot()?.primary(), self.database.page_size);
        let value = self.read_record(key, |table, record| {
            let InRecord {
                kind,
                code_page,
                bytes,
            } = in_record(table, size, record, column)?;
            Ok(match bytes {
                Bytes::Here(bytes) => Some(Value::read(kind, code_page, bytes.to_vec())?),
                Bytes::Null => Some(Value::Null),
                Bytes::Elsewhere => None,
            })
        })?;
        match value {
            Some(value) => Ok(value),
            None => self.row()?.value(column),
        }
    }

    /// Copies the value of a column in the record that the cursor is on to `bytes`, as it is stored, instead of what is
    /// there (`JetRetrieveColumn`); the first one if there are several. `false` for NULL, which leaves nothing there. Of
    /// many records, this is faster than [`value`](Self::value), since the same memory serves all of them.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    ///
    /// ```
    /// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
    /// # use jetfs::format::ColumnType;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let instance = Instance::init(Parameters::new(directory.path()))?;
    /// # let session = instance.session()?;
    /// # let database = instance.create_database(directory.path().join("a.edb"))?;
    /// # let definition = TableDefinition::new("people")
    /// #     .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
    /// #     .column(ColumnDefinition::new("photo", ColumnType::LongBinary))
    /// #     .index(IndexDefinition::primary("by_id").ascending("id"));
    /// # let mut people = database.create_table(&session, &definition)?;
    /// # let (id, photo) = (people.column("id")?, people.column("photo")?);
    /// let mut person = people.insert()?;
    /// person.set_bytes(id, &7_i32.to_le_bytes())?;
    /// person.save()?;
    /// assert!(people.move_first()?);
    /// let mut bytes = Vec::new();
    /// assert!(people.value_bytes(id, &mut bytes)?);
    /// assert_eq!(bytes, [7, 0, 0, 0]);
    /// assert!(!people.value_bytes(photo, &mut bytes)?);
    /// # Ok::<(), jetfs::JetError>(())
    /// ```
    pub fn value_bytes(&self, column: ColumnId, bytes: &mut Vec<u8>) -> JetResult<bool> {
        let (key, size) = (self.spot()?.primary(), self.database.page_size);
        let is_there = self.read_record(key, |table, record| {
            bytes.clear();
            Ok(match in_record(table, size, record, column)?.bytes {
                Bytes::Here(stored) => {
                    bytes.extend_from_slice(stored);
                    Some(true)
                }
                Bytes::Null => Some(false),
                Bytes::Elsewhere => None,
            })
        })?;
        if let Some(is_there) = is_there {
            return Ok(is_there);
        }
        let row = self.row()?;
        bytes.extend(row.read_long(column, 1, 0, usize::MAX)?);
        Ok(row.len(column, 1)?.is_some())
    }

    /// Has `read` read the record with this key.
    ///
    /// # Errors
    /// There is none (`JET_errRecordDeleted`); those of `read`.
    pub(super) fn read_record<T>(
        &self,
        key: &[u8],
        mut read: impl FnMut(&LiveTable, &[u8]) -> JetResult<T>,
    ) -> JetResult<T> {
        let from = From::At(BookmarkRef { key, data: &[] });
        let here = self.find_here(
            |table| Some(table.tree),
            from,
            |table, _, node| read(table, node.data),
        );
        if let Some(done) = here {
            return done;
        }
        self.read(|table, state, reader| {
            let found = self.find_in(state, table, (table.tree, from), reader)?;
            Ok(read(table, &found.ok_or_else(deleted)?.data)?)
        })
    }

    /// Bytes of a long value from `offset` on; less than `len` only at its end.
    pub(super) fn long_value(&self, lid: Lid, offset: u32, len: usize) -> JetResult<Vec<u8>> {
        let size = self.database.page_size;
        self.session.as_reader(|reader| {
            let mut bytes = Vec::new();
            loop {
                let at = offset.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                let wanted = PIECE.min(len - bytes.len());
                let piece = self.database.read(|state| {
                    let table = catalog::table_of(state, size, self.objid, reader)?;
                    self.long_values(&table)?.read(state, lid, (at, wanted), reader)
                })?;
                bytes.extend_from_slice(&piece);
                if piece.len() < wanted || bytes.len() >= len {
                    return Ok(bytes);
                }
            }
        })
    }

    pub(super) fn long_value_size(&self, lid: Lid) -> JetResult<u32> {
        self.read(|table, state, reader| self.long_values(table)?.size(state, lid, reader))
    }

    /// Outside of a transaction a long value may be gone because its record has changed since it was read.
    pub(super) fn explain(&self, error: JetError, key: &[u8], lid: Lid) -> JetError {
        if error.code() != JetErr::LVCorrupted {
            return error;
        }
        let now = self.record_bytes(key);
        let refers = now.and_then(|record| long_values_of(self.database.page_size, &record));
        match refers {
            Ok(lids) if lids.contains(&lid) => error,
            _ => {
                let what = "the record has changed since it was read";
                JetError::rule(JetErr::RecordDeleted, what).advise("Read it again, or in a transaction.")
            }
        }
    }

    fn long_values(&self, table: &LiveTable) -> JetResult<LongValues> {
        let tree = table.long_values.ok_or_else(no_tree)?;
        Ok(LongValues::new(
            self.database.page_size,
            tree,
            table.schema.table.long_value_chunk,
        ))
    }
}

impl Contents for Row<'_, '_> {
    fn record(&self) -> &RecordUpdate {
        &self.record
    }

    fn read_lid(&self, lid: Lid, offset: u32, len: usize) -> JetResult<Vec<u8>> {
        let read = self.table.long_value(lid, offset, len);
        read.map_err(|error| self.table.explain(error, &self.key, lid))
    }

    fn lid_size(&self, lid: Lid) -> JetResult<u32> {
        let size = self.table.long_value_size(lid);
        size.map_err(|error| self.table.explain(error, &self.key, lid))
    }
}

/// The first value of a column, as far as the record tells it at once.
struct InRecord<'r> {
    kind: ColumnType,
    code_page: u16,
    bytes: Bytes<'r>,
}

enum Bytes<'r> {
    Here(&'r [u8]),
    Null,
    /// To be looked for: a default, a tagged column.
    Elsewhere,
}

fn in_record<'r>(
    table: &LiveTable,
    size: PageSize,
    record: &'r [u8],
    column: ColumnId,
) -> JetResult<InRecord<'r>> {
    let layout = table.layout.column(column)?;
    let record = Record::read(size, record)?;
    let stored = match column.class() {
        ColumnClass::Fixed => record.fixed(column, layout.offset, layout.size)?,
        ColumnClass::Variable => record.variable(column)?,
        ColumnClass::Tagged => Stored::Absent,
    };
    Ok(InRecord {
        kind: kind_of(layout),
        code_page: layout.code_page,
        bytes: match stored {
            Stored::Value(bytes) => Bytes::Here(bytes),
            Stored::Null => Bytes::Null,
            Stored::Absent => Bytes::Elsewhere,
        },
    })
}

/// A type that jetfs does not know is bytes.
fn kind_of(column: &RecordColumn) -> ColumnType {
    column.kind.unwrap_or(ColumnType::LongBinary)
}

pub(super) fn deleted() -> JetError {
    JetError::rule(JetErr::RecordDeleted, "the record was deleted")
}

pub(super) fn no_tree() -> JetError {
    let what = "a record names a long value, but the table has no tree for them";
    JetError::rule(JetErr::LVCorrupted, what)
}
