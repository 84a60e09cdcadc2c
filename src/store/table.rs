//! Tables and their rows: every column's value, long values, defaults and NULLs resolved
//! (database-file.md sections 7, 8 and 12.2).

use super::database::Database;
use super::long_values::LongValues;
use super::schema::{ColumnSchema, Schema, TableSchema};
use super::tree::{Entry, Scan, Tree};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnClass, ColumnFlags, ColumnType, FormatError, Instance, Lid, Record, Storage, Stored, TaggedColumn,
    Value, decompress,
};

/// A compressed value that is not separated is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// A table, opened for reading.
#[derive(Debug, Clone)]
pub struct Table<'d> {
    database: &'d Database,
    tree: Tree<'d>,
    columns: Vec<Column<'d>>,
    long_values: Option<LongValues<'d>>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column<'d> {
    /// Name and catalog entry.
    pub schema: &'d ColumnSchema,
    /// Whether the table has it from its template table.
    pub derived: bool,
}

/// A row of a table.
#[derive(Debug)]
pub struct Row {
    /// The key by which the table is sorted.
    pub key: Vec<u8>,
    /// The page that it stands on.
    pub pgno: u32,
    /// The values, in the order of [`Table::columns`]. One that cannot be read leaves the others readable.
    pub values: Vec<JetResult<Value>>,
}

impl<'d> Table<'d> {
    /// Opens the table called `name`.
    ///
    /// # Errors
    /// There is none, or its template table is missing (`JET_errObjectNotFound`).
    pub fn open(database: &'d Database, schema: &'d Schema, name: &str) -> JetResult<Self> {
        let table = schema
            .table(name)
            .map_err(|error| error.in_file(database.path()))?;
        Self::of(database, schema, table)
    }

    /// Opens a table of the schema.
    ///
    /// # Errors
    /// Its template table is missing (`JET_errObjectNotFound`).
    pub fn of(database: &'d Database, schema: &'d Schema, table: &'d TableSchema) -> JetResult<Self> {
        let template = schema
            .template(table)
            .map_err(|error| error.in_file(database.path()))?;
        Ok(Table {
            database,
            tree: Tree::new(database, table.table.pgno_fdp, table.objid),
            columns: columns(table, template),
            long_values: LongValues::of(database, table),
        })
    }

    /// The columns: fixed ones, then variable ones, then tagged ones, each by id; those of a template first.
    pub fn columns(&self) -> &[Column<'d>] {
        &self.columns
    }

    /// The long values, if the table has any.
    pub(crate) fn long_values(&self) -> Option<&LongValues<'d>> {
        self.long_values.as_ref()
    }

    /// The tree that holds the rows.
    pub fn tree(&self) -> Tree<'d> {
        self.tree
    }

    /// All rows, in the order of the primary index. Ends after an error of a page, not after one of a row.
    ///
    /// # Errors
    /// The way to the first row is damaged.
    pub fn rows(&self) -> JetResult<Rows<'_>> {
        Ok(Rows {
            table: self,
            scan: self.tree.scan()?,
        })
    }

    /// Reads the columns of the row in `entry`, a node of [`Table::tree`].
    ///
    /// # Errors
    /// The record is damaged as a whole.
    pub fn row(&self, entry: &Entry) -> JetResult<Row> {
        let on_page = |error| self.database.on_page(entry.pgno(), error);
        let record = Record::read(self.database.page_size(), entry.data()).map_err(on_page)?;
        let value = |column: &Column<'_>| -> JetResult<Value> {
            self.value(&record, column)
                .map_err(|error| self.database.place(error, entry.pgno()))
        };
        Ok(Row {
            key: entry.key().to_vec(),
            pgno: entry.pgno(),
            values: self.columns.iter().map(value).collect(),
        })
    }

    fn value(&self, record: &Record<'_>, column: &Column<'_>) -> JetResult<Value> {
        let entry = &column.schema.entry;
        let stored = match entry.id.class() {
            ColumnClass::Fixed => {
                let offset = entry.record_offset.unwrap_or_default();
                record.fixed(entry.id, usize::from(offset), column.fixed_len())?
            }
            ColumnClass::Variable => record.variable(entry.id)?,
            ColumnClass::Tagged => {
                return match record.tagged(entry.id, column.derived)? {
                    Some(value) => self.tagged_value(column, &value),
                    None => Ok(default_value(column)?),
                };
            }
        };
        Ok(match stored {
            Stored::Absent => default_value(column)?,
            Stored::Null => Value::Null,
            Stored::Value(bytes) => typed(column, bytes.to_vec())?,
        })
    }

    fn tagged_value(&self, column: &Column<'_>, value: &TaggedColumn<'_>) -> JetResult<Value> {
        let instance = |index| typed(column, self.plain(&value.instance(index)?)?).map_err(JetError::format);
        match value.len()? {
            0 => Ok(Value::Null),
            1 => instance(0),
            count => (0..count)
                .map(instance)
                .collect::<JetResult<_>>()
                .map(Value::Multi),
        }
    }

    /// The plain bytes of a value, wherever they are.
    fn plain(&self, instance: &Instance<'_>) -> JetResult<Vec<u8>> {
        match instance.storage {
            Storage::Plain => Ok(instance.data.to_vec()),
            Storage::Compressed => Ok(decompress(instance.data, INTRINSIC_MAX)?),
            Storage::Separated => {
                let lid = Lid::from_record(instance.data)?;
                match &self.long_values {
                    Some(long_values) => long_values.read(lid),
                    None => Err(JetError::rule(
                        JetErr::LVCorrupted,
                        "the table has no long value tree",
                    )),
                }
            }
            Storage::Encrypted => {
                let what = "the value is encrypted, and only the program that wrote it has the key";
                Err(JetError::rule(JetErr::DecompressionFailed, what))
            }
        }
    }
}

/// Own columns and those of the template, in the order in which records hold them.
pub(crate) fn columns<'d>(table: &'d TableSchema, template: Option<&'d TableSchema>) -> Vec<Column<'d>> {
    let of =
        |table: &'d TableSchema, derived| table.columns.iter().map(move |schema| Column { schema, derived });
    let mut columns: Vec<_> = template
        .into_iter()
        .flat_map(|template| of(template, true))
        .collect();
    columns.extend(of(table, false));
    columns.sort_by_key(|column| (class_order(column), !column.derived, column.schema.entry.id));
    columns
}

fn class_order(column: &Column<'_>) -> u8 {
    match column.schema.entry.id.class() {
        ColumnClass::Fixed => 0,
        ColumnClass::Variable => 1,
        ColumnClass::Tagged => 2,
    }
}

impl<'d> Column<'d> {
    /// Bytes of a fixed column: its type's, or what the catalog says for fixed Binary and Text.
    pub(crate) fn fixed_len(&self) -> usize {
        let entry = &self.schema.entry;
        let of_type = entry.kind.and_then(ColumnType::fixed_len);
        of_type.unwrap_or_else(|| usize::try_from(entry.size).unwrap_or(usize::MAX))
    }

    /// The bytes of the value that the column has where a record has none.
    pub(crate) fn default_bytes(&self) -> Option<&'d [u8]> {
        let entry = &self.schema.entry;
        let default = entry.default.as_deref();
        default.filter(|_| entry.flags.contains(ColumnFlags::DEFAULT))
    }
}

fn default_value(column: &Column<'_>) -> Result<Value, FormatError> {
    match column.default_bytes() {
        Some(bytes) => typed(column, bytes.to_vec()),
        None => Ok(Value::Null),
    }
}

/// The bytes as a value of the column's type; as they are where the type is not known.
fn typed(column: &Column<'_>, bytes: Vec<u8>) -> Result<Value, FormatError> {
    let entry = &column.schema.entry;
    Value::read(
        entry.kind.unwrap_or(ColumnType::LongBinary),
        entry.code_page,
        bytes,
    )
}

/// The rows of a table.
#[derive(Debug)]
pub struct Rows<'t> {
    table: &'t Table<'t>,
    scan: Scan<'t>,
}

impl Iterator for Rows<'_> {
    type Item = JetResult<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.scan.next()?;
        Some(entry.and_then(|entry| self.table.row(&entry)))
    }
}
