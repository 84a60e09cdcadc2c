//! Indexes made and deleted, also of tables with records (database-file.md sections 6.4, 6.5 and 9).

use super::build::IndexBuild;
use super::check::{check_index, existing_column};
use super::columns::{changeable, has_records};
use super::live_table::{LiveIndex, index_tree};
use super::rows;
use super::state::{Lent, SchemaChange};
use super::tables::{check_exclusive, note};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::definition::IndexDefinition;
use crate::engine::space::{self, NewTree};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    CatalogEntry, CatalogObject, ColumnFlags, IndexEntry, IndexFlags, LC_MAP_FLAGS, LOCALE_NAME, PageFlags,
    SegmentEntry, SegmentFlags,
};
use crate::store::system_catalog::{Object, ObjectKind};
use crate::store::{IndexSchema, TableSchema};

/// Begins to make an index of a table: what comes back fills it with the entries of the records that are there. `None`: it
/// is made, for there are none. An error, then or later, may leave part of it made: the caller rolls back to where it was
/// before.
///
/// # Errors
/// The definition cannot be made, as `check` tells; `JET_errIndexDuplicate`, `JET_errIndexHasPrimary`;
/// `JET_errTableInUse`: another session has the table open; `JET_errTableNotEmpty`: a primary index, but there are
/// records; `JET_errWriteConflict`; no page can be had.
pub(crate) fn create_index(
    change: &mut Change<'_>,
    objid: u32,
    definition: &IndexDefinition,
) -> JetResult<Option<IndexBuild>> {
    let table = changeable(change, objid)?;
    check_index(&table.schema, definition, change.database.page_size)?;
    let session = change.transaction.state().session();
    change.state.catalog.check_unused(objid, session)?;
    check_exclusive(change, &table)?;
    let mut index = IndexSchema {
        name: definition.name.clone(),
        entry: index_entry(&table.schema, definition)?,
    };
    let is_primary = index.entry.flags.contains(IndexFlags::PRIMARY);
    let has_records = has_records(change, &table)?;
    if is_primary && has_records {
        let what = format!("table {} has records already", table.schema.name);
        return Err(JetError::rule(JetErr::TableNotEmpty, what));
    }
    // Keys that cannot be made cost nothing.
    if !is_primary {
        LiveIndex::new(&index, table.tree, &table.layout).keys()?;
    }
    note(change, objid, SchemaChange::Records);
    index.entry = insert_index(change, table.tree, &index)?;
    if !has_records {
        return Ok(None);
    }
    let index = LiveIndex::new(&index, index_tree(&index.entry), &table.layout);
    Ok(Some(IndexBuild::new(table, index)))
}

/// Deletes an index. Its pages are given back when everybody sees that it is gone.
///
/// # Errors
/// `JET_errIndexNotFound`; `JET_errIndexMustStay`: it is the primary index; `JET_errTableInUse`: another session has the
/// table open; `JET_errWriteConflict`.
pub(crate) fn delete_index(change: &mut Change<'_>, objid: u32, name: &str) -> JetResult<()> {
    let table = changeable(change, objid)?;
    let index = table.index(name)?;
    if index.entry.flags.contains(IndexFlags::PRIMARY) {
        let what = format!("index {} is the order of its table", index.name);
        return Err(JetError::rule(JetErr::IndexMustStay, what));
    }
    let session = change.transaction.state().session();
    change.state.catalog.check_unused(objid, session)?;
    note(change, objid, SchemaChange::Columns);
    rows::delete(change, &row(objid, &index.name, &index.entry))?;
    rows::delete_object(change, object(objid, index.tree.objid))?;
    let lent = Lent {
        lender: table.tree,
        tree: index.tree,
    };
    note(change, objid, SchemaChange::Unneeded(lent));
    Ok(())
}

/// What the catalog will say of an index, but for its tree.
///
/// # Errors
/// `JET_errColumnNotFound`.
pub(super) fn index_entry(table: &TableSchema, definition: &IndexDefinition) -> JetResult<IndexEntry> {
    let mut flags = definition.flags;
    let mut segments = Vec::new();
    for segment in &definition.segments {
        let column = &existing_column(table, &segment.column)?.entry;
        if column.flags.contains(ColumnFlags::MULTI_VALUED) {
            flags |= IndexFlags::MULTI_VALUED;
        }
        let mut flags = SegmentFlags::empty();
        flags.set(SegmentFlags::DESCENDING, segment.is_descending);
        let column = column.id;
        segments.push(SegmentEntry { column, flags });
    }
    let mut conditions = Vec::new();
    for condition in &definition.conditions {
        let column = existing_column(table, &condition.column)?.entry.id;
        let mut flags = SegmentFlags::empty();
        flags.set(SegmentFlags::MUST_BE_NULL, condition.must_be_null);
        conditions.push(SegmentEntry { column, flags });
    }
    let key_most = definition.key_most;
    Ok(IndexEntry {
        objid: 0,
        pgno_fdp: 0,
        flags,
        density: definition.density,
        key_most,
        var_seg_mac: definition.variable_segment_most.filter(|most| *most < key_most),
        lc_map_flags: Some(LC_MAP_FLAGS),
        locale: Some(LOCALE_NAME.into()),
        segments,
        conditions,
        tuple_limits: None,
    })
}

/// Makes the tree of an index, unless it is the primary one, and its rows. `table`: the tree of its table.
///
/// # Errors
/// No page can be had, and those of the rows.
pub(super) fn insert_index(
    change: &mut Change<'_>,
    table: TreeId,
    index: &IndexSchema,
) -> JetResult<IndexEntry> {
    let flags = index.entry.flags;
    let is_primary = flags.contains(IndexFlags::PRIMARY);
    let tree = if is_primary {
        table
    } else {
        let new = NewTree {
            kind: PageFlags::INDEX,
            is_unique: flags.contains(IndexFlags::UNIQUE),
            pages: 1,
            multiple_extent: false,
        };
        let tree = space::create_tree(change, table, new)?;
        let lent = Lent { lender: table, tree };
        note(change, table.objid, SchemaChange::Made(lent));
        tree
    };
    let entry = IndexEntry {
        objid: tree.objid,
        pgno_fdp: tree.fdp,
        ..index.entry.clone()
    };
    rows::insert(change, &row(table.objid, &index.name, &entry))?;
    if !is_primary {
        rows::insert_object(change, object(table.objid, tree.objid))?;
    }
    Ok(entry)
}

fn row(table: u32, name: &str, entry: &IndexEntry) -> CatalogEntry {
    CatalogEntry {
        objid_table: table,
        name: name.into(),
        object: CatalogObject::Index(entry.clone()),
    }
}

fn object(table: u32, objid: u32) -> Object {
    Object {
        objid,
        table,
        kind: ObjectKind::Index,
    }
}
