//! The tables of a database, from its catalog or, where that is damaged, from the catalog's shadow
//! (database-file.md sections 6 and 12.1).

use super::database::Database;
use super::tree::Tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, CatalogObject, ColumnEntry, ColumnType, IndexEntry,
    LongValueEntry, RECORD_HEADER_LEN, SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT, TableEntry,
};
use std::collections::BTreeMap;

/// All tables of a database.
#[derive(Debug)]
pub struct Schema {
    /// The tables, by objid.
    pub tables: Vec<TableSchema>,
    /// What is wrong with the catalog, where its shadow was read instead.
    pub damage: Option<JetError>,
}

/// A table, and all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Its name.
    pub name: String,
    /// objid of its tree.
    pub objid: u32,
    /// The entry of the table itself.
    pub table: TableEntry,
    /// Its own columns, by id, those that were deleted left out.
    pub columns: Vec<ColumnSchema>,
    /// Its indexes, by objid.
    pub indexes: Vec<IndexSchema>,
    /// Its long value tree.
    pub long_value: Option<LongValueEntry>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name.
    pub name: String,
    /// Its entry.
    pub entry: ColumnEntry,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSchema {
    /// Its name.
    pub name: String,
    /// Its entry.
    pub entry: IndexEntry,
}

impl Schema {
    /// Reads the catalog; its shadow, if the catalog cannot be read.
    ///
    /// # Errors
    /// Both are damaged: what is wrong with the catalog.
    pub fn load(database: &Database) -> JetResult<Schema> {
        let damage = match Self::read(database, CATALOG_ROOT, CATALOG_OBJID) {
            Ok(tables) => return Ok(Schema { tables, damage: None }),
            Err(damage) => damage,
        };
        tracing::warn!(%damage, "the catalog is damaged, its shadow is read");
        match Self::read_shadow(database) {
            Ok(tables) => Ok(Schema {
                tables,
                damage: Some(damage),
            }),
            Err(_) => Err(damage),
        }
    }

    /// Reads the catalog's shadow.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read_shadow(database: &Database) -> JetResult<Vec<TableSchema>> {
        Self::read(database, SHADOW_CATALOG_ROOT, SHADOW_CATALOG_OBJID)
    }

    fn read(database: &Database, root: u32, objid: u32) -> JetResult<Vec<TableSchema>> {
        let mut collected = Collected::default();
        for entry in Tree::new(database, root, objid).scan()? {
            let entry = entry?;
            let row = CatalogEntry::read(database.page_size(), entry.data())
                .map_err(|error| database.on_page(entry.pgno(), error))?;
            collected.add(row);
        }
        Ok(collected.into_tables())
    }

    /// The table called `name`; as in the engine, case does not matter.
    ///
    /// # Errors
    /// There is none (`JET_errObjectNotFound`).
    pub fn table(&self, name: &str) -> JetResult<&TableSchema> {
        let exact = self.tables.iter().find(|table| table.name == name);
        exact
            .or_else(|| {
                self.tables
                    .iter()
                    .find(|table| table.name.eq_ignore_ascii_case(name))
            })
            .ok_or_else(|| JetError::rule(JetErr::ObjectNotFound, format!("there is no table {name:?}")))
    }

    /// The template of `table`, if it is derived from one.
    pub fn template(&self, table: &TableSchema) -> JetResult<Option<&TableSchema>> {
        table
            .table
            .template
            .as_deref()
            .map(|name| self.table(name))
            .transpose()
    }
}

impl TableSchema {
    /// The tables of these entries, by objid.
    pub(crate) fn from_entries(entries: impl IntoIterator<Item = CatalogEntry>) -> Vec<TableSchema> {
        let mut collected = Collected::default();
        entries.into_iter().for_each(|entry| collected.add(entry));
        collected.into_tables()
    }
}

/// Entries grouped by table, whatever their order in the catalog.
#[derive(Default)]
struct Collected {
    tables: BTreeMap<u32, (String, TableEntry)>,
    columns: BTreeMap<u32, Vec<ColumnSchema>>,
    indexes: BTreeMap<u32, Vec<IndexSchema>>,
    long_values: BTreeMap<u32, LongValueEntry>,
}

impl Collected {
    fn add(&mut self, row: CatalogEntry) {
        let (objid, name) = (row.objid_table, row.name);
        match row.object {
            CatalogObject::Table(entry) => {
                self.tables.insert(objid, (name, entry));
            }
            CatalogObject::Column(entry) if entry.kind == Some(ColumnType::Nil) => {}
            CatalogObject::Column(entry) => {
                self.columns
                    .entry(objid)
                    .or_default()
                    .push(ColumnSchema { name, entry });
            }
            CatalogObject::Index(entry) => {
                self.indexes
                    .entry(objid)
                    .or_default()
                    .push(IndexSchema { name, entry });
            }
            CatalogObject::LongValue(entry) => {
                self.long_values.insert(objid, entry);
            }
            CatalogObject::Callback | CatalogObject::Other(_) => {}
        }
    }

    fn into_tables(mut self) -> Vec<TableSchema> {
        let tables = std::mem::take(&mut self.tables);
        tables
            .into_iter()
            .map(|(objid, (name, table))| {
                let mut columns = self.columns.remove(&objid).unwrap_or_default();
                columns.sort_by_key(|column| column.entry.id);
                if matches!(objid, CATALOG_OBJID | SHADOW_CATALOG_OBJID) {
                    lay_out_catalog(&mut columns);
                }
                let mut indexes = self.indexes.remove(&objid).unwrap_or_default();
                indexes.sort_by_key(|index| index.entry.objid);
                TableSchema {
                    name,
                    objid,
                    table,
                    columns,
                    indexes,
                    long_value: self.long_values.get(&objid).copied(),
                }
            })
            .collect()
    }
}

/// Places the fixed columns of the catalog itself one after the other.
///
/// The engine knows them by heart and stores 4 as the `RecordOffset` of each (seen in every genuine file, against
/// section 6.6).
fn lay_out_catalog(columns: &mut [ColumnSchema]) {
    let mut offset = RECORD_HEADER_LEN;
    for column in columns {
        if let (Some(_), Some(len)) = (
            column.entry.record_offset,
            column.entry.kind.and_then(ColumnType::fixed_len),
        ) {
            column.entry.record_offset = u16::try_from(offset).ok();
            offset += len;
        }
    }
}
