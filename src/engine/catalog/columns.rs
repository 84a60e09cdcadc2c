//! Columns added and deleted (database-file.md section 6.6).

use super::check::{check_new_column, existing_column};
use super::live_table::{self, LiveTable};
use super::rows;
use super::state::SchemaChange;
use super::tables::note;
use crate::engine::change::Change;
use crate::engine::definition::ColumnDefinition;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    CatalogEntry, CatalogObject, ColumnClass, ColumnEntry, ColumnFlags, ColumnId, ColumnType,
    RECORD_HEADER_LEN, TableFlags, record_most,
};
use crate::store::ColumnSchema;
use crate::store::bulk_load::Storage;
use std::sync::Arc;

/// Adds a column to a table, whose records have NULL or the default in it. Returns its id.
///
/// # Errors
/// The definition cannot be made, as `check` tells; `JET_errColumnDuplicate`, `JET_errTooManyColumns`,
/// `JET_errRecordTooBig`, `JET_errWriteConflict`; no page can be had.
pub(crate) fn add_column(
    change: &mut Change<'_>,
    objid: u32,
    definition: &ColumnDefinition,
) -> JetResult<ColumnId> {
    let table = changeable(change, objid)?;
    check_new_column(&table.schema, definition)?;
    if definition.flags.contains(ColumnFlags::ESCROW_UPDATE) && has_records(change, &table)? {
        let what = "an escrow column is added to an empty table";
        return Err(JetError::rule(JetErr::TableNotEmpty, what));
    }
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let size = database.page_size;
    let entries = database.look_in(change.state, |state| rows::entries(state, size, objid, &reader))?;
    // Those that were deleted count: their ids and places are not used again.
    let mut columns: Vec<ColumnSchema> = entries
        .into_iter()
        .filter_map(|entry| match entry.object {
            CatalogObject::Column(column) => Some(ColumnSchema {
                name: entry.name,
                entry: column,
            }),
            _ => None,
        })
        .collect();
    let id = add_to_schema(&mut columns, definition)?;
    let added = columns.pop().filter(|column| column.entry.id == id);
    let added = added.ok_or_else(|| JetError::rule(JetErr::InternalError, "a column is gone"))?;
    if fixed_end(&added.entry) > record_most(size, key_most(&table)) {
        return Err(too_big(definition));
    }
    note(change, objid, SchemaChange::Columns);
    let row = CatalogEntry {
        objid_table: objid,
        name: added.name,
        object: CatalogObject::Column(added.entry),
    };
    rows::insert(change, &row)?;
    Ok(id)
}

/// Deletes a column. Records keep its values, which nobody reads; its id and its place are not used again. As in the
/// genuine engine, its row stays, with type 0 and the name `JetStub_` with objid and id.
///
/// # Errors
/// `JET_errColumnNotFound`; `JET_errColumnInUse`: an index needs it; `JET_errWriteConflict`.
pub(crate) fn delete_column(change: &mut Change<'_>, objid: u32, name: &str) -> JetResult<()> {
    let table = changeable(change, objid)?;
    let column = existing_column(&table.schema, name)?;
    let id = column.entry.id;
    let uses = |index: &&crate::store::IndexSchema| {
        let mut columns = index.entry.segments.iter().chain(&index.entry.conditions);
        columns.any(|segment| segment.column == id)
    };
    if let Some(index) = table.schema.indexes.iter().find(uses) {
        let what = format!("index {} needs column {}", index.name, column.name);
        return Err(JetError::rule(JetErr::ColumnInUse, what));
    }
    note(change, objid, SchemaChange::Columns);
    let row = |name: String, entry: ColumnEntry| CatalogEntry {
        objid_table: objid,
        name,
        object: CatalogObject::Column(entry),
    };
    let old = row(column.name.clone(), column.entry.clone());
    let stub = ColumnEntry {
        kind: Some(ColumnType::Nil),
        coltyp: ColumnType::Nil.number(),
        ..column.entry.clone()
    };
    rows::replace(change, &old, &row(format!("JetStub_{objid}_{}", id.0), stub))
}

/// A table whose columns and indexes this transaction may change.
///
/// # Errors
/// `JET_errFixedDDL`, `JET_errWriteConflict`.
pub(super) fn changeable(change: &mut Change<'_>, objid: u32) -> JetResult<Arc<LiveTable>> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let size = database.page_size;
    let table = database.look_in(change.state, |state| {
        live_table::table_of(state, size, objid, &reader)
    })?;
    let fixed = TableFlags::SYSTEM | TableFlags::FIXED_DDL | TableFlags::DERIVED | TableFlags::TEMPLATE;
    if table.schema.table.flags.intersects(fixed) {
        let what = format!("the schema of table {} cannot be changed", table.schema.name);
        return Err(JetError::rule(JetErr::FixedDDL, what));
    }
    change.state.catalog.check_schema(objid, &reader)?;
    Ok(table)
}

/// Whether this transaction sees records in a table.
pub(super) fn has_records(change: &mut Change<'_>, table: &LiveTable) -> JetResult<bool> {
    use crate::engine::tree::{From, find};
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    database.look_in(change.state, |state| {
        Ok(find(state, table.tree, From::First, &reader)?.is_some())
    })
}

/// Adds a column behind those of a table, the deleted ones included, with the next id of its class. Returns the id.
///
/// # Errors
/// `JET_errTooManyColumns`, `JET_errRecordTooBig`.
pub(super) fn add_to_schema(
    columns: &mut Vec<ColumnSchema>,
    definition: &ColumnDefinition,
) -> JetResult<ColumnId> {
    let (class, first, last) = match definition.storage {
        Storage::Fixed => (ColumnClass::Fixed, 1, 127),
        Storage::Variable => (ColumnClass::Variable, 128, 255),
        Storage::Tagged => (ColumnClass::Tagged, 256, 0x7ffe),
    };
    let before = columns
        .iter()
        .filter(|column| column.entry.id.class() == class)
        .max_by_key(|column| column.entry.id);
    let id = before.map_or(first, |column| column.entry.id.0.saturating_add(1));
    if id > last {
        let what = format!("no column id is left for {}", definition.name);
        return Err(JetError::rule(JetErr::TooManyColumns, what));
    }
    let offset = match class {
        ColumnClass::Fixed => Some(before.map_or(RECORD_HEADER_LEN, |column| fixed_end(&column.entry))),
        _ => None,
    };
    let record_offset = offset
        .map(u16::try_from)
        .transpose()
        .map_err(|_| too_big(definition))?;
    let mut flags = definition.flags;
    flags.set(ColumnFlags::DEFAULT, definition.default.is_some());
    columns.push(ColumnSchema {
        name: definition.name.clone(),
        entry: ColumnEntry {
            id: ColumnId(id),
            kind: Some(definition.kind),
            coltyp: definition.kind.number(),
            size: definition.max_len,
            flags,
            code_page: definition.code_page,
            record_offset,
            default: definition.default.clone(),
        },
    });
    Ok(ColumnId(id))
}

/// Where a fixed column ends in the record; 0 for others.
pub(super) fn fixed_end(column: &ColumnEntry) -> usize {
    let len = usize::try_from(column.size).unwrap_or(usize::MAX);
    column
        .record_offset
        .map_or(0, |offset| usize::from(offset).saturating_add(len))
}

fn key_most(table: &LiveTable) -> u16 {
    table.primary.as_ref().map_or(4, |index| index.entry.key_most)
}

fn too_big(column: &ColumnDefinition) -> JetError {
    let what = format!("fixed column {} does not fit into a record", column.name);
    JetError::rule(JetErr::RecordTooBig, what)
}
