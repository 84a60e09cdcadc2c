//! Tables made and deleted (database-file.md sections 6 and 5.2, log-and-recovery.md section 8.3).

use super::check;
use super::columns::add_to_schema;
use super::indexes::{index_entry, insert_index};
use super::live_table::{self, LiveTable, index_tree, long_value_tree_of};
use super::rows;
use super::state::{Lent, SchemaChange};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::definition::TableDefinition;
use crate::engine::space::{self, NewTree, ROOT};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{CatalogEntry, CatalogObject, PageFlags, TableEntry, TableFlags};
use crate::store::system_catalog::{Object, ObjectKind};
use crate::store::{IndexSchema, TableSchema};
use std::sync::Arc;

/// Makes a table with its columns and indexes. An error may leave part of it made: the caller rolls back to where it was
/// before.
///
/// # Errors
/// The definition cannot be made, as `check` tells; `JET_errTableDuplicate`, `JET_errWriteConflict`; no page can be had.
pub(crate) fn create_table(
    change: &mut Change<'_>,
    definition: &TableDefinition,
) -> JetResult<Arc<LiveTable>> {
    let size = change.database.page_size;
    check::check_table(definition)?;
    check_new_name(change, &definition.name)?;
    let mut table = plan(definition)?;
    let mut indexes = Vec::new();
    for index in &definition.indexes {
        check::check_index(&table, index, size)?;
        let entry = index_entry(&table, index)?;
        let name = index.name.clone();
        table.indexes.push(IndexSchema { name, entry });
    }
    indexes.append(&mut table.indexes);
    let tree = create_tree(change, definition.pages.max(1))?;
    (table.objid, table.table.pgno_fdp) = (tree.objid, tree.fdp);
    insert_table(change, &table)?;
    for index in indexes {
        let entry = insert_index(change, tree, &index)?;
        table.indexes.push(IndexSchema { entry, ..index });
    }
    Ok(Arc::new(LiveTable::new(size, table, None)))
}

/// Deletes a table. Its pages are given back when everybody sees that it is gone.
///
/// # Errors
/// `JET_errObjectNotFound`, `JET_errCannotDeleteSystemTable`; `JET_errTableInUse`: another session has it open;
/// `JET_errWriteConflict`: another transaction changed it and is not seen yet.
pub(crate) fn delete_table(change: &mut Change<'_>, name: &str) -> JetResult<()> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let size = database.page_size;
    let table = database.look_in(change.state, |state| {
        live_table::table(state, size, name, &reader)
    })?;
    let objid = table.schema.objid;
    if table.schema.table.flags.contains(TableFlags::SYSTEM) {
        let what = format!("table {} belongs to the engine", table.schema.name);
        return Err(JetError::rule(JetErr::CannotDeleteSystemTable, what));
    }
    change.state.catalog.check_unused(objid, reader.session())?;
    check_exclusive(change, &table)?;
    let entries = database.look_in(change.state, |state| rows::entries(state, size, objid, &reader))?;
    let sees_tree = entries
        .iter()
        .any(|entry| matches!(entry.object, CatalogObject::LongValue(_)));
    if table.schema.long_value.is_some() != sees_tree {
        let what = format!("table {name} got a tree of long values since this transaction began");
        return Err(JetError::rule(JetErr::WriteConflict, what));
    }
    note(change, objid, SchemaChange::Records);
    for entry in &entries {
        rows::delete(change, entry)?;
    }
    for (object, tree) in trees_of(&table) {
        rows::delete_object(change, object)?;
        let lender = if object.objid == objid { ROOT } else { table.tree };
        note(change, objid, SchemaChange::Unneeded(Lent { lender, tree }));
    }
    Ok(())
}

/// Whether only this transaction works on a table: nobody else changes its schema, or has changed records that this
/// transaction does not see.
///
/// # Errors
/// `JET_errWriteConflict`.
pub(super) fn check_exclusive(change: &Change<'_>, table: &LiveTable) -> JetResult<()> {
    let me = change.transaction.state();
    change.state.catalog.check_schema(table.schema.objid, me)?;
    if change.state.versions.has_unseen(table.tree, me) {
        let what = format!(
            "another transaction changed records of table {}",
            table.schema.name
        );
        return Err(JetError::rule(JetErr::WriteConflict, what));
    }
    Ok(())
}

/// Notes what the transaction does to a table's schema.
pub(super) fn note(change: &mut Change<'_>, objid: u32, what: SchemaChange) {
    change.transaction.touch(change.database.dbid);
    let (transaction, level) = (change.transaction.state(), change.transaction.level());
    change.state.catalog.add(transaction, level, objid, what);
}

/// The trees of a table, those to which it lends its space first.
fn trees_of(table: &LiveTable) -> Vec<(Object, TreeId)> {
    let objid = table.schema.objid;
    let object = |tree: TreeId, kind| {
        let object = Object {
            objid: tree.objid,
            table: objid,
            kind,
        };
        (object, tree)
    };
    let indexes = table.secondary.iter();
    let mut trees: Vec<_> = indexes
        .map(|index| object(index_tree(&index.entry), ObjectKind::Index))
        .collect();
    let long_value = table.schema.long_value.map(long_value_tree_of);
    trees.extend(long_value.map(|tree| object(tree, ObjectKind::LongValue)));
    trees.push(object(table.tree, ObjectKind::Table));
    trees
}

fn check_new_name(change: &mut Change<'_>, name: &str) -> JetResult<()> {
    let (database, reader) = (change.database, change.transaction.state());
    let found = database.look_in(change.state, |state| rows::find_table(state, name, reader))?;
    match found {
        None => Ok(()),
        Some(_) => {
            let what = format!("there is a table {name} already");
            Err(JetError::rule(JetErr::TableDuplicate, what))
        }
    }
}

/// The schema that a definition asks for, but for its trees and indexes.
fn plan(definition: &TableDefinition) -> JetResult<TableSchema> {
    let mut table = TableSchema {
        name: definition.name.clone(),
        objid: 0,
        table: TableEntry {
            pgno_fdp: 0,
            flags: TableFlags::empty(),
            pages: definition.pages,
            density: definition.density,
            long_value_chunk: None,
            separate_at: definition.separate_at,
            template: None,
        },
        columns: Vec::new(),
        indexes: Vec::new(),
        long_value: None,
    };
    for column in &definition.columns {
        add_to_schema(&mut table.columns, column)?;
    }
    Ok(table)
}

fn create_tree(change: &mut Change<'_>, pages: u32) -> JetResult<TreeId> {
    let new = NewTree {
        kind: PageFlags::empty(),
        is_unique: true,
        pages,
        multiple_extent: false,
    };
    let tree = space::create_tree(change, ROOT, new)?;
    note(
        change,
        tree.objid,
        SchemaChange::Made(Lent { lender: ROOT, tree }),
    );
    Ok(tree)
}

/// The rows of a table and its columns.
fn insert_table(change: &mut Change<'_>, table: &TableSchema) -> JetResult<()> {
    let objid = table.objid;
    let entry = |name: &str, object| CatalogEntry {
        objid_table: objid,
        name: name.into(),
        object,
    };
    let row = entry(&table.name, CatalogObject::Table(table.table.clone()));
    rows::insert(change, &row)?;
    let object = Object {
        objid,
        table: objid,
        kind: ObjectKind::Table,
    };
    rows::insert_object(change, object)?;
    for column in &table.columns {
        let row = entry(&column.name, CatalogObject::Column(column.entry.clone()));
        rows::insert(change, &row)?;
    }
    Ok(())
}
